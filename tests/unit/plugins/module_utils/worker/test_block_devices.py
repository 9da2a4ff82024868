# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's disks are read from /sys as the kernel lays it out."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.ferry.hvm.plugins.module_utils.worker.block_devices import (
    BlockDevice,
    is_claimed,
    read_block_devices,
)


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def put_virtio(sys: Path, name: str, bus: str, sectors: int, serial: str) -> None:
    """Lay out a virtio disk as Linux 6.1 shows one, its controller behind a PCI bridge."""
    device = sys / "devices/pci0000:00/0000:00:01.0" / bus / "virtio3"
    put(device / "block" / name / "size", f"{sectors}\n")
    put(device / "block" / name / "serial", serial)
    (device / "block" / name / "device").symlink_to(device)
    (sys / "block").mkdir(exist_ok=True)
    (sys / "block" / name).symlink_to(device / "block" / name)


def test_a_virtio_disk_is_read_whole(tmp_path: Path) -> None:
    put_virtio(tmp_path, "vdb", "0000:01:0b.0", 8, "1b4e28ba-2fa1-11d2-8")
    assert read_block_devices(str(tmp_path), is_in_use=lambda path: path == "/dev/vdb") == [
        BlockDevice("vdb", "/dev/vdb", 4096, "1b4e28ba-2fa1-11d2-8", "0000:01:0b.0", True)
    ]


def test_a_scsi_disk_has_its_serial_at_its_device(tmp_path: Path) -> None:
    put(tmp_path / "block/sda/size", "2048\n")
    put(tmp_path / "block/sda/device/serial", "S1\n")
    (disk,) = read_block_devices(str(tmp_path), is_in_use=lambda _path: False)
    assert (disk.serial, disk.pci_address, disk.size) == ("S1", "", 1048576)


def test_an_empty_drive_is_no_disk(tmp_path: Path) -> None:
    put(tmp_path / "block/loop0/size", "0\n")
    assert read_block_devices(str(tmp_path)) == []


def test_what_is_not_there_is_not_claimed(tmp_path: Path) -> None:
    assert not is_claimed(str(tmp_path / "vdx"))
