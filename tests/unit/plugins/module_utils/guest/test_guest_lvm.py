# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""LVM's filters: which would hide a guest's volumes on virtio, what they become, and what then is made anew."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.changes import (
    EditFile,
    RebuildInitramfs,
    command_of,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import PlanError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import (
    FileSystem,
    GuestFacts,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.logical_volumes import read_groups
from ansible_collections.ferry.hvm.plugins.module_utils.guest.lvm_filters import (
    accepts,
    put_first,
    read_filters,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.plan import make_plan
from ansible_collections.ferry.hvm.plugins.module_utils.guest.rules import Options
from ansible_collections.ferry.hvm.plugins.module_utils.guest.tree import GuestTree

from tests.unit.plugins.module_utils.guest.guest_samples import (
    ALL,
    DATA_UUID,
    LACKING,
    LV_ROOT,
    MENU,
    READY,
    guest,
)
from tests.unit.plugins.module_utils.guest.rpm_guests import RELEASES, add_kernel, build, look

RHEL9 = RELEASES[2]
CONF, LOCAL = "/etc/lvm/lvm.conf", "/etc/lvm/lvmlocal.conf"
COPIED = dataclasses.replace(READY, copies=frozenset([CONF]))
ROOT = dataclasses.replace(LV_ROOT, group="vg0")
PART = FileSystem("sda", 2, "/dev/mapper/ov-0p2", "LVM2_member", "p0", group="vg0")
WHOLE = FileSystem("sdb", 0, "/dev/mapper/ov-1", "LVM2_member", "p1", group="vg0")
OTHER = dataclasses.replace(WHOLE, group="vg1")
ON_LVM = {
    "/etc/fstab": "/dev/mapper/vg0-root / ext4 defaults 0 1\n",
    "/boot/grub/grub.cfg": MENU.replace("{root}", "/dev/mapper/vg0-root"),
}


def on_lvm(files: dict[str, str], *others: FileSystem) -> GuestFacts:
    """A guest whose root is a volume over part of its first disk, and over `others`."""
    return guest(
        files={**ON_LVM, **files},
        root=ROOT,
        file_systems=(PART, *others, ROOT),
        kernels=(COPIED,),
    )


def edits(facts: GuestFacts) -> dict[str, str]:
    return {c.path: c.after for c in make_plan(facts, Options()).changes if isinstance(c, EditFile)}


def rebuilt(facts: GuestFacts) -> list[RebuildInitramfs]:
    return [c for c in make_plan(facts, Options()).changes if isinstance(c, RebuildInitramfs)]


def devices(setting: str) -> str:
    return f"devices {{\n\t{setting}\n}}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            'filter = [ "a|^/dev/sda2$|", "r|.*|" ]',
            'filter = [ "a|^/dev/vd|", "a|^/dev/sda2$|", "r|.*|" ]',
            id="on one line",
        ),
        pytest.param(
            'global_filter=["a/sd[ab][0-9]*/","r/.*/"]  # ours',
            'global_filter=["a|^/dev/vd|", "a/sd[ab][0-9]*/","r/.*/"]  # ours',
            id="global, with slashes, without spaces, with a comment",
        ),
        pytest.param(
            'filter = [\n\t\t# "a|.*|",\n\t\t"a|/dev/sda|", # first\n\t\t"r|.*|",\n\t]',
            'filter = [\n\t\t# "a|.*|",\n\t\t"a|^/dev/vd|", "a|/dev/sda|", # first\n\t\t"r|.*|",\n\t]',
            id="over several lines, with comments inside",
        ),
        pytest.param(
            'filter = "r|/dev/vd.*|"',
            'filter = [ "a|^/dev/vd|", "r|/dev/vd.*|" ]',
            id="without brackets",
        ),
        pytest.param(
            "filter = ['a|sda|', 'r|.*|']\n\tglobal_filter = [\"a(sda)\", \"r{.}\"]",
            "filter = [\"a|^/dev/vd|\", 'a|sda|', 'r|.*|']\n"
            '\tglobal_filter = ["a|^/dev/vd|", "a(sda)", "r{.}"]',
            id="both, with other quotes and brackets as delimiters",
        ),
    ],
)
def test_a_filter_that_knows_the_old_names_accepts_virtio_first(before: str, after: str) -> None:
    facts = on_lvm({CONF: f"# LVM\nlog {{ level=0 }}\n{devices(before)}"})
    assert edits(facts) == {CONF: f"# LVM\nlog {{ level=0 }}\n{devices(after)}"}
    assert edits(on_lvm({CONF: devices(after)})) == {}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(devices('# filter = [ "r|.*|" ]'), id="a comment"),
        pytest.param(devices('filter = [ "a|.*|" ]'), id="all are accepted"),
        pytest.param(devices('filter = [ "r|/dev/cdrom|", "r|^/dev/sd|" ]'), id="none matches"),
        pytest.param(devices('filter = [ "a|/dev/[sv]d|", "r|.*|" ]'), id="virtio is known"),
        pytest.param(devices('filter = [ "a|/dev/[sv]da2|", "r|.*|" ]'), id="the very partition"),
        pytest.param(devices("filter = []"), id="an empty list"),
        pytest.param(devices('filter = [ "a|^/dev/v|", "r|*|" ]'), id="unreadable, behind"),
        pytest.param('activation { filter = [ "r|.*|" ] }\n', id="another section"),
        pytest.param("log { prefix = \"filter = [ 'r|.*|' ]\" }\n", id="inside of a string"),
    ],
)
def test_a_filter_that_hides_nothing_needed_is_left(text: str) -> None:
    facts = on_lvm({CONF: text})
    assert make_plan(facts, Options()).changes == ()


