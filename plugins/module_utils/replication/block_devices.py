# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What Linux knows of a server's disks. Reads /sys and /proc only. PRIVATE. Python 3.6."""

import os
import re
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from .geometry import Span

# Not disks that a server keeps its data on: memory, loops, optical drives, floppies, and what is made of
# other disks. MAJOR names, as /sys/block shows them.
_NOT_DISKS = re.compile(r"^(ram|loop|zram|sr|fd|dm-|md|nbd)\d*")

# File systems on disks whose mounts have a number of their own (0:NN) instead of a disk's; over which disks
# one extends is not told there. A writable one may lie on any disk.
_ON_ANY_DISK = ("btrfs", "bcachefs", "zfs")
_ANY_DISK = "any"

# linux/Documentation/ABI: sizes in /sys/block are in units of 512 bytes whatever the sector size is.
_SYS_SECTOR = 512


class Mount(NamedTuple):
    """Where the file system of a device, by its number, is mounted; it may be written through any of them.

    `kind` is its type, as the kernel names it.
    """

    number: str
    place: str
    is_writable: bool
    kind: str


class End(NamedTuple):
    """A device of which nothing is made: a disk, a partition, or (`is_made`) what is made of them.

    `name` is the kernel's, `title` what an operator knows it by.
    """

    name: str
    number: str
    title: str
    is_made: bool


def list_disks(sys: str = "/sys", proc: str = "/proc") -> List[Dict[str, Any]]:
    """Return the server's disks by name, each with its size in bytes and where it is mounted."""
    block = os.path.join(sys, "block")
    names = sorted(name for name in os.listdir(block) if not _NOT_DISKS.match(name))
    mounts = _mounts(proc)
    return [disk for disk in (_describe(block, name, mounts) for name in names) if disk["size"]]


def mounts_of(path: str, sys: str = "/sys", proc: str = "/proc") -> List[Mount]:
    """Return where the disk at `path`, or anything made of it, is or may be mounted.

    Of a device that /sys does not know nothing can be said: it may be written by its own path.
    """
    mounts = _mounts(proc)
    devices = _devices(os.path.join(sys, "block"), os.path.basename(os.path.realpath(path)))
    if not devices and not os.path.isfile(path):
        return [Mount("", path, True, "")]
    return [mount for number in [*devices, _ANY_DISK] for mount in mounts.get(number, [])]


def ends_of(path: str, sys: str = "/sys") -> List[End]:
    """Return what the disk at `path` ends in: the last of its partitions, volumes, arrays, or the disk itself."""
    block = os.path.join(sys, "block")
    disk = _disk_of(block, os.path.basename(os.path.realpath(path)))
    ends = []
    for number, place in _tree(block, disk).items():
        if not _parts_of(block, place):
            parent, name = os.path.split(place)
            title = _read(place, "dm/name") or name
            ends.append(End(name, number, title, parent == block and name != disk))
    return ends


def writable_places(mounts: Sequence[Mount]) -> List[str]:
    """Return where these mounts can be written, sorted."""
    return sorted(mount.place for mount in mounts if mount.is_writable)


def partitions(path: str, sys: str = "/sys") -> Dict[str, Span]:
    """Return the partitions of the disk at `path` by their kernel's names, and the bytes of each."""
    disk = os.path.join(sys, "block", os.path.basename(os.path.realpath(path)))
    names = os.listdir(disk) if os.path.isdir(disk) else []
    return {
        name: Span(
            *(int(_read(disk, name + each) or 0) * _SYS_SECTOR for each in ("/start", "/size"))
        )
        for name in names
        if os.path.exists(os.path.join(disk, name, "partition"))
    }


def number_of(name: str, sys: str = "/sys") -> str:
    """Return the number of a disk or partition by its kernel's name, major:minor; "" where there is none."""
    return _read(os.path.join(sys, "class/block", name), "dev") or ""


