# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ubuntu: what is planned for servers of its installer and for its cloud image, against golden files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.changes import (
    Change,
    CopyFile,
    EditFile,
    InstallPackages,
    RebuildInitramfs,
    RemovePackages,
    command_of,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import PlanError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import FileSystem, GuestFacts
from ansible_collections.ferry.hvm.plugins.module_utils.guest.mounted import system_mounts
from ansible_collections.ferry.hvm.plugins.module_utils.guest.network import Interface
from ansible_collections.ferry.hvm.plugins.module_utils.guest.package_files import find_packages
from ansible_collections.ferry.hvm.plugins.module_utils.guest.plan import make_plan
from ansible_collections.ferry.hvm.plugins.module_utils.guest.roots import find_root
from ansible_collections.ferry.hvm.plugins.module_utils.guest.rules import Options
from ansible_collections.ferry.hvm.plugins.module_utils.guest.tree import GuestTree
from ansible_collections.ferry.hvm.plugins.module_utils.model import is_prepared_release

from tests.unit.plugins.module_utils.guest.guest_samples import ALL
from tests.unit.plugins.module_utils.guest.ubuntu_guests import (
    BIOS,
    BOOT,
    CLOUD,
    ESP,
    RELEASES,
    ROOT,
    UEFI,
    Release,
    add_kernel,
    build,
    golden,
    look,
)

OLD, NEW = "00:50:56:aa:bb:01", "52:54:00:12:34:56"
USUAL = Options(interfaces=(Interface(None, (OLD, NEW)),))
CONSOLE = Options(serial_console=True)
EFI = "/boot/efi/EFI"
RULES = "/etc/udev/rules.d/70-persistent-net.rules"
LINK = "/etc/systemd/network/10-lan.link"

CLOUD_TOOLS = (
    "hyperv-daemons",
    "linux-azure-cloud-tools-5.4.0-1137",
    "linux-cloud-tools-5.4.0-196",
    "linux-cloud-tools-common",
    "open-vm-tools",
    "open-vm-tools-desktop",
    "virtualbox-guest-utils",
    "xe-guest-utilities",
)

each_release = pytest.mark.parametrize("release", RELEASES, ids=[r.folder for r in RELEASES])


def plan(facts: GuestFacts, options: Options = USUAL) -> tuple[Change, ...]:
    return make_plan(facts, options).changes


def edits(facts: GuestFacts, options: Options = USUAL) -> dict[str, str]:
    """Return what files become, by path."""
    return {c.path: c.after for c in plan(facts, options) if isinstance(c, EditFile)}


def commands(facts: GuestFacts, options: Options = USUAL) -> list[str]:
    return [" ".join(command_of(c)) for c in plan(facts, options) if command_of(c)]


def replace(root: Path, path: str, old: str, new: str) -> None:
    place = root / path.lstrip("/")
    text = place.read_text()
    assert old in text
    place.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("version", "is_prepared"),
    [
        ("16.04", False),
        ("18.04", True),
        ("20.04", True),
        ("22.04", True),
        ("22.10", False),
        ("24.04", True),
        ("24.10", False),
        ("26.04", False),
        ("22", False),
    ],
)
def test_releases_with_long_term_support_are_prepared(version: str, *, is_prepared: bool) -> None:
    assert is_prepared_release("ubuntu", version) is is_prepared


@each_release
def test_exactly_the_golden_files_change(tmp_path: Path, release: Release) -> None:
    build(tmp_path, release)
    assert edits(look(tmp_path, release)) == golden(release)


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        pytest.param(BIOS, [], id="virtio is built in, and ubuntu-server needs open-vm-tools"),
        pytest.param(UEFI, ["dpkg --purge open-vm-tools"], id="ubuntu-server only recommends it"),
        pytest.param(
            CLOUD,
            [
                f"dpkg --purge {' '.join(CLOUD_TOOLS)}",
                "update-initramfs -u -k 5.4.0-196-generic",
            ],
            id="tools of every platform, and an image without virtio",
        ),
    ],
)
def test_exactly_these_programs_run(tmp_path: Path, release: Release, expected: list[str]) -> None:
    build(tmp_path, release)
    assert commands(look(tmp_path, release)) == expected
    assert not [c for c in plan(look(tmp_path, release)) if isinstance(c, CopyFile)]


@each_release
def test_a_prepared_guest_needs_nothing(tmp_path: Path, release: Release) -> None:
    build(tmp_path, release)
    for change in plan(look(tmp_path, release)):
        if isinstance(change, EditFile):
            GuestTree(str(tmp_path)).write(change.path, change.after)
        elif isinstance(change, RebuildInitramfs):
            add_kernel(tmp_path, release, change.kernel, inside=sorted(change.drivers))
        else:
            assert isinstance(change, RemovePackages)
            for name in change.names:
                remove_package(tmp_path, name)
    assert plan(look(tmp_path, release)) == ()


def remove_package(root: Path, name: str) -> None:
    replace(
        root,
        "/var/lib/dpkg/status",
        f"Package: {name}\nStatus: install ok installed",
        f"Package: {name}\nStatus: purge ok not-installed",
    )


