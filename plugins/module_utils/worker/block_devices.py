# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The disks of the machine this runs on, as the kernel shows them in /sys. PRIVATE to the collection.

Only reads. Whether a disk is in use is the kernel's own answer: an exclusive open fails for a disk
of which anything is mounted, swapped on, or part of an array or a mapped device (open(2), O_EXCL).
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from typing import Callable, Sequence

from .content_identity import HEAD_LENGTH, identify_content

# /sys/block/*/size counts in these, whatever the device's own block size (kernel, block/genhd.c).
_SYSFS_SECTOR = 512
_PCI_ADDRESS = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


@dataclass(frozen=True)
class BlockDevice:
    """One whole disk. `size` in bytes; `serial` "" where it has none; `pci_address` of its controller.

    `content` is the id of what it holds; "" for a blank disk, and for one in use, which is not read.
    """

    name: str
    path: str
    size: int
    serial: str
    pci_address: str
    is_in_use: bool
    content: str = ""


def read_block_devices(
    sys: str = "/sys", dev: str = "/dev", is_in_use: Callable[[str], bool] | None = None
) -> Sequence[BlockDevice]:
    """Return every whole disk that has content; empty drives and unbound loops are left out."""
    probe = is_in_use or is_claimed
    found = []
    for name in sorted(os.listdir(f"{sys}/block")):
        size = int(_read(f"{sys}/block/{name}/size") or 0) * _SYSFS_SECTOR
        if size:
            found.append(_describe(f"{sys}/block/{name}", f"{dev}/{name}", size, probe))
    return found


def _describe(folder: str, path: str, size: int, is_in_use: Callable[[str], bool]) -> BlockDevice:
    claimed = is_in_use(path)
    return BlockDevice(
        name=os.path.basename(path),
        path=path,
        size=size,
        # virtio-blk shows it beside the disk, SCSI and NVMe disks at their device.
        serial=_read(f"{folder}/serial") or _read(f"{folder}/device/serial"),
        pci_address=_last_pci_address(os.path.realpath(f"{folder}/device")),
        is_in_use=claimed,
        content="" if claimed else read_content(path),
    )


def read_content(path: str) -> str:
    """Return the id of what the device holds now, "" where it has none or cannot be read."""
    try:
        with open(path, "rb", buffering=0) as stream:
            # What was cached of the device may be older than what went by its own way.
            os.posix_fadvise(stream.fileno(), 0, HEAD_LENGTH, os.POSIX_FADV_DONTNEED)
            return identify_content(stream.read(HEAD_LENGTH))
    except OSError:
        return ""


def _last_pci_address(device: str) -> str:
    """Return the PCI address nearest to the disk: bridges come before it in the path."""
    addresses = _PCI_ADDRESS.findall(device)
    return addresses[-1] if addresses else ""


def is_claimed(path: str) -> bool:
    """Return whether something on this machine holds the block device or a part of it.

    A device that this machine lets not even root open (a cgroup's device filter) is not ours either.
    """
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENXIO, errno.ENOMEDIUM):
            return False
        if error.errno in (errno.EBUSY, errno.EPERM, errno.EACCES):
            return True
        raise
    return False


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as stream:
            return stream.read().strip()
    except FileNotFoundError:
        return ""
