# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: what each trait of a guest leads to, and that a right guest is left alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest import network
from ansible_collections.ferry.hvm.plugins.module_utils.guest.changes import (
    Change,
    EditFile,
    InstallPackages,
    RebuildInitramfs,
    RemovePackages,
    RunInGuest,
    command_of,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import PlanError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import (
    Distribution,
    FileSystem,
    GuestFacts,
    Kernel,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.network import Interface
from ansible_collections.ferry.hvm.plugins.module_utils.guest.plan import make_plan
from ansible_collections.ferry.hvm.plugins.module_utils.guest.rules import Options
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.guest.guest_samples import (
    ALL,
    DATA_UUID,
    LACKING,
    MENU,
    READY,
    ROOT_UUID,
    SDA1,
    SDA2,
    SWAP_UUID,
    guest,
    packages,
)

OLD, NEW = "00:50:56:aa:bb:01", "52:54:00:12:34:56"
USUAL = Options()
ENS192 = Options(interfaces=(Interface(None, (OLD, NEW)),))
LINK = "/etc/systemd/network/10-ens192.link"
RULES = "/etc/udev/rules.d/70-persistent-net.rules"
RULE = f'SUBSYSTEM=="net", ACTION=="add", ATTR{{address}}=="{OLD}", NAME="lan0"\n'


def edits(facts: GuestFacts, options: Options = USUAL) -> dict[str, str]:
    """Return what files become, by path."""
    return {c.path: c.after for c in plan(facts, options) if isinstance(c, EditFile)}


def commands(facts: GuestFacts, options: Options = USUAL) -> list[str]:
    return [" ".join(command_of(c)) for c in plan(facts, options) if command_of(c)]


def plan(facts: GuestFacts, options: Options = USUAL) -> tuple[Change, ...]:
    return make_plan(facts, options).changes


def after(facts: GuestFacts, changes: tuple[Change, ...]) -> GuestFacts:
    """Return the facts of the guest once the changes are made, as its tools would leave it."""
    files, kernels, installed = dict(facts.files), facts.kernels, dict(facts.packages)
    for change in changes:
        if isinstance(change, EditFile):
            assert files.get(change.path) == change.before
            files[change.path] = change.after
        elif isinstance(change, RemovePackages):
            installed = {k: v for k, v in installed.items() if k not in change.names}
        elif isinstance(change, InstallPackages):
            installed.update(packages(qemu_guest_agent=""))
        elif isinstance(change, RunInGuest):
            words = files["/etc/default/grub"].split('"')[1]
            files["/boot/grub/grub.cfg"] = MENU.replace("{root}", f"UUID={ROOT_UUID} {words}")
        elif isinstance(change, RebuildInitramfs):
            kernels = tuple(
                dataclasses.replace(k, ready=ALL) if k.version == change.kernel else k
                for k in kernels
            )
    return dataclasses.replace(facts, files=files, kernels=kernels, packages=installed)


def menu(root: str) -> dict[str, str]:
    return {"/boot/grub/grub.cfg": MENU.replace("{root}", root)}


def test_a_guest_that_is_right_needs_nothing() -> None:
    found = make_plan(guest(), Options())
    assert (found.changes, found.notes) == ((), ())


@pytest.mark.parametrize(
    ("path", "before", "expected"),
    [
        pytest.param(
            "/etc/fstab",
            "/dev/sda1 / ext4 x 0 1\n/dev/sda2\tnone swap sw 0 0\n/dev/sdb1 /srv xfs x 0 2\n",
            f"UUID={ROOT_UUID} / ext4 x 0 1\nUUID={SWAP_UUID}\tnone swap sw 0 0\n"
            f"UUID={DATA_UUID} /srv xfs x 0 2\n",
            id="every disk in fstab",
        ),
        pytest.param(
            "/etc/crypttab",
            "secret  /dev/sdb1 none luks\n",
            f"secret  UUID={DATA_UUID} none luks\n",
            id="a device in crypttab",
        ),
        pytest.param(
            "/etc/initramfs-tools/conf.d/resume",
            "RESUME=/dev/sda2\n",
            f"RESUME=UUID={SWAP_UUID}\n",
            id="where to resume from",
        ),
        pytest.param(
            "/etc/default/grub",
            'GRUB_DISABLE_LINUX_UUID="true"\nGRUB_CMDLINE_LINUX="resume=/dev/sda2"\n',
            f'GRUB_DISABLE_LINUX_UUID=false\nGRUB_CMDLINE_LINUX="resume=UUID={SWAP_UUID}"\n',
            id="the defaults of GRUB",
        ),
        pytest.param(
            "/etc/grub.d/40_custom",
            "#!/bin/sh\nexec tail -n +3 $0\nlinux /vmlinuz root=/dev/sda1\n",
            f"#!/bin/sh\nexec tail -n +3 $0\nlinux /vmlinuz root=UUID={ROOT_UUID}\n",
            id="an entry that the administrator wrote",
        ),
    ],
)
def test_device_names_become_uuids(path: str, before: str, expected: str) -> None:
    assert edits(guest(files={path: before})) == {path: expected}


def test_optional_entries_on_missing_disks_are_noted() -> None:
    fstab = f"UUID={ROOT_UUID} / ext4 x 0 1\n/dev/sdc1 /usb vfat rw,noauto 0 0\n"
    found = make_plan(guest(files={"/etc/fstab": fstab}), Options())
    assert found.changes == ()
    assert "/dev/sdc1" in found.notes[0]


LOST = "UUID=55555555-2222-3333-4444-555555555555"
LUKS = FileSystem("sdb", 2, "/dev/mapper/ov-1p2", "crypto_LUKS", "66666666-2222")
OPENED = FileSystem("", 0, "/dev/mapper/safe", "ext4", names=("/dev/mapper/safe",))
THIN = FileSystem("", 0, "/dev/mapper/vg-thin", "a volume of LVM, thin", names=("/dev/vg/thin",))
SPACED = FileSystem("sdb", 1, "/dev/mapper/ov-1p1", "xfs", "77777777", "my data")
CRYPTTAB = f"safe UUID={LUKS.uuid} none luks\n"


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"/etc/fstab": f"{LOST} /srv xfs defaults 0 2\n"}, id="by UUID"),
        pytest.param({"/etc/fstab": "LABEL=lost /srv xfs defaults\n"}, id="by label"),
        pytest.param({"/etc/fstab": "PARTUUID=1234-01 /srv xfs\n"}, id="by its partition"),
        pytest.param({"/etc/fstab": "/dev/disk/by-uuid/5555 /srv xfs defaults\n"}, id="by a link"),
        pytest.param({"/etc/fstab": "/dev/mapper/vg1-data /srv xfs defaults\n"}, id="on LVM"),
        pytest.param({"/etc/fstab": "/dev/vg1/data /srv xfs defaults\n"}, id="on LVM, by group"),
        pytest.param({"/etc/crypttab": f"safe {LOST} none luks\n"}, id="in crypttab"),
    ],
)
def test_a_disk_that_was_left_out_and_is_needed_at_boot_is_a_finding(files: dict[str, str]) -> None:
    # A green plan, and the clone ended in emergency mode.
    with pytest.raises(PlanError, match="emergency mode"):
        make_plan(guest(files=files), Options())