def test_tools_that_the_metapackage_needs_stay_and_are_told(tmp_path: Path) -> None:
    # virt-v2v leaves open-vm-tools wherever ubuntu-server is installed; here its dependencies decide.
    build(tmp_path, BIOS)
    notes = make_plan(look(tmp_path, BIOS), USUAL).notes
    assert any("open-vm-tools stays" in note and "ubuntu-server" in note for note in notes)


@each_release
def test_drivers_are_seen_behind_all_archives_of_the_image(
    tmp_path: Path, release: Release
) -> None:
    build(tmp_path, release)
    expected = frozenset() if release is CLOUD else ALL
    assert {k.ready for k in look(tmp_path, release).kernels} == {expected}


@each_release
def test_the_default_kernel_is_that_of_the_menus_first_entry(
    tmp_path: Path, release: Release
) -> None:
    build(tmp_path, release)
    facts = look(tmp_path, release)
    assert facts.default_kernel == release.kernels[0]
    assert facts.firmware == ("uefi" if release is UEFI else "bios")


def test_what_the_installer_wrote_into_fstab_is_mounted(tmp_path: Path) -> None:
    build(tmp_path, UEFI)
    fstab = (tmp_path / "etc/fstab").read_text()
    with_var = fstab.replace(" / ext4", " /var ext4")
    found = system_mounts(with_var, UEFI.file_systems)
    assert [(path, each.title) for path, each in found] == [
        ("/boot", BOOT.title),
        ("/boot/efi", ESP.title),
        ("/var", ROOT.title),
    ]


def test_a_loader_without_memory_starts_shim_where_the_installer_left_none(tmp_path: Path) -> None:
    build(tmp_path, UEFI)
    for loader in (tmp_path / "boot/efi/EFI/BOOT").iterdir():
        loader.unlink()
    copies = [c for c in plan(look(tmp_path, UEFI)) if isinstance(c, CopyFile)]
    assert {c.target: c.source for c in copies} == {
        f"{EFI}/BOOT/BOOTX64.EFI": f"{EFI}/ubuntu/shimx64.efi",
        f"{EFI}/BOOT/grubx64.efi": f"{EFI}/ubuntu/grubx64.efi",
        f"{EFI}/BOOT/mmx64.efi": f"{EFI}/ubuntu/mmx64.efi",
    }


@pytest.mark.parametrize("lost", [f"{EFI}/BOOT/BOOTX64.EFI", f"{EFI}/BOOT/mmx64.efi"])
def test_a_fallback_that_restarts_without_end_is_refused(tmp_path: Path, lost: str) -> None:
    # fbx64.efi: "Reset System", where no folder has a list of loaders.
    build(tmp_path, UEFI)
    (tmp_path / lost.lstrip("/")).unlink()
    assert edits(look(tmp_path, UEFI))
    (tmp_path / f"{EFI}/ubuntu/BOOTX64.CSV".lstrip("/")).unlink()
    with pytest.raises(PlanError, match="restart the guest"):
        plan(look(tmp_path, UEFI))


def test_a_start_without_an_initramfs_is_told_where_it_fails(tmp_path: Path) -> None:
    build(tmp_path, CLOUD)

    def told() -> bool:
        return any(
            "without its initramfs" in n for n in make_plan(look(tmp_path, CLOUD), USUAL).notes
        )

    assert told()
    add_kernel(tmp_path, CLOUD, CLOUD.kernels[0], inside=sorted(ALL))
    assert told(), "drivers in the image are of no use to it"
    later = tmp_path / "etc/default/grub.d/99-own.cfg"
    later.write_text("GRUB_FORCE_PARTUUID=\n")
    assert not told()
    later.unlink()
    add_kernel(tmp_path, CLOUD, CLOUD.kernels[0], built_in=sorted(ALL))
    assert not told()


def test_a_partition_that_is_forced_and_not_the_root_is_refused(tmp_path: Path) -> None:
    build(tmp_path, CLOUD)
    replace(tmp_path, "/etc/default/grub.d/40-force-partuuid.cfg", "=0f1e", "=ffff")
    with pytest.raises(PlanError, match="which is not its root sda1"):
        plan(look(tmp_path, CLOUD))


def test_a_console_of_the_cloud_image_is_not_added_twice(tmp_path: Path) -> None:
    build(tmp_path, CLOUD)
    assert "/etc/default/grub" not in edits(look(tmp_path, CLOUD), CONSOLE)
    assert "update-grub" not in commands(look(tmp_path, CLOUD), CONSOLE)


@pytest.mark.parametrize(
    ("drop_in", "changed"),
    [
        pytest.param("# none\n", "/etc/default/grub", id="where the installer has it"),
        pytest.param(
            'GRUB_CMDLINE_LINUX="net.ifnames=0"\n',
            "/etc/default/grub.d/init-select.cfg",
            id="where a later file overrules it",
        ),
    ],
)
def test_a_serial_console_is_added_where_the_last_word_is(
    tmp_path: Path, drop_in: str, changed: str
) -> None:
    build(tmp_path, BIOS)
    (tmp_path / "etc/default/grub.d/init-select.cfg").write_text(drop_in)
    found = edits(look(tmp_path, BIOS), CONSOLE)
    assert [path for path, text in found.items() if "ttyS0" in text] == [changed]
    assert commands(look(tmp_path, BIOS), CONSOLE) == ["update-grub"]


