# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests of Red Hat's and SUSE's families: what is planned for each release, against golden files."""

from __future__ import annotations

import subprocess
from dataclasses import replace as replace_facts
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest import grubenv, rpm
from ansible_collections.ferry.hvm.plugins.module_utils.guest.changes import (
    CopyFile,
    EditFile,
    InstallPackages,
    RebuildInitramfs,
    RemoveFile,
    RemovePackages,
    command_of,
    describe,
    show_diff,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import (
    PlanError,
    PreparationError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import (
    Distribution,
    FileSystem,
    GuestFacts,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.file_systems import look_into
from ansible_collections.ferry.hvm.plugins.module_utils.guest.menu_rules import boot_arguments
from ansible_collections.ferry.hvm.plugins.module_utils.guest.network import Interface
from ansible_collections.ferry.hvm.plugins.module_utils.guest.package_files import find_packages
from ansible_collections.ferry.hvm.plugins.module_utils.guest.plan import make_plan
from ansible_collections.ferry.hvm.plugins.module_utils.guest.rules import Options
from ansible_collections.ferry.hvm.plugins.module_utils.guest.tree import GuestTree
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.guest.guest_samples import (
    ALL,
    LV_ROOT,
    ROOT_UUID,
    SDA1,
    SDA2,
    SDB1,
)
from tests.unit.plugins.module_utils.guest.rpm_guests import (
    RELEASES,
    USUAL_PACKAGES,
    Release,
    add_kernel,
    answer,
    build,
    golden,
    look,
)

RHEL7, RHEL8, RHEL9, SLES12, SLES15 = RELEASES
each_release = pytest.mark.parametrize("release", RELEASES, ids=[r.folder for r in RELEASES])


USUAL = Options()


def edits(facts: GuestFacts, options: Options = USUAL) -> dict[str, str]:
    """Return what files become, by path."""
    return {c.path: c.after for c in make_plan(facts, options).changes if isinstance(c, EditFile)}


def replace(root: Path, path: str, old: str, new: str) -> None:
    place = root / path.lstrip("/")
    text = place.read_text()
    assert old in text
    place.write_text(text.replace(old, new))


@each_release
def test_exactly_the_golden_files_change(tmp_path: Path, release: Release) -> None:
    # virt-v2v-in-place rewrote fstab and left root=/dev/sda1 in grub.cfg: the guest did not boot.
    build(tmp_path, release)
    assert edits(look(tmp_path)) == golden(release)


@each_release
def test_the_default_kernels_image_is_made_by_dracut(tmp_path: Path, release: Release) -> None:
    build(tmp_path, release)
    facts = look(tmp_path)
    assert facts.default_kernel == release.kernels[0]
    (made,) = [c for c in make_plan(facts, Options()).changes if isinstance(c, RebuildInitramfs)]
    command = dracut_of(facts)
    assert command.startswith("dracut --force --no-hostonly --no-hostonly-cmdline --add-drivers ")
    assert command.endswith(f" --kver {release.kernels[0]} {release.default_image}")
    assert command in show_diff([made])[0]["prepared"]


def dracut_of(facts: GuestFacts) -> str:
    (made,) = [c for c in make_plan(facts, Options()).changes if isinstance(c, RebuildInitramfs)]
    return " ".join(command_of(made))


def test_an_older_dracut_is_asked_only_for_what_it_knows(tmp_path: Path) -> None:
    # dracut 033 ends at an option that came with 037.
    build(tmp_path, RHEL7)
    assert "--no-hostonly --add-drivers" in dracut_of(look(tmp_path, version="033-572.el7"))
    assert "--no-hostonly-cmdline" in dracut_of(look(tmp_path, version="044-127.1"))


ON_LVM = f"root={LV_ROOT.names[0]} ro"


@pytest.mark.parametrize(
    ("arguments", "is_told"),
    [
        pytest.param("", True, id="SUSE says it in its own images only"),
        pytest.param("rd.lvm.lv=vg0/root", False, id="Red Hat says it on the command line"),
        pytest.param("rd.md.uuid=0:1:2:3", False, id="an array is named"),
        pytest.param("rd_LVM_LV=vg0/root", False, id="as it was written of old"),
    ],
)
def test_a_root_on_lvm_is_assembled_by_the_new_image(
    tmp_path: Path, arguments: str, *, is_told: bool
) -> None:
    # vjailbreak 1978: SLES on LVM did not find its root after the initramfs was made anew.
    build(tmp_path, RHEL9)
    for entry in (tmp_path / "boot/loader/entries").iterdir():
        entry.write_text(entry.read_text().replace("root=/dev/sda1 ro", f"{ON_LVM} {arguments}"))
    command = dracut_of(look(tmp_path, on=LV_ROOT))
    assert ("--kernel-cmdline rd.auto=1" in command) is is_told


def test_usr_on_lvm_is_assembled_by_the_new_image(tmp_path: Path) -> None:
    build(tmp_path, RHEL9)
    assert "rd.auto" not in dracut_of(look(tmp_path))
    with (tmp_path / "etc/fstab").open("a") as file:
        file.write(f"{LV_ROOT.names[0]} /usr ext4 defaults 0 0\n")
    found = replace_facts(look(tmp_path), file_systems=(SDA1, SDA2, SDB1, LV_ROOT))
    assert "--kernel-cmdline rd.auto=1" in dracut_of(found)


def test_lvm_looks_at_disks_with_other_serial_numbers(tmp_path: Path) -> None:
    # virt-v2v removes the file too: RHEL 9 found its volumes no more.
    build(tmp_path, RHEL9)
    tree = GuestTree(str(tmp_path))
    text = "IDTYPE=sys_serial IDNAME=6000c29 DEVNAME=/dev/sda2 PVID=x PART=2\n"
    tree.write("/etc/lvm/devices/system.devices", text)
    (gone,) = [c for c in make_plan(look(tmp_path), Options()).changes if isinstance(c, RemoveFile)]
    assert describe(gone)["action"] == "remove"
    (shown,) = show_diff([gone])
    assert (shown["before"], shown["after"]) == (text, "")


def test_a_firmware_updater_makes_no_uefi(tmp_path: Path) -> None:
    build(tmp_path, RHEL7)
    GuestTree(str(tmp_path)).write("/boot/efi/EFI/redhat/fwupx64.efi", "")
    assert look(tmp_path).firmware == "bios"


def test_suses_grub_finds_its_menu_beside_the_fallback_loader(tmp_path: Path) -> None:
    build(tmp_path, SLES15)
    made = make_plan(look(tmp_path), Options()).changes
    efi = "/boot/efi/EFI"
    assert {c.target: c.source for c in made if isinstance(c, CopyFile)} == {
        f"{efi}/BOOT/BOOTX64.EFI": f"{efi}/sles/shim.efi",
        f"{efi}/BOOT/grub.efi": f"{efi}/sles/grub.efi",
        f"{efi}/BOOT/grub.cfg": f"{efi}/sles/grub.cfg",
    }


@pytest.mark.parametrize(
    "block",
    [
        pytest.param("", id="empty"),
        pytest.param("saved_entry=0\n".ljust(1024, "#"), id="no header"),
        pytest.param(
            "# GRUB Environment Block\nenv_block=512+1\n".ljust(1024, "#"), id="kept elsewhere"
        ),
    ],
)
def test_no_default_is_written_where_grub_would_not_read_it(tmp_path: Path, block: str) -> None:
    build(tmp_path, RHEL9)
    (tmp_path / "boot/grub2/grubenv").write_text(block)
    add_kernel(tmp_path, RHEL9, RHEL9.kernels[0], inside=[], modules=False)
    with pytest.raises(PlanError, match="grub2-set-default"):
        make_plan(look(tmp_path), Options())


@pytest.mark.parametrize("value", ["x", "root=UUID=1 ro  quiet", "back\\slash", "a" * 900])
def test_grub_itself_reads_the_block_and_would_write_the_same(tmp_path: Path, value: str) -> None:
    block = tmp_path / "grubenv"
    editor = ["grub-editenv", str(block)]
    subprocess.run([*editor, "create"], check=True)
    subprocess.run([*editor, "set", "saved_entry=old", "boot_success=0"], check=True)
    ours = grubenv.set_variable(block.read_text(), "saved_entry", value)
    subprocess.run([*editor, "set", f"saved_entry={value}"], check=True)
    assert ours == block.read_text()
    assert grubenv.read_variables(ours)["saved_entry"] == value


@each_release
def test_a_prepared_guest_of_the_family_needs_nothing(tmp_path: Path, release: Release) -> None:
    build(tmp_path, release)
    for path, text in golden(release).items():
        GuestTree(str(tmp_path)).write(path, text)
    add_kernel(tmp_path, release, release.kernels[0], inside=sorted(ALL))
    loader = tmp_path / "boot/efi/EFI/BOOT/BOOTX64.EFI"
    loader.parent.mkdir(parents=True, exist_ok=True)
    loader.write_text("loader")
    assert make_plan(look(tmp_path), Options()).changes == ()


@each_release
def test_a_serial_console_is_on_every_command_line_once(tmp_path: Path, release: Release) -> None:
    build(tmp_path, release)
    changed = edits(look(tmp_path), Options(serial_console=True))
    for path, text in changed.items():
        GuestTree(str(tmp_path)).write(path, text)
    assert not edits(look(tmp_path), Options(serial_console=True))
    where = {path for path, text in changed.items() if "console=ttyS0" in text}
    assert where - {"/etc/default/grub"}
    assert all(text.count("ttyS0") <= text.count("root=") + 1 for text in changed.values())


def saved(path: Path) -> str:
    block = path.read_text()
    assert len(block) == 1024
    return next(line for line in block.split("\n") if line.startswith("saved_entry="))


@pytest.mark.parametrize(
    ("release", "block", "expected"),
    [
        pytest.param(
            RHEL7,
            "/boot/grub2/grubenv",
            "Red Hat Enterprise Linux Server (3.10.0-957.el7.x86_64) 7.9 (Maipo)",
            id="by title",
        ),
        pytest.param(
            RHEL8, "/boot/efi/EFI/rocky/grubenv", "aabb-4.18.0-80.el8.x86_64", id="by file, UEFI"
        ),
        pytest.param(RHEL9, "/boot/grub2/grubenv", "ccdd-5.14.0-70.el9.x86_64", id="by file, BIOS"),
    ],
)
def test_a_kernel_with_virtio_becomes_the_default(
    tmp_path: Path, release: Release, block: str, expected: str
) -> None:
    build(tmp_path, release)
    add_kernel(tmp_path, release, release.kernels[0], inside=[], modules=False)
    found = make_plan(look(tmp_path), Options())
    for change in found.changes:
        if isinstance(change, EditFile):
            GuestTree(str(tmp_path)).write(change.path, change.after)
    assert saved(tmp_path / block.lstrip("/")) == f"saved_entry={expected}"
    assert look(tmp_path).default_kernel == release.kernels[1]
    rebuilt = [c.kernel for c in found.changes if isinstance(c, RebuildInitramfs)]
    assert rebuilt == [release.kernels[1]]
    text = (tmp_path / block.lstrip("/")).read_text()
    assert "root=/dev/sda1" not in text, "both edits of the block are made"


def os_release(root: Path, identity: str, version: str) -> None:
    replace(root, "/etc/os-release", 'ID="rhel"', f'ID="{identity}"')
    replace(root, "/etc/os-release", '"9.4"', f'"{version}"')


@pytest.mark.parametrize(
    ("identity", "version"),
    [
        ("rhel", "10.0"),
        ("almalinux", "10.1"),
        ("rocky", "10.0"),
        ("ol", "10.0"),
        ("centos", "9"),
        ("centos", "10"),
    ],
)
def test_release_10_and_stream_are_prepared_as_9_is(
    tmp_path: Path, identity: str, version: str
) -> None:
    # Entries, grubenv and /etc/kernel/cmdline are those of 9; dracut 107 knows each option that is used.
    build(tmp_path, RHEL9)
    os_release(tmp_path, identity, version)
    facts = look(tmp_path, version="107-6.el10")
    assert edits(facts) == golden(RHEL9)
    assert "--no-hostonly-cmdline" in dracut_of(facts)


def test_oracles_own_kernel_is_the_one_that_boots(tmp_path: Path) -> None:
    build(tmp_path, RHEL9)
    os_release(tmp_path, "ol", "9.4")
    uek, entries = "5.15.0-209.161.7.el9uek.x86_64", tmp_path / "boot/loader/entries"
    add_kernel(tmp_path, RHEL9, uek, inside=[])
    entry = (entries / f"ccdd-{RHEL9.kernels[0]}.conf").read_text()
    (entries / f"ccdd-{uek}.conf").write_text(entry.replace(RHEL9.kernels[0], uek))
    block = tmp_path / "boot/grub2/grubenv"
    block.write_text(grubenv.set_variable(block.read_text(), "saved_entry", f"ccdd-{uek}") or "")
    facts = look(tmp_path)
    assert facts.default_kernel == uek
    assert dracut_of(facts).endswith(f"--kver {uek} /boot/initramfs-{uek}.img")
    entry_now = edits(facts)[f"/boot/loader/entries/ccdd-{uek}.conf"]
    assert f"options root=UUID={ROOT_UUID} ro" in entry_now


def boot_by_bios(root: Path) -> None:
    """The guest of RHEL 8 boots by BIOS, its block still where GRUB for UEFI has it (a link of the package grub2)."""
    vendor, own = root / "boot/efi/EFI/rocky", root / "boot/grub2"
    own.mkdir()
    (vendor / "grub.cfg").rename(own / "grub.cfg")
    (own / "grubenv").symlink_to("../efi/EFI/rocky/grubenv")
    for loader in vendor.glob("*.efi"):
        loader.unlink()


def test_a_block_is_found_behind_a_link_by_bios_too(tmp_path: Path) -> None:
    build(tmp_path, RHEL8)
    boot_by_bios(tmp_path)
    block = tmp_path / "boot/efi/EFI/rocky/grubenv"
    newer, older = RHEL8.kernels
    replace(tmp_path, "/boot/efi/EFI/rocky/grubenv", newer, older)
    facts = look(tmp_path)
    assert (facts.firmware, facts.default_kernel) == ("bios", older)
    assert "resume=/dev/sda2" in boot_arguments(facts), "which only the block says"
    add_kernel(tmp_path, RHEL8, older, inside=[], modules=False)
    changed = edits(look(tmp_path))
    assert "/boot/grub2/grubenv" not in changed, "one file is edited once"
    block.write_text(changed["/boot/efi/EFI/rocky/grubenv"])
    assert saved(block) == f"saved_entry=aabb-{newer}"


def test_another_root_is_seen_behind_a_link_by_bios_too(tmp_path: Path) -> None:
    build(tmp_path, RHEL8)
    boot_by_bios(tmp_path)
    replace(tmp_path, "/boot/efi/EFI/rocky/grubenv", "root=/dev/sda1", "root=UUID=12345678")
    with pytest.raises(PlanError, match="not its root"):
        make_plan(look(tmp_path), Options())


def test_without_a_saved_default_another_kernel_is_advice(tmp_path: Path) -> None:
    build(tmp_path, SLES15)
    newer = "5.14.21-150500.99-default"
    menu = "/boot/grub2/grub.cfg"
    replace(tmp_path, menu, "150500.53", "150500.99")
    text = (tmp_path / menu.lstrip("/")).read_text().replace("150500.99", "150500.53")
    with (tmp_path / menu.lstrip("/")).open("a") as file:
        file.write(text)
    add_kernel(tmp_path, SLES15, newer, inside=[], modules=False)
    with pytest.raises(PlanError, match="grub2-set-default"):
        make_plan(look(tmp_path), Options())


def drop(path: str) -> Any:
    return lambda root: (root / path).unlink()


REFUSED = [
    pytest.param(RHEL9, drop("boot/grub2/grub.cfg"), {}, "Install GRUB 2", id="no menu"),
    pytest.param(
        RHEL7,
        lambda root: (root / "boot/grub2/grub.cfg").rename(root / "boot/menu"),
        {},
        "no /boot/grub2/grub.cfg",
        id="GRUB's first version",
    ),
    pytest.param(
        RHEL7,
        lambda root: replace(root, "/etc/os-release", "7.9", "6.10"),
        {},
        "handled are",
        id="RHEL 6",
    ),
    pytest.param(
        SLES12,
        lambda root: replace(root, "/etc/os-release", "12.5", "11.4"),
        {},
        "handled are",
        id="SLES 11",
    ),
    pytest.param(
        RHEL9,
        lambda root: os_release(root, "amzn", "2023"),
        {},
        "handled are",
        id="Amazon Linux",
    ),
    pytest.param(
        RHEL8, lambda _root: None, {"bash": ""}, "dracut is not installed", id="no dracut"
    ),
    pytest.param(
        SLES15,
        lambda root: add_kernel(root, SLES15, SLES15.kernels[0], inside=[], modules=False),
        {},
        "has no virtio_pci",
        id="no kernel can have virtio",
    ),
    pytest.param(
        RHEL9,
        lambda root: replace(
            root, "/boot/loader/entries/ccdd-5.14.0-427.el9.x86_64.conf", "sda1", "sdc1"
        ),
        {},
        "names /dev/sdc1",
        id="an entry names a lost disk",
    ),
    pytest.param(
        RHEL7,
        lambda root: replace(
            root,
            "/boot/grub2/grub.cfg",
            "root=/dev/sda1",
            "root=UUID=33333333-2222-3333-4444-555555555555",
        ),
        {},
        "not its root",
        id="the default boots another root",
    ),
    pytest.param(
        RHEL8,
        lambda root: replace(
            root,
            "/boot/efi/EFI/rocky/grubenv",
            "kernelopts=",
            "kernelopts=" + "root=/dev/sda1 " * 50,
        ),
        {},
        "1024 bytes",
        id="kernelopts that would not fit",
    ),
    pytest.param(
        SLES15,
        lambda root: replace(root, "/etc/dracut.conf.d/50-own.conf", "drivers+", "omit_drivers+"),
        {},
        None,
        id="drivers that are left out, but none of virtio",
    ),
    pytest.param(
        SLES15,
        lambda root: replace(
            root, "/etc/dracut.conf.d/50-own.conf", 'drivers+=" ', 'omit_drivers+=" virtio_blk '
        ),
        {},
        "keeps virtio_blk out",
        id="virtio is left out",
    ),
    pytest.param(
        RHEL9,
        lambda root: (root / "etc/crypttab").write_text(
            "luks UUID=33333333-2222-3333-4444-555555555555 none\n"
        ),
        {},
        "crypttab alone",
        id="encrypted by crypttab alone",
    ),
]  # type: list[Any]


@pytest.mark.parametrize(("release", "damage", "packages", "words"), REFUSED)
def test_what_cannot_be_made_right_is_a_finding(
    tmp_path: Path, release: Release, damage: Any, packages: dict[str, str], words: str | None
) -> None:
    build(tmp_path, release)
    damage(tmp_path)
    facts = look(tmp_path, packages or None)
    if words is None:
        assert make_plan(facts, Options()).changes
        return
    with pytest.raises(PlanError, match=words):
        make_plan(facts, Options())


def test_labels_are_made_anew_only_for_new_files(tmp_path: Path) -> None:
    build(tmp_path, RHEL7)
    add_kernel(tmp_path, RHEL7, RHEL7.kernels[0], inside=sorted(ALL))
    assert "/.autorelabel" not in edits(look(tmp_path))
    tools = {**USUAL_PACKAGES, "open-vm-tools": ""}
    assert edits(look(tmp_path, tools))["/.autorelabel"] == ""
    replace(tmp_path, "/etc/selinux/config", "enforcing", "disabled")
    assert "/.autorelabel" not in edits(look(tmp_path, tools))


def test_tools_go_by_rpm_but_for_what_others_need(tmp_path: Path) -> None:
    build(tmp_path, RHEL9)
    packages = {
        **USUAL_PACKAGES,
        "open-vm-tools": "bash",
        "open-vm-tools-desktop": "open-vm-tools",
        "hyperv-daemons": "hypervkvpd",
        "hypervkvpd": "",
        "xe-guest-utilities": "",
        "virtualbox-guest-additions": "",
        "monitoring": "xe-guest-utilities",
    }
    found = make_plan(look(tmp_path, packages), Options())
    (removed,) = [c for c in found.changes if isinstance(c, RemovePackages)]
    assert command_of(removed) == (
        "rpm",
        "--erase",
        "hyperv-daemons",
        "hypervkvpd",
        "open-vm-tools",
        "open-vm-tools-desktop",
        "virtualbox-guest-additions",
    )
    assert any("monitoring" in note for note in found.notes)


def test_the_agent_comes_from_a_folder_of_the_major_release(tmp_path: Path) -> None:
    build(tmp_path / "root", RHEL9)
    package = tmp_path / "packages/rhel-9/qemu-guest-agent-8.2.0-11.el9.x86_64.rpm"
    package.parent.mkdir(parents=True)
    package.touch()
    (package.parent / "other.deb").touch()
    facts = look(tmp_path / "root", {"dracut": ""})
    assert any("qemu-guest-agent" in note for note in make_plan(facts, Options()).notes)
    files = find_packages(str(tmp_path / "packages"), facts.distribution)
    changes = make_plan(facts, Options(agent_packages=files)).changes
    (installed,) = [c for c in changes if isinstance(c, InstallPackages)]
    assert command_of(installed) == ("rpm", "--install", str(package))
    exact = tmp_path / "packages/rhel-9.4/exact.rpm"
    exact.parent.mkdir()
    exact.touch()
    found = find_packages(str(tmp_path / "packages"), Distribution("rhel", "9.4", ""))
    assert found == (str(exact),)


@each_release
def test_names_are_kept_by_udev_rules_that_every_release_reads(
    tmp_path: Path, release: Release
) -> None:
    build(tmp_path, release)
    interfaces = (Interface("eth0", ("00:50:56:aa:bb:01", "52:54:00:12:34:56")),)
    changed = edits(look(tmp_path), Options(interfaces=interfaces))
    rules = changed["/etc/udev/rules.d/70-persistent-net.rules"]
    assert rules.count('NAME="eth0"') == 2
    assert not any(path.endswith(".link") for path in changed)


def test_an_xfs_that_the_worker_cannot_mount_is_told_as_such(tmp_path: Path) -> None:
    file = tmp_path / "no-device"
    file.touch()
    with pytest.raises(PreparationError, match=r"sda1 \(xfs\) cannot be mounted") as caught:
        look_into(FileSystem("sda", 1, str(file), "xfs"), str(tmp_path))
    assert "features" in (caught.value.hint or "")


def test_requirements_are_answered_by_who_provides_them() -> None:
    told = "a\n1-1\nRlib.so()(64bit)\nRa\nPa\n\nlib\n2-1\nPlib\nPlib.so()(64bit)\n\n"
    found = rpm.read_packages(lambda _argv: told.encode())
    assert found["a"].needs == {"lib"}
    assert (found["lib"].version, found["lib"].needs) == ("2-1", frozenset())
    assert rpm.read_packages(answer({})) == {}


def test_locks_of_the_running_source_are_forgotten(tmp_path: Path) -> None:
    database = tmp_path / "var/lib/rpm"
    database.mkdir(parents=True)
    for name in ("__db.001", "__db.002", "Packages"):
        (database / name).touch()
    rpm.forget_environment(GuestTree(str(tmp_path)))
    assert [each.name for each in database.iterdir()] == ["Packages"]


LINES = st.sampled_from(
    [
        "# root=/dev/sda1",
        "\tlinux16 /vmlinuz-x root=/dev/sda1 ro \udcff",
        "options root=/dev/sda1  quiet ",
        "kernelopts=root=/dev/sda1",
        'menuentry "x" {',
        "}",
        "submenu 'y' {",
        "",
        'set default="${saved_entry}"',
        "title root=/dev/sda1",
    ]
)
FILES = st.sampled_from(
    [
        "/boot/grub2/grub.cfg",
        "/boot/grub2/grubenv",
        "/boot/loader/entries/z.conf",
        "/etc/kernel/cmdline",
        "/etc/dracut.conf",
        "/etc/selinux/config",
    ]
)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> GuestFacts:
    root = tmp_path_factory.mktemp("rhel7")
    build(root, RHEL7)
    return look(root)


@settings(max_examples=200)
@given(path=FILES, lines=st.lists(st.one_of(LINES, st.binary(max_size=30))))
def test_only_words_that_name_disks_change_whatever_the_file(
    facts: GuestFacts, path: str, lines: list[str | bytes]
) -> None:
    texts = [x if isinstance(x, str) else x.decode("utf-8", "surrogateescape") for x in lines]
    text = "\n".join(texts)
    odd = GuestFacts(**{**vars(facts), "files": {**facts.files, path: text}})
    try:
        after = edits(odd).get(path, text)
    except PlanError:
        return
    back = after.replace(f"=UUID={ROOT_UUID}", "=/dev/sda1")
    if path.endswith("grubenv"):
        same = after == text
        back, text = back.rstrip("#\n"), text.rstrip("#\n")
        assert same or len(after.encode("utf-8", "surrogateescape")) == 1024
    assert back == text.replace(f"=UUID={ROOT_UUID}", "=/dev/sda1")
