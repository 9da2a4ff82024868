# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that boots with UEFI boots with firmware that remembers nothing, and roots have stable names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.changes import (
    CopyFile,
    EditFile,
    MoveBackupTable,
    describe,
    show_diff,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import PlanError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import GuestFacts
from ansible_collections.ferry.hvm.plugins.module_utils.guest.inspection import inspect
from ansible_collections.ferry.hvm.plugins.module_utils.guest.plan import make_plan
from ansible_collections.ferry.hvm.plugins.module_utils.guest.rules import Options
from ansible_collections.ferry.hvm.plugins.module_utils.guest.tree import GuestTree

from tests.unit.plugins.module_utils.guest.guest_samples import (
    LV_ROOT,
    MENU,
    SDA1,
    guest,
    packages,
)

EFI = "/boot/efi/EFI"
PACKAGES = packages(initramfs_tools="", qemu_guest_agent="")


def copies(loaders: list[str], **changes: Any) -> dict[str, str]:
    """Return which file becomes a copy of which, with these loaders on the ESP."""
    facts = guest(
        firmware="uefi",
        packages=PACKAGES,
        loaders=tuple(f"{EFI}/{path}" for path in loaders),
        **changes,
    )
    made = make_plan(facts, Options()).changes
    assert all(isinstance(change, CopyFile) for change in made)
    return {
        each.target.removeprefix(f"{EFI}/"): each.source.removeprefix(f"{EFI}/")
        for each in made
        if isinstance(each, CopyFile)
    }


@pytest.mark.parametrize(
    ("loaders", "expected"),
    [
        pytest.param(
            ["debian/grubx64.efi"], {"BOOT/BOOTX64.EFI": "debian/grubx64.efi"}, id="GRUB alone"
        ),
        pytest.param(
            ["debian/fbx64.efi", "debian/grubx64.efi", "debian/mmx64.efi", "debian/shimx64.efi"],
            {
                "BOOT/BOOTX64.EFI": "debian/shimx64.efi",
                "BOOT/grubx64.efi": "debian/grubx64.efi",
                "BOOT/mmx64.efi": "debian/mmx64.efi",
            },
            id="shim takes GRUB along, but not what writes into the memory",
        ),
        pytest.param(
            ["Microsoft/bootmgfw.efi", "debian/grubx64.efi"],
            {"BOOT/BOOTX64.EFI": "debian/grubx64.efi"},
            id="of two vendors the distribution",
        ),
        pytest.param(
            ["systemd/systemd-bootx64.efi"],
            {"BOOT/BOOTX64.EFI": "systemd/systemd-bootx64.efi"},
            id="the only vendor, whatever its name",
        ),
        pytest.param(["boot/bootx64.efi", "debian/grubx64.efi"], {}, id="one is there"),
    ],
)
def test_a_loader_lies_where_firmware_without_memory_looks(
    loaders: list[str], expected: dict[str, str]
) -> None:
    # migration-manager 372: Debian 12 lays down no BOOTX64.EFI, and no entry of NVRAM is carried.
    assert copies(loaders) == expected


@pytest.mark.parametrize(
    "loaders", [[], ["debian/unknown.efi"], ["a/grubx64.efi", "b/grubx64.efi"]]
)
def test_without_a_loader_that_is_surely_the_guests_the_way_out_is_said(loaders: list[str]) -> None:
    with pytest.raises(PlanError, match="--removable"):
        copies(loaders)


@pytest.mark.parametrize(
    ("lists", "is_refused"),
    [
        pytest.param(["ubuntu/BOOTX64.CSV"], False, id="the installer's"),
        pytest.param(["redhat/boot.csv"], False, id="an older one, in lower case"),
        pytest.param(["BOOT/BOOTX64.CSV"], True, id="only beside itself, where it does not look"),
        pytest.param([], True, id="none"),
    ],
)
def test_a_fallback_that_starts_what_lists_name_has_one(
    lists: list[str], *, is_refused: bool
) -> None:
    loaders = ["BOOT/BOOTX64.EFI", "BOOT/fbx64.efi", "ubuntu/grubx64.efi", "ubuntu/shimx64.efi"]
    found = tuple(f"{EFI}/{path}" for path in lists)
    if is_refused:
        with pytest.raises(PlanError, match="restart the guest"):
            copies(loaders, loader_lists=found)
    else:
        assert copies(loaders, loader_lists=found) == {}


def test_a_target_with_uefi_needs_a_loader_that_was_seen() -> None:
    # The partition was not in fstab: taken for a guest with BIOS, and its firmware started nothing.
    assert make_plan(guest(), Options()).changes == ()
    with pytest.raises(PlanError, match="not in fstab"):
        make_plan(guest(target_is_uefi=True), Options())


def test_grub_for_a_bios_starts_nothing_where_the_target_has_none(tmp_path: Path) -> None:
    tree = GuestTree(str(tmp_path))
    tree.write(
        "/var/lib/dpkg/status", "Package: grub-pc\nStatus: install ok installed\nVersion: 1\n"
    )
    tree.write("/boot/efi/EFI/debian/shimx64.efi", "")
    assert [look_into(tree, is_uefi=is_uefi).firmware for is_uefi in (False, True)] == [
        "bios",
        "uefi",
    ]


def look_into(tree: GuestTree, *, is_uefi: bool) -> GuestFacts:
    def never(*_arguments: Any) -> Any:
        raise AssertionError("no program is needed")

    return inspect(
        tree,
        disks=[],
        file_systems=[SDA1],
        root=SDA1,
        decompress=never,
        run=never,
        target_is_uefi=is_uefi,
    )


def test_a_stray_backup_table_is_moved() -> None:
    (change,) = make_plan(guest(stray_backups=("sdb",)), Options()).changes
    assert isinstance(change, MoveBackupTable)
    assert (change.disk, change.device) == ("sdb", "/dev/mapper/ov-1")
    assert describe(change)["disk"] == "sdb"
    assert "partition table of sdb" in show_diff([change])[0]["prepared"]


def test_a_copied_file_is_shown_and_made(tmp_path: Path) -> None:
    change = CopyFile("/efi/a", "/efi/new/B", "why")
    assert describe(change) == {
        "action": "copy",
        "path": "/efi/new/B",
        "of": "/efi/a",
        "why": "why",
    }
    assert "copy /efi/a to /efi/new/B" in show_diff([change])[0]["prepared"]
    (tmp_path / "efi").mkdir()
    (tmp_path / "efi/a").write_bytes(b"\0loader")
    GuestTree(str(tmp_path)).copy(change.source, change.target)
    assert (tmp_path / "efi/new/B").read_bytes() == b"\0loader"


@pytest.mark.parametrize("name", ["/dev/mapper/vg0-root", "/dev/vg0/root", f"UUID={LV_ROOT.uuid}"])
def test_a_root_on_a_logical_volume_keeps_its_name(name: str) -> None:
    files = {
        "/etc/fstab": f"{name} / ext4 defaults 0 1\n",
        "/boot/grub/grub.cfg": MENU.replace("{root}", name),
    }
    facts = guest(files=files, file_systems=(*guest().file_systems, LV_ROOT), root=LV_ROOT)
    assert [
        each for each in make_plan(facts, Options()).changes if isinstance(each, EditFile)
    ] == []
    assert make_plan(facts, Options()).changes == ()