def active_swaps(proc: str = "/proc") -> List[str]:
    """Return the kernel's names of the devices that swap is on."""
    with open(os.path.join(proc, "swaps")) as stream:
        devices = [line.split()[0] for line in stream.readlines()[1:]]
    return [os.path.basename(os.path.realpath(_unescape(device))) for device in devices]


def _describe(block: str, name: str, mounts: Dict[str, List[Mount]]) -> Dict[str, Any]:
    path = os.path.join(block, name)
    return {
        "name": name,
        "path": "/dev/" + name.replace("!", "/"),
        "size": int(_read(path, "size") or 0) * _SYS_SECTOR,
        "serial": _serial(path),
        "unit": _unit(path),
        "sector_size": int(_read(path, "queue/logical_block_size") or _SYS_SECTOR),
        "removable": _read(path, "removable") == "1",
        "mounted": sorted(
            mount.place for number in _devices(block, name) for mount in mounts.get(number, [])
        ),
    }


def _serial(path: str) -> Optional[str]:
    """NVMe and virtio tell it in a file; SCSI in page 0x80, behind a header of 4 bytes (SPC-4, 7.8.15)."""
    for place in ("serial", "device/serial"):
        serial = _read(path, place)
        if serial:
            return serial
    try:
        with open(os.path.join(path, "device/vpd_pg80"), "rb") as stream:
            page = stream.read()
    except OSError:
        return None
    return page[4:].decode("ascii", "replace").strip("\0 ") or None


def _unit(path: str) -> Optional[str]:
    """Return the SCSI address, host:channel:target:lun, or None for other disks."""
    address = os.path.basename(os.path.realpath(os.path.join(path, "device")))
    return address if re.match(r"^\d+:\d+:\d+:\d+$", address) else None


def _devices(block: str, name: str) -> List[str]:
    """Return the numbers of a disk or partition, and of all that is made of it: LVM, RAID, crypt.

    Of a partition also its disk's other partitions: who exports it as a disk has nested devices.
    """
    return list(_tree(block, name))


def _tree(block: str, name: str) -> Dict[str, str]:
    """Return what `_devices` does, each with its place in /sys."""
    found: Dict[str, str] = {}
    waiting = [os.path.join(block, _disk_of(block, name))]
    while waiting:
        path = waiting.pop()
        number = _read(path, "dev")
        if number is not None and number not in found:
            found[number] = path
            waiting += _parts_of(block, path)
    return found


def _parts_of(block: str, path: str) -> List[str]:
    """Return what is made of a device directly: its partitions, and what holds it."""
    partitions_of_it = [
        os.path.join(path, entry)
        for entry in os.listdir(path)
        if os.path.exists(os.path.join(path, entry, "partition"))
    ]
    holders = os.path.join(path, "holders")
    names = os.listdir(holders) if os.path.isdir(holders) else []
    return partitions_of_it + [os.path.join(block, name) for name in names]


def _disk_of(block: str, name: str) -> str:
    """Return the disk that has the partition `name`, or `name` where it is a disk itself."""
    for disk in os.listdir(block):
        if os.path.exists(os.path.join(block, disk, name, "partition")):
            return disk
    return name


def _mounts(proc: str) -> Dict[str, List[Mount]]:
    """Return mounts by device number. The fields are those of mountinfo in proc(5)."""
    mounts: Dict[str, List[Mount]] = {}
    with open(os.path.join(proc, "self/mountinfo")) as stream:
        for line in stream:
            own, _unused, super_block = line.partition(" - ")
            number, place = own.split()[2], _unescape(own.split()[4])
            kind = super_block.split()[0]
            if kind in _ON_ANY_DISK:
                number = _ANY_DISK
            # A read-only bind mount of a writable file system does not stop others from writing.
            is_writable = "rw" in super_block.split()[2].split(",")
            mounts.setdefault(number, []).append(Mount(number, place, is_writable, kind))
    return mounts


def _unescape(place: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), place)


def _read(path: str, name: str) -> Optional[str]:
    try:
        with open(os.path.join(path, name)) as stream:
            return stream.read().strip()
    except OSError:
        return None