@pytest.mark.parametrize(
    "row",
    [
        "UUID=5555 /srv xfs rw,nofail 0 0",
        "UUID=5555 /srv xfs noauto 0 0",
        "UUID=5555 /srv xfs _netdev 0 0",
        "UUID=5555 none swap sw 0 0",
        "LABEL=my\\040data /srv xfs defaults 0 0",
        "/dev/disk/by-label/my\\x20data /srv xfs defaults 0 0",
        "PARTLABEL=data /srv xfs defaults 0 0",
        "server:/export /srv nfs defaults 0 0",
        "//server/share /srv cifs defaults 0 0",
        "/data /srv none bind 0 0",
        "tmpfs /tmp tmpfs defaults 0 0",
        "/dev/md127 /srv xfs defaults 0 0",
    ],
)
def test_what_the_boot_does_not_wait_for_or_finds_hinders_nothing(row: str) -> None:
    facts = guest(files={"/etc/fstab": row}, file_systems=(SDA1, SDA2, SPACED))
    assert plan(facts) == ()


@pytest.mark.parametrize(
    ("closed", "names"),
    [pytest.param(LUKS, "sdb2", id="no key"), pytest.param(THIN, "/dev/vg/thin", id="thin")],
)
def test_what_may_lie_in_closed_storage_is_noted(closed: FileSystem, names: str) -> None:
    files = {"/etc/fstab": f"{LOST} /srv xfs defaults 0 2\n/dev/mapper/safe /safe ext4 defaults\n"}
    facts = guest(files={**files, "/etc/crypttab": CRYPTTAB}, file_systems=(SDA1, LUKS, closed))
    (note,) = [each for each in make_plan(facts, Options()).notes if LOST in each]
    assert names in note
    opened = dataclasses.replace(facts, file_systems=(SDA1, LUKS, OPENED))
    with pytest.raises(PlanError, match="emergency mode"):
        make_plan(opened, Options())


