# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands on what, what LVM reports, and where a partition table's backup lies."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.arrays import (
    array_names,
    check_array,
    read_description,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.block_graph import (
    feet,
    read_blocks,
    standing_on,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.encryption import links
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import PlanError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import FileSystem
from ansible_collections.ferry.hvm.plugins.module_utils.guest.file_systems import subvolume_of
from ansible_collections.ferry.hvm.plugins.module_utils.guest.gpt import has_stray_backup
from ansible_collections.ferry.hvm.plugins.module_utils.guest.logical_volumes import read_volumes
from ansible_collections.ferry.hvm.plugins.module_utils.guest.mounted import system_mounts
from ansible_collections.ferry.hvm.plugins.module_utils.guest.overlays import probe

from tests.unit.plugins.module_utils.guest.guest_samples import LV_ROOT, SDA1, SDB1

MIB = 1 << 20


def make_blocks(folder: Path, blocks: Mapping[str, tuple[str, Sequence[str]]]) -> str:
    """Lay down /sys/block as Linux has it: kernel name -> (device-mapper's name, slaves)."""
    for name, (mapped, below) in blocks.items():
        for slave in below:
            (folder / name / "slaves" / slave).mkdir(parents=True)
        (folder / name / "slaves").mkdir(parents=True, exist_ok=True)
        (folder / name / "dev").write_text("253:0\n")
        if mapped:
            (folder / name / "dm").mkdir()
            (folder / name / "dm/name").write_text(f"{mapped}\n")
    return str(folder)


STACK: Mapping[str, tuple[str, Sequence[str]]] = {
    "vdb": ("", ()),
    "dm-0": ("ov-0", ("vdb", "loop0")),
    "dm-1": ("ov-1", ("vdc", "loop1")),
    "dm-2": ("ov-0p2", ("dm-0",)),
    "md0": ("", ("dm-2", "dm-1")),
    "dm-9": ("secret", ("md0",)),
    # Two volumes; one of them also stands on what is higher than its other foot.
    "dm-3": ("vg0-root", ("dm-9", "dm-1")),
    "dm-4": ("vg0-swap", ("dm-9",)),
    "dm-8": ("the-workers-own", ("vda",)),
}


def test_all_that_stands_on_overlays_is_found_uppermost_first(tmp_path: Path) -> None:
    blocks = read_blocks(make_blocks(tmp_path, STACK))
    names = [block.name for block in standing_on(["dm-0", "dm-1", "dm-2"], blocks)]
    assert sorted(names) == ["dm-0", "dm-1", "dm-2", "dm-3", "dm-4", "dm-9", "md0"]
    for name, (_mapped, below) in STACK.items():
        for slave in below:
            if name in names and slave in names:
                assert names.index(name) < names.index(slave)


def test_a_volume_knows_its_disks(tmp_path: Path) -> None:
    blocks = read_blocks(make_blocks(tmp_path, STACK))
    assert feet("dm-3", blocks) == ["dm-0", "dm-1"]
    assert feet("dm-2", blocks) == ["dm-0"]


def report(*rows: Mapping[str, str]) -> str:
    return json.dumps({"report": [{"lv": list(rows)}]})


# As LVM 2.03.16 printed it.
ROOT_ROW = {
    "vg_name": "vg0",
    "lv_name": "root",
    "lv_dm_path": "/dev/mapper/vg0-root",
    "lv_layout": "linear",
    "vg_missing_pv_count": "0",
    "vg_uuid": "GGdc6y-C1AS-eW55-5Ug2-Tx2U-SlIA-CVo3bS",
    "lv_uuid": "JmovhN-beNf-tUrV-Cxw0-aIEp-DiIa-mTZnv9",
}


def test_plain_volumes_are_opened_and_others_only_named() -> None:
    thin = {**ROOT_ROW, "lv_name": "t", "lv_layout": "thin,sparse"}
    root, other = read_volumes(report(ROOT_ROW, thin))
    assert (root.device, root.is_handled) == ("/dev/mapper/vg0-root", True)
    assert not other.is_handled


def test_a_volume_has_the_name_that_ubuntus_installer_writes_into_fstab() -> None:
    (root,) = read_volumes(report(ROOT_ROW))
    assert root.names == (
        "/dev/mapper/vg0-root",
        "/dev/vg0/root",
        "/dev/disk/by-id/dm-name-vg0-root",
        "/dev/disk/by-id/dm-uuid-LVM-GGdc6yC1ASeW555Ug2Tx2USlIACVo3bSJmovhNbeNftUrVCxw0aIEpDiIamTZnv9",
    )


def test_a_group_without_all_its_disks_is_refused() -> None:
    # vJailbreak 2257: a root over several disks of which one was attached late.
    with pytest.raises(PlanError, match="vg0 are missing"):
        read_volumes(report({**ROOT_ROW, "vg_missing_pv_count": "1"}))


@pytest.mark.parametrize("grown_by", [0, MIB])
def test_a_backup_table_is_stray_when_the_volume_is_larger(tmp_path: Path, grown_by: int) -> None:
    disk = tmp_path / "disk"
    with disk.open("wb") as image:
        image.truncate(8 * MIB)
    subprocess.run(["sfdisk", "-q", str(disk)], input=b"label: gpt\n,4M\n", check=True)
    size = 8 * MIB + grown_by
    with disk.open("r+b") as image:
        image.truncate(size)
    assert has_stray_backup(str(disk), size) is bool(grown_by)


def test_a_disk_without_a_gpt_has_no_stray_backup(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(MIB))
    assert not has_stray_backup(str(disk), MIB)


def test_the_systems_own_trees_are_mounted_outer_ones_first() -> None:
    fstab = (
        "/dev/mapper/vg0-root /usr ext4 defaults 0 0\n/dev/sda1 /boot ext4 x 0 0\n"
        "/dev/sdb1 /boot/deeper xfs x 0 0\n/dev/sdb1 /srv/data xfs x 0 0\n"
        "tmpfs /var/tmp tmpfs x 0 0\n/srv/x /var/x none bind 0 0\n"
    )
    found = system_mounts(fstab, [SDA1, SDB1, LV_ROOT])
    assert found == [("/boot", SDA1), ("/boot/deeper", SDB1), ("/usr", LV_ROOT)]


@pytest.mark.parametrize("device", ["/dev/vg0/lost", "UUID=lost", "/dev/sdc1"])
def test_a_tree_of_the_system_that_is_not_there_is_an_error(device: str) -> None:
    with pytest.raises(PlanError, match="Its /usr is on"):
        system_mounts(f"{device} /usr ext4 defaults 0 0\n", [SDA1])
    assert system_mounts(f"{device} /usr ext4 rw,nofail 0 0\n", [SDA1]) == []


# As mdadm 4.2 exports it.
EXPORTED = "MD_LEVEL=raid1\nMD_DEVICES=2\nMD_NAME=web01:0\nMD_UUID=6e2b:8f5a\nMD_METADATA=1.2\n"
WHOLE = FileSystem("sdc", 0, "/dev/mapper/ov-2", "linux_raid_member", "6e2b")


def test_a_whole_mirror_is_handled() -> None:
    check_array(read_description(EXPORTED), [SDA1, SDB1])


@pytest.mark.parametrize(
    ("before", "after", "members", "words"),
    [
        pytest.param("=2", "=3", [SDA1, SDB1], "give all its disks", id="a member is missing"),
        pytest.param("raid1", "raid5", [SDA1, SDB1], "is raid5", id="no mirror"),
        pytest.param(
            "=1.2", "=1.0", [SDA1, WHOLE], "end of the disk sdc", id="metadata at the end"
        ),
    ],
)
def test_an_array_that_cannot_be_kept_whole_is_refused(
    before: str, after: str, members: list[FileSystem], words: str
) -> None:
    with pytest.raises(PlanError, match=words):
        check_array(read_description(EXPORTED.replace(before, after)), members)


def test_metadata_at_the_end_of_a_partition_stays_there() -> None:
    check_array(read_description(EXPORTED.replace("=1.2", "=0.90")), [SDA1, SDB1])


@pytest.mark.parametrize(
    ("number", "name", "expected"),
    [
        ("0", "web01:0", ("/dev/md0", "/dev/md/0", "/dev/disk/by-id/md-name-web01:0")),
        ("127", "web01:data", ("/dev/md127", "/dev/md/data", "/dev/disk/by-id/md-name-web01:data")),
        ("127", "", ("/dev/md127", "/dev/md/127")),
    ],
)
def test_an_array_has_the_names_of_its_superblock(
    number: str, name: str, expected: tuple[str, ...]
) -> None:
    found = {"MD_NAME": name, "MD_UUID": "0a1b2c3d:4e5f6071:8293a4b5:c6d7e8f9"}
    assert array_names(number, found) == (
        *expected,
        "/dev/disk/by-id/md-uuid-0a1b2c3d:4e5f6071:8293a4b5:c6d7e8f9",
    )


def test_an_open_device_has_the_links_of_each_version_of_luks() -> None:
    uuid = "6c5ab0c1-2f6d-4f5e-9d0a-1b2c3d4e5f60"
    assert links(f"/dev/mapper/ov-c-{uuid}", "dm_crypt-0") == (
        "/dev/disk/by-id/dm-name-dm_crypt-0",
        "/dev/disk/by-id/dm-uuid-CRYPT-LUKS1-6c5ab0c12f6d4f5e9d0a1b2c3d4e5f60-dm_crypt-0",
        "/dev/disk/by-id/dm-uuid-CRYPT-LUKS2-6c5ab0c12f6d4f5e9d0a1b2c3d4e5f60-dm_crypt-0",
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("defaults", ""),
        ("subvol=@", "@"),
        ("rw,subvol=/@/home,x", "@/home"),
        ("subvolid=256", ""),
    ],
)
def test_options_name_a_subvolume(options: str, expected: str) -> None:
    assert subvolume_of(options) == expected


@pytest.mark.parametrize("empty", [{0}, {1}, {2, 3}, {0, 3}, {0, 1, 2, 3}, set()], ids=str)
def test_devices_with_nothing_on_them_hide_no_others(tmp_path: Path, empty: set[int]) -> None:
    # blkid ends at the first: a root behind a BIOS boot partition was not found.
    devices = [str(tmp_path / str(number)) for number in range(4)]
    for number, device in enumerate(devices):
        Path(device).write_bytes(bytes(MIB))
        if number not in empty:
            subprocess.run(["mkswap", "-q", device], check=True)
    assert set(probe(devices)) == {devices[number] for number in set(range(4)) - empty}