def test_a_filter_at_the_top_and_a_local_one_are_active_too() -> None:
    local = 'devices/filter = [ "r|^/dev/v|" ]\n'
    assert edits(on_lvm({LOCAL: local})) == {
        LOCAL: 'devices/filter = [ "a|^/dev/vd|", "r|^/dev/v|" ]\n'
    }


def test_each_part_of_a_mounted_group_counts() -> None:
    # The second disk of a group, as virtio will call it.
    text = devices('filter = [ "a|^/dev/vda|", "a|^/dev/sd|", "r|.*|" ]')
    assert edits(on_lvm({CONF: text})) == {}
    assert set(edits(on_lvm({CONF: text}, WHOLE))) == {CONF}


def test_a_group_that_is_not_mounted_counts_if_the_source_saw_it() -> None:
    # A database's volumes, say, or what a unit of systemd mounts.
    seen = devices('filter = [ "a|^/dev/vda|", "a|^/dev/sd|", "r|.*|" ]')
    assert set(edits(on_lvm({CONF: seen}, OTHER))) == {CONF}
    hidden = devices('filter = [ "a|^/dev/vda|", "a|^/dev/sda|", "r|.*|" ]')
    assert edits(on_lvm({CONF: hidden}, OTHER)) == {}


def test_a_volume_of_fstab_counts_and_not_the_root_alone() -> None:
    data = FileSystem("", 0, "/dev/mapper/vg1-d", "ext4", names=("/dev/mapper/vg1-d",), group="vg1")
    text = devices('filter = [ "a|^/dev/vda|", "a|^/dev/sd|", "r|.*|" ]')
    fstab = f"{ON_LVM['/etc/fstab']}/dev/mapper/vg1-d /srv ext4 defaults 0 2\n"
    assert set(edits(on_lvm({CONF: text, "/etc/fstab": fstab}, OTHER, data))) == {CONF}


def test_disks_behind_the_26th_are_known_by_two_letters() -> None:
    facts = on_lvm({CONF: devices('filter = [ "a|^/dev/vd[a-z][0-9]|", "r|.*|" ]')})
    (disk, _other) = facts.disks
    many = [dataclasses.replace(disk, name=f"x{number}") for number in range(26)]
    assert edits(facts) == {}
    assert set(edits(dataclasses.replace(facts, disks=(*many, disk)))) == {CONF}


def test_a_disk_that_was_hidden_by_intent_is_not_shown() -> None:
    # The lower half of DRBD, say: LVM would see the same volumes twice.
    text = devices('filter = [ "r|^/dev/sdb|", "a|^/dev/sda|", "r|.*|" ]')
    with pytest.raises(PlanError, match=r"hides sdb, a part of LVM, by devices/filter"):
        make_plan(on_lvm({CONF: text}, OTHER), Options())
    told = devices('filter = [ "r|^/dev/[sv]db|", "a|^/dev/[sv]da|", "r|.*|" ]')
    assert make_plan(on_lvm({CONF: told}, OTHER), Options()).changes == ()


@pytest.mark.parametrize("pattern", ["r|*|", "r|[|", "x|.*|", "r|.*", "r", "a(sd]", "r|[]s]d|"])
def test_a_pattern_that_cannot_be_read_is_a_finding_with_the_way_out(pattern: str) -> None:
    text = devices(f'filter = [ "{pattern}", "a|sda|" ]')
    with pytest.raises(PlanError, match=r'cannot be read here. Put "a\|\^/dev/vd\|" first'):
        make_plan(on_lvm({CONF: text}), Options())
    (found,) = read_filters(text)
    assert edits(on_lvm({CONF: put_first(text, found, "a|^/dev/vd|")})) == {}


def test_backslashes_stay_but_before_a_quote_or_another() -> None:
    (found,) = read_filters(devices(r'filter = [ "r|a\.b|", "r|\*|", "r|a\\.b|", "r|q\"q|" ]'))
    # As `lvm dumpconfig` of lvm2 2.03.16 understood it.
    assert found.patterns == (r"r|a\.b|", r"r|\*|", r"r|a\.b|", 'r|q"q|')