@pytest.mark.parametrize("root", ["/dev/sda1", "/dev/mapper/ov-0p1", "PARTUUID=87654321-01"])
def test_a_menu_that_does_not_find_the_root_is_made_anew(root: str) -> None:
    # virt-v2v-in-place rewrote fstab and left root=/dev/sda1 in grub.cfg: the guest did not boot.
    # An overlay's name is what grub-mkconfig writes where it sees no link to the root's UUID.
    if root.startswith("/dev/mapper"):
        with pytest.raises(PlanError, match="ov-0p1"):
            plan(guest(files=menu(root)))
    else:
        assert commands(guest(files=menu(root))) == ["update-grub"]


@pytest.mark.parametrize("root", ["LABEL=rootfs", "PARTUUID=12345678-01", f"UUID={ROOT_UUID}"])
def test_a_menu_with_a_stable_name_is_left(root: str) -> None:
    assert commands(guest(files=menu(root))) == []


@pytest.mark.parametrize(
    ("interfaces_files", "path", "text"),
    [
        pytest.param(
            {}, LINK, f"[Match]\nMACAddress={OLD} {NEW}\n\n[Link]\nName=ens192\n", id="no rule"
        ),
        pytest.param(
            {RULES: RULE}, RULES, RULE + RULE.replace(OLD, NEW), id="the guest has udev rules"
        ),
        pytest.param(
            {"/etc/systemd/network/50-lan.link": f"[Match]\nMACAddress={OLD}\n[Link]\nName=lan0\n"},
            "/etc/systemd/network/50-lan.link",
            f"[Match]\nMACAddress={OLD} {NEW}\n[Link]\nName=lan0\n",
            id="the guest has a link file",
        ),
    ],
)
def test_interfaces_keep_their_names_in_the_guests_own_kind(
    interfaces_files: dict[str, str], path: str, text: str
) -> None:
    # virt-v2v #99, libguestfs #363: ens192 became another name and the static address was lost.
    assert edits(guest(files=interfaces_files), ENS192) == {path: text}


@pytest.mark.parametrize(
    "match",
    [
        pytest.param("Path=pci-0000:0b:00.0", id="by slot"),
        pytest.param(f"MACAddress={OLD}\nType=ether", id="by MAC and type"),
    ],
)
def test_a_link_file_that_matches_by_more_than_macs_is_left(match: str) -> None:
    # Nothing was written for a slot; beside a type, each look added the MACs once more.
    own = f"[Match]\n{match}\n[Link]\nName=ens192\n"
    facts = guest(files={LINK: own})
    first = LINK.replace("10-", "010-")
    assert edits(facts, ENS192) == {first: network.new_link("ens192", (OLD, NEW))}
    assert sorted((first, LINK))[0] == first
    assert plan(after(facts, plan(facts, ENS192)), ENS192) == ()


def test_a_link_file_for_another_name_gets_no_macs() -> None:
    facts = guest(files={LINK: "[Match]\nMACAddress=02:00:00:00:00:09\n[Link]\nName=lan0\n"})
    assert set(edits(facts, ENS192)) == {LINK.replace("10-", "010-")}


def test_two_interfaces_in_one_rules_file_are_one_edit_after_the_other() -> None:
    other = Options(interfaces=(Interface("lan0", (OLD, NEW)), Interface("lan1", ("02:0:0", "03"))))
    facts = guest(files={RULES: RULE})
    changes = plan(facts, other)
    assert plan(after(facts, changes), other) == ()


def test_the_initramfs_gets_its_drivers_once_for_each_kernel() -> None:
    older = dataclasses.replace(LACKING, version="5.10.0-1-amd64")
    facts = guest(
        kernels=(older, LACKING),
        files={"/etc/initramfs-tools/modules": "# own\nsd_mod\nvirtio_blk"},
    )
    assert edits(facts) == {
        "/etc/initramfs-tools/modules": (
            "# own\nsd_mod\nvirtio_blk\nvirtio_pci\nvirtio_scsi\nvirtio_net\n"
        )
    }
    assert commands(facts) == [
        "update-initramfs -u -k 5.10.0-1-amd64",
        "update-initramfs -u -k 6.1.0-1-amd64",
    ]


def test_a_spare_kernel_without_virtio_is_noted_only() -> None:
    spare = Kernel("3.2.0-custom", "/boot/initrd.img-3.2.0-custom", frozenset(), frozenset())
    found = make_plan(guest(kernels=(READY, spare)), Options())
    assert found.changes == ()
    assert "3.2.0-custom" in found.notes[0]


