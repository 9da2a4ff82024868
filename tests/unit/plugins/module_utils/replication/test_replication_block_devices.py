# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What /sys tells of a server's disks, on a small copy of it; and a mounted disk that is not stopped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.replication.block_devices import (
    active_swaps,
    list_disks,
    mounts_of,
    partitions,
    writable_places,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.geometry import Span
from ansible_collections.ferry.hvm.plugins.module_utils.replication.sender_main import start

from tests.unit.plugins.module_utils.replication.loops import loop_device, new_file_system
from tests.unit.plugins.module_utils.replication.rig import Papers

MIB = 1024**2
GIB = 1024**3

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 253:0 / /srv/my\\040data rw - xfs /dev/mapper/data rw
24 22 8:1 /var /mnt/view ro - ext4 /dev/sda1 rw
25 22 8:17 / /backup ro - ext4 /dev/sdb1 ro,errors=continue
26 22 0:5 / /proc rw - proc proc rw
"""

SWAPS = """\
Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority
/dev/dm-1                               partition\t524284\t\t0\t\t-2
"""


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """A VMware server: sda with a partition, sdb with one and with LVM, an NVMe disk, a CD, an empty loop."""
    block = tmp_path / "sys" / "block"
    for name, number, size in (("sda", "8:0", 16), ("sdb", "8:16", 4), ("nvme0n1", "259:0", 1)):
        write(block / name / "dev", f"{number}\n")
        write(block / name / "size", f"{size * GIB // 512}\n")
        write(block / name / "removable", "0\n")
        write(block / name / "queue" / "logical_block_size", "512\n")
    for target, name in enumerate(("sda", "sdb")):
        address = tmp_path / "devices" / f"2:0:{target}:0"
        write(address / "vpd_pg80", b"\0\x80\0\x10" + f"6000c29{target}".encode() + b"    ")
        (block / name / "device").symlink_to(address)
    for disk, part, device in (("sda", "sda1", "8:1"), ("sdb", "sdb1", "8:17")):
        write(block / disk / part / "dev", device)
        write(block / disk / part / "partition", "1")
        write(block / disk / part / "start", f"{MIB // 512}\n")
        write(block / disk / part / "size", f"{15 * GIB // 512}\n")
        (block / disk / part / "holders").mkdir()
    write(block / "nvme0n1" / "device" / "serial", "VMWare NVME_0000 \n")
    write(block / "nvme0n1" / "queue" / "logical_block_size", "4096\n")
    write(block / "sdb" / "sdb1" / "holders" / "dm-0" / "dev", "253:0")
    write(block / "dm-0" / "dev", "253:0\n")
    for name in ("sr0", "loop0", "dm-0", "zram0"):
        write(block / name / "size", "9999\n")
    write(tmp_path / "proc" / "self" / "mountinfo", MOUNTS)
    write(tmp_path / "proc" / "swaps", SWAPS)
    return tmp_path


def test_the_disks_of_a_server_are_listed_with_what_tells_them_apart(server: Path) -> None:
    disks = {
        disk.pop("name"): disk for disk in list_disks(str(server / "sys"), str(server / "proc"))
    }
    assert list(disks) == ["nvme0n1", "sda", "sdb"]
    assert disks["sda"] == {
        "path": "/dev/sda",
        "size": 16 * GIB,
        "serial": "6000c290",
        "unit": "2:0:0:0",
        "sector_size": 512,
        "removable": False,
        "mounted": ["/", "/mnt/view"],
    }
    assert disks["sdb"]["mounted"] == ["/backup", "/srv/my data"]
    assert disks["nvme0n1"]["serial"] == "VMWare NVME_0000"
    assert disks["nvme0n1"]["unit"] is None
    assert disks["nvme0n1"]["sector_size"] == 4096


WRITABLE = {
    "a read-only bind mount of a writable file system counts": ("sda", ["/", "/mnt/view"]),
    "LVM counts, a read-only file system does not": ("sdb", ["/srv/my data"]),
    "a disk without mounts": ("nvme0n1", []),
}


@pytest.mark.parametrize(("name", "places"), WRITABLE.values(), ids=WRITABLE.keys())
def test_where_a_disk_can_be_written(server: Path, name: str, places: list[str]) -> None:
    assert writable(server, f"/dev/{name}") == places


def writable(server: Path, path: str) -> list[str]:
    return writable_places(mounts_of(path, str(server / "sys"), str(server / "proc")))


def test_a_partition_that_is_exported_as_a_disk_counts_with_its_disk(server: Path) -> None:
    assert writable(server, "/dev/sda1") == ["/", "/mnt/view"]


def test_partitions_are_told_with_their_bytes(server: Path) -> None:
    assert partitions("/dev/sda", str(server / "sys")) == {"sda1": Span(MIB, 15 * GIB)}
    assert partitions("/dev/nvme0n1", str(server / "sys")) == {}
    assert partitions("/dev/sdz", str(server / "sys")) == {}


def test_devices_that_swap_is_on_are_told_by_their_kernels_names(server: Path) -> None:
    assert active_swaps(str(server / "proc")) == ["dm-1"]


def test_a_file_system_that_does_not_tell_its_disks_may_be_on_any(server: Path) -> None:
    with (server / "proc" / "self" / "mountinfo").open("a") as mounts:
        mounts.write("27 22 0:31 /@ /srv/pool rw - btrfs /dev/sdc1 rw,subvol=/@\n")
    for name in ("nvme0n1", "sdb"):
        assert "/srv/pool" in writable(server, f"/dev/{name}")


def test_of_an_unknown_device_nothing_is_believed(server: Path) -> None:
    assert writable(server, "/dev/sdz") == ["/dev/sdz"]


def test_a_source_that_can_still_be_written_does_not_count_as_stopped(
    tmp_path: Path, source_papers: Papers, target_papers: Papers
) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(32 * 1024**2))
    directory = tmp_path / "run"
    with loop_device(image) as device, new_file_system(device, tmp_path) as place:
        order = {
            "run": "web01-7",
            "migration": "web01",
            "directory": str(directory),
            "certificate": source_papers.certificate,
            "key": source_papers.key,
            "peer_certificate": target_papers.certificate,
            "disks": [{"name": "sda", "path": device}],
            "view": "stopped",
        }
        with pytest.raises(InputError, match=f"cannot count as stopped: {place} can be written"):
            start(order)
    assert not os.path.exists(directory)