@pytest.mark.parametrize(
    ("pattern", "device", "is_accepted"),
    [
        pytest.param(r"r|/dev/s\d|", "/dev/sd", False, id="an escaped letter is that letter"),
        pytest.param(r"r|/dev/s\d|", "/dev/s1", True, id="and no class"),
        pytest.param("r|^/dev/sd[a-c]$|", "/dev/sdb", False, id="a set"),
        pytest.param("r|a{2}|", "/dev/a{2}", False, id="braces are characters"),
        pytest.param(r"r|^/dev/[[.\]]$|", "/dev/[", False, id="a bracket in a set"),
        pytest.param("r[^/dev/sd]", "/dev/sda", False, id="brackets as delimiters"),
    ],
)
def test_patterns_are_read_as_lvm_reads_them(
    pattern: str, device: str, *, is_accepted: bool
) -> None:
    assert accepts((pattern,), device) is is_accepted


def test_an_initramfs_with_a_copy_of_an_edited_file_is_made_anew() -> None:
    facts = on_lvm({CONF: devices('filter = [ "a|sd|", "r|.*|" ]')})
    (made,) = rebuilt(facts)
    assert command_of(made) == ("update-initramfs", "-u", "-k", READY.version)
    assert (made.drivers, made.why) == (frozenset(), f"it has {CONF} as it was")
    changes = make_plan(facts, Options()).changes
    assert changes[-1] == made
    # What lacks drivers too is made once, and what holds no copy is left.
    both = dataclasses.replace(LACKING, copies=frozenset([CONF]))
    (made,) = rebuilt(dataclasses.replace(facts, kernels=(both,)))
    assert made.why.endswith(f"virtio_net; it has {CONF} as it was")
    assert rebuilt(dataclasses.replace(facts, kernels=(READY,))) == []


def test_an_initramfs_with_a_copy_of_the_list_of_disks_is_made_anew() -> None:
    # Debian's hook copies the whole folder of LVM's settings.
    listed = "/etc/lvm/devices/system.devices"
    kernel = dataclasses.replace(READY, copies=frozenset([listed]))
    facts = dataclasses.replace(on_lvm({listed: "IDTYPE=sys_serial\n"}), kernels=(kernel,))
    (made,) = rebuilt(facts)
    assert made.why == f"it has {listed} as it was"
    assert rebuilt(dataclasses.replace(on_lvm({}), kernels=(kernel,))) == []


FILTER = devices('filter = [ "a|^/dev/sda|", "r|.*|" ]')


def rhel_on_lvm(root: Path, *copied: str) -> GuestFacts:
    """RHEL 9 with a volume on LVM; its images have virtio already, and these files of the guest."""
    build(root, RHEL9)
    for kernel in RHEL9.kernels:
        add_kernel(root, RHEL9, kernel, inside=sorted(ALL), files=copied)
    tree = GuestTree(str(root))
    tree.write(CONF, FILTER)
    tree.write("/etc/fstab", f"{tree.read('/etc/fstab')}/dev/vg0/root /data ext4 defaults 0 0\n")
    found = look(root)
    return dataclasses.replace(found, file_systems=(*found.file_systems, PART, ROOT))


@pytest.mark.parametrize("copied", ["etc/lvm/lvm.conf", "./etc/lvm/lvm.conf"])
def test_dracut_makes_the_image_of_the_default_kernel_anew(tmp_path: Path, copied: str) -> None:
    facts = rhel_on_lvm(tmp_path, copied)
    (made,) = rebuilt(facts)
    command = command_of(made)
    assert (made.kernel, made.why) == (RHEL9.kernels[0], f"it has {CONF} as it was")
    assert "--add-drivers" not in command
    assert command[-1] == RHEL9.default_image
    (note,) = (n for n in make_plan(facts, Options()).notes if RHEL9.kernels[1] in n)
    assert "stays: it has /etc/lvm/lvm.conf as it was" in note


def test_an_image_without_a_copy_is_left(tmp_path: Path) -> None:
    # What dracut makes for any machine has no lvm.conf, unless it is told so (90lvm, `lvmconf`).
    facts = rhel_on_lvm(tmp_path)
    assert CONF in edits(facts)
    assert rebuilt(facts) == []


def test_an_image_that_only_the_source_can_make_needs_the_filter_there(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/crypttab").write_text(f"luks UUID={DATA_UUID} none\n")
    facts = rhel_on_lvm(tmp_path, "etc/lvm/lvm.conf")
    words = r'On the source put "a\|\^/dev/vd\|" first in the filters of /etc/lvm/lvm.conf, then run `dracut --force`'
    with pytest.raises(PlanError, match=words):
        make_plan(facts, Options())


def test_a_part_knows_its_group() -> None:
    # As LVM 2.03.16 printed it; a part that is in no group yet has an empty name.
    rows = [
        {"pv_name": "/dev/mapper/ov-0p2", "vg_name": "vg0"},
        {"pv_name": "/dev/mapper/ov-1", "vg_name": ""},
    ]
    found = read_groups(json.dumps({"report": [{"pv": rows}]}))
    assert found == {"/dev/mapper/ov-0p2": "vg0", "/dev/mapper/ov-1": ""}