def test_tools_of_the_old_platform_go_but_for_what_others_need() -> None:
    installed = packages(
        initramfs_tools="",
        grub_pc="",
        qemu_guest_agent="",
        open_vm_tools="libc6",
        open_vm_tools_desktop="open-vm-tools",
        virtualbox_guest_utils="",
        ubuntu_server="open-vm-tools",
    )
    found = make_plan(guest(packages=installed), Options())
    assert [command_of(change) for change in found.changes] == [
        ("dpkg", "--purge", "open-vm-tools-desktop", "virtualbox-guest-utils")
    ]
    assert "ubuntu-server" in found.notes[0]


def test_what_a_kept_tool_needs_is_kept_too() -> None:
    installed = packages(
        initramfs_tools="",
        grub_pc="",
        qemu_guest_agent="",
        open_vm_tools="",
        open_vm_tools_desktop="open-vm-tools",
        desktop="open-vm-tools-desktop",
    )
    assert plan(guest(packages=installed)) == ()


def test_tools_from_an_archive_are_noted() -> None:
    path = "/usr/bin/vmware-uninstall-tools.pl"
    assert path in make_plan(guest(tools_outside_packages=(path,)), Options()).notes[0]


def test_the_agent_comes_from_given_packages_or_is_noted() -> None:
    facts = guest(packages=packages(initramfs_tools="", grub_pc=""))
    assert "qemu-guest-agent" in make_plan(facts, Options()).notes[0]
    files = ("/p/debian-12/qemu-guest-agent_7.2_amd64.deb",)
    assert commands(facts, Options(agent_packages=files)) == [f"dpkg --install {files[0]}"]
    assert (
        "no packages for it" in make_plan(facts, Options(agent_packages=("/p/a_1.deb",))).notes[0]
    )


def test_what_the_agent_needs_is_not_replaced_by_an_older_package() -> None:
    facts = guest(packages=packages(initramfs_tools="", grub_pc="", liburing2=""))
    agent, glib = "/p/qemu-guest-agent_7.2_amd64.deb", "/p/libglib2.0-0_2.74_amd64.deb"
    options = Options(agent_packages=(glib, "/p/liburing2_2.3-3_amd64.deb", agent))
    assert commands(facts, options) == [f"dpkg --install {glib} {agent}"]


def test_a_serial_console_is_added_once() -> None:
    facts, options = guest(), Options(serial_console=True)
    changes = plan(facts, options)
    assert edits(facts, options) == {
        "/etc/default/grub": 'GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200"\n'
    }
    assert commands(facts, options) == ["update-grub"]
    assert plan(after(facts, changes), options) == ()


UNSUPPORTED: list[Any] = [
    pytest.param({"distribution": Distribution("arch", "", "Arch Linux")}, "Arch", id="family"),
    pytest.param(
        {"distribution": Distribution("debian", "8", "Debian 8")}, "Debian 8", id="release"
    ),
    pytest.param(
        {"distribution": Distribution("", "", "")}, "unknown system", id="no release file"
    ),
    pytest.param({"firmware": "uefi"}, "UEFI", id="UEFI"),
    pytest.param(
        {"packages": packages(grub_pc="")}, "initramfs-tools", id="another initramfs tool"
    ),
    pytest.param({"kernels": ()}, "No kernel", id="no kernel"),
    pytest.param(
        {"root": dataclasses.replace(SDA1, kind="f2fs")}, "Its root is f2fs", id="root on F2FS"
    ),
    pytest.param(
        {"kernels": (dataclasses.replace(LACKING, available=frozenset()),)},
        "has no virtio_pci",
        id="default kernel cannot have virtio",
    ),
    pytest.param(
        {"kernels": (dataclasses.replace(READY, initramfs=None),)},
        "no initramfs",
        id="no initramfs",
    ),
    pytest.param(
        {"files": {"/etc/fstab": "/dev/sdc1 /x ext4 x 0 0\n"}}, "/dev/sdc1", id="lost disk"
    ),
    pytest.param(
        {"files": {"/etc/fstab": "/dev/disk/by-path/x-part1 / ext4 x 0 0\n"}},
        "by-path",
        id="by path",
    ),
    pytest.param({"files": menu("/dev/sdc1")}, "/dev/sdc1", id="menu names a lost disk"),
]