def test_fips_finds_its_boot_partition(tmp_path: Path) -> None:
    build(tmp_path, BIOS)
    path = "/etc/default/grub.d/99-fips.cfg"
    text = 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT fips=1 bootdev={}"\n'
    (tmp_path / path.lstrip("/")).write_text(text.format("/dev/sda2"))
    replace(
        tmp_path, "/boot/grub/grub.cfg", "ubuntu--lv ro", "ubuntu--lv ro fips=1 bootdev=/dev/sda2"
    )
    facts = look(tmp_path, BIOS)
    assert edits(facts)[path] == text.format(f"UUID={BOOT.uuid}")
    assert commands(facts) == ["update-grub"]


@pytest.mark.parametrize(
    ("version", "link", "changed"),
    [
        pytest.param("18.04", False, {RULES}, id="18.04"),
        pytest.param("18.04", True, {RULES}, id="18.04, whose .link files take one MAC"),
        pytest.param("22.04", False, {RULES}, id="22.04"),
        pytest.param("22.04", True, {LINK}, id="22.04, named by a .link file"),
    ],
)
def test_names_are_kept_as_the_release_can(
    tmp_path: Path, version: str, *, link: bool, changed: set[str]
) -> None:
    # systemd 237 takes a .link file with two MACs as one for all interfaces, and renames none that the
    # initramfs has named (systemd issue 9006).
    build(tmp_path, BIOS)
    replace(tmp_path, "/etc/os-release", '"22.04"', f'"{version}"')
    if link:
        text = f"[Match]\nMACAddress={OLD}\n[Link]\nName=ens160\n"
        GuestTree(str(tmp_path)).write(LINK, text)
    assert set(edits(look(tmp_path, BIOS))) == changed


def test_the_agent_comes_from_the_releases_folder(tmp_path: Path) -> None:
    build(tmp_path / "guest", UEFI)
    folder = tmp_path / "packages/ubuntu-24.04"
    folder.mkdir(parents=True)
    agent = folder / "qemu-guest-agent_8.2.2+ds-0ubuntu1_amd64.deb"
    agent.touch()
    facts = look(tmp_path / "guest", UEFI)
    files = find_packages(str(tmp_path / "packages"), facts.distribution)
    (made,) = [
        c for c in plan(facts, Options(agent_packages=files)) if isinstance(c, InstallPackages)
    ]
    assert command_of(made) == ("dpkg", "--install", str(agent))


def of_another_release(version: str) -> Any:
    return lambda root: replace(root, "/etc/os-release", '"22.04"', f'"{version}"')


def without_builder(root: Path) -> None:
    replace(root, "/var/lib/dpkg/status", "Package: initramfs-tools\n", "Package: dracut\n")


def with_kernel(**drivers: Any) -> Any:
    return lambda root: add_kernel(root, BIOS, BIOS.kernels[0], **drivers)


def with_multipath(root: Path) -> None:
    """The root lies on a path of multipath, as on a server with a SAN."""
    with (root / "etc/fstab").open("a") as file:
        file.write("/dev/mapper/mpatha-part1 /srv ext4 defaults 0 2\n")


REFUSED = [
    pytest.param(of_another_release("16.04"), "handled are", id="16.04"),
    pytest.param(of_another_release("23.10"), "ubuntu 18.04, 20.04", id="an interim release"),
    pytest.param(without_builder, "initramfs-tools is not installed", id="dracut"),
    pytest.param(
        with_kernel(built_in=("virtio_pci", "virtio_blk", "virtio_net"), modules=()),
        r"no virtio_scsi.*linux-modules-extra-5\.15\.0-119-generic",
        id="a kernel whose package of modules is not installed",
    ),
    pytest.param(with_multipath, "names /dev/mapper/mpatha-part1", id="multipath"),
]  # type: list[Any]


@pytest.mark.parametrize(("damage", "words"), REFUSED)
def test_what_is_not_handled_is_refused_with_the_reason(
    tmp_path: Path, damage: Any, words: str
) -> None:
    build(tmp_path, BIOS)
    damage(tmp_path)
    with pytest.raises(PlanError, match=words):
        plan(look(tmp_path, BIOS))


def test_a_root_on_zfs_is_refused_as_such(tmp_path: Path) -> None:
    # Ubuntu's desktop installer: bpool for /boot, rpool for /.
    pools = [FileSystem("sda", part, f"/dev/mapper/ov-0p{part}", "zfs_member") for part in (3, 4)]
    with pytest.raises(PlanError, match=r"sda3 zfs_member, sda4 zfs_member.*ZFS is not handled"):
        find_root([ESP, *pools], GuestTree(str(tmp_path)))