@pytest.mark.parametrize(("changes", "words"), UNSUPPORTED)
def test_what_cannot_be_made_right_is_said_before_anything_is_done(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(PlanError, match=words):
        make_plan(guest(**changes), Options())


def test_all_findings_come_at_once() -> None:
    with pytest.raises(PlanError) as caught:
        make_plan(guest(firmware="uefi", kernels=()), Options())
    assert len(caught.value.findings) == 2


def test_a_guest_without_a_menu_is_told_from_one_with_grub_legacy() -> None:
    files = dict(guest().files)
    del files["/boot/grub/grub.cfg"]
    facts = dataclasses.replace(guest(), files={**files, "/boot/grub/menu.lst": "default 0"})
    with pytest.raises(PlanError, match="first version"):
        make_plan(facts, Options())


@pytest.mark.parametrize(
    ("files", "words"),
    [
        pytest.param(
            {"/etc/network/interfaces": "iface ens192 inet dhcp\niface ens224 inet dhcp\n"},
            "give its name",
            id="two interfaces and no rule",
        ),
        pytest.param(
            {"/etc/netplan/50.yaml": f"lan: {{match: {{macaddress: '{OLD.upper()}'}}}}"},
            "netplan",
            id="netplan binds to the MAC in a way that is not read",
        ),
    ],
)
def test_an_interface_that_cannot_keep_its_name_is_a_finding(
    files: dict[str, str], words: str
) -> None:
    with pytest.raises(PlanError, match=words):
        make_plan(guest(files=files), ENS192)


DEVICES = st.sampled_from(
    ["/dev/sda1", "/dev/sda2", "/dev/sdb1", f"UUID={ROOT_UUID}", "tmpfs", "LABEL=data"]
)
ROWS = st.builds("{}\t/m {} rw 0 0".format, DEVICES, st.sampled_from(["ext4", "xfs"]))
LINES = st.one_of(ROWS, st.sampled_from(["", "# /dev/sda1 / x", " \t", "\udcff\udc80", "one"]))


@given(st.lists(LINES).map("\n".join), st.booleans(), st.sampled_from([READY, LACKING]))
def test_a_prepared_guest_needs_no_second_preparation(
    fstab: str, by_name: bool, kernel: Kernel
) -> None:
    files = {"/etc/fstab": fstab, **(menu("/dev/sda1") if by_name else {})}
    facts = guest(files=files, kernels=(kernel,))
    changes = plan(facts, ENS192)
    assert plan(after(facts, changes), ENS192) == ()


@given(st.lists(LINES))
def test_only_lines_that_name_disks_change_in_fstab(lines: list[str]) -> None:
    text = "\n".join(lines)
    changed = edits(guest(files={"/etc/fstab": text})).get("/etc/fstab", text).split("\n")
    for before, now in zip(text.split("\n"), changed, strict=True):
        if before.startswith("/dev/sd"):
            assert now.split("\t", 1)[1] == before.split("\t", 1)[1]
        else:
            assert now == before


@given(st.dictionaries(st.sampled_from(sorted(guest().files)), st.binary(max_size=300)))
def test_any_bytes_in_any_file_are_planned_or_refused(raw: dict[str, bytes]) -> None:
    files = {path: data.decode("utf-8", "surrogateescape") for path, data in raw.items()}
    facts = guest(files=files)
    try:
        changes = plan(facts, ENS192)
    except PlanError:
        return
    for change in changes:
        if isinstance(change, EditFile):
            change.after.encode("utf-8", "surrogateescape")


def unnamed(files: dict[str, str]) -> GuestFacts:
    """A guest with disks on two controllers: what it calls them is not known, so they have their keys' names."""
    whole = guest(files=files)
    names = {"sda": "disk-2000", "sdb": "disk-2016"}
    file_systems = tuple(
        dataclasses.replace(each, disk=names[each.disk]) for each in whole.file_systems
    )
    disks = tuple(dataclasses.replace(each, name=names[each.name]) for each in whole.disks)
    return dataclasses.replace(whole, disks=disks, file_systems=file_systems, root=file_systems[0])


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"/etc/fstab": "/dev/sdb1 /srv xfs defaults 0 0\n"}, id="fstab"),
        pytest.param({"/boot/grub/grub.cfg": MENU.replace("{root}", "/dev/sda1")}, id="menu"),
    ],
)
def test_a_kernels_name_of_a_disk_is_never_guessed_over_two_controllers(
    files: dict[str, str],
) -> None:
    with pytest.raises(PlanError, match=r"on none of the given disks"):
        make_plan(unnamed(files), Options())


def test_disks_without_names_go_by_their_contents() -> None:
    fstab = f"UUID={DATA_UUID} /srv xfs defaults 0 0\nLABEL=rootfs / ext4 defaults 0 1\n"
    assert make_plan(unnamed({"/etc/fstab": fstab}), Options()).changes == ()
