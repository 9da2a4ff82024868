# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Overlays: every disk of the guest gets a writable view, and the disk itself is only read.

    /dev/mapper/ov-0p1   partition: linear over ov-0
    /dev/mapper/ov-0     device-mapper snapshot, persistent
        origin: /dev/vdb, read-only        changes: loop device over <stage>/store-0

Device nodes are made here and not by udev: nothing of the worker shall probe, assemble or mount what
appears, and a small worker has no udev to wait for.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Dict, Iterator, List, Sequence, Tuple

from ..errors import InputError
from ..units import MIB, show_exact_size
from .block_graph import read_blocks, standing_on
from .commands import run
from .errors import StoreError
from .facts import Disk, FileSystem
from .file_systems import forget_btrfs
from .store import SECTOR

MAPPER = "/dev/mapper"
# 8 KiB: a few blocks of a file system, so that a small edit copies little (bootlab, measured), and
# still one page of table for each 4 MiB changed.
_CHUNK_SECTORS = 16
PREFIX = "ov-"
# A rebuilt initramfs of a stock kernel, twice (the tool writes the new one beside the old), the
# tables, and the image while it is being made: 150 MiB were seen with every driver in it.
_ROOM = 256 * MIB
_QUIET = ("--noudevsync", "--noudevrules")


@dataclass(frozen=True)
class Target:
    """A disk of the guest on the worker: its name at the source, its device, its size in bytes."""

    name: str
    path: str
    size: int


def need_room(stage: str) -> None:
    """Raise InputError unless the worker volume has the room that the changes of a guest take."""
    status = os.statvfs(stage)
    free = status.f_bavail * status.f_frsize
    if free < _ROOM:
        raise InputError(
            f"There are {show_exact_size(free)} free at {stage} on the worker,"
            f" a preparation needs {show_exact_size(_ROOM)}.",
            hint="Make the worker's volume larger.",
        )


def store_path(stage: str, index: int) -> str:
    """Return where the changes of disk `index` are kept."""
    return os.path.join(stage, f"store-{index}")


@contextmanager
def open_overlays(
    targets: Sequence[Target], stage: str
) -> Iterator[Tuple[List[Disk], List[FileSystem]]]:
    """Lend overlays over all targets, with what is on them; afterwards they are gone.

    The stores stay in `stage`, with all changes on the worker volume; stores of an earlier run must
    not be there. Raises StoreError on leaving if a store became invalid: its changes are lost.
    """
    run(("modprobe", "--all", "dm_mod", "dm_snapshot", "loop"))
    os.makedirs(MAPPER, exist_ok=True)
    try:
        disks = [_open_overlay(target, stage, index) for index, target in enumerate(targets)]
        yield disks, _probe_partitions(disks)
        _check_stores(len(targets))
    finally:
        remove_overlays()
    for index in range(len(targets)):
        _flush_file(store_path(stage, index))


def remove_overlays() -> None:
    """No overlay and no loop device below one is left, whoever made it. Nothing may use them."""
    # A worker without device-mapper's udev rules has no such folder before the first overlay.
    os.makedirs(MAPPER, exist_ok=True)
    forget_btrfs()
    _remove_devices()
    # A killed run may have left nodes without devices.
    _remove_nodes([name for name in os.listdir(MAPPER) if name.startswith(PREFIX)])
    _remove_links()


def _remove_devices() -> None:
    """Remove our devices and all that was built on them; neighbours of one kind by one call."""
    blocks = read_blocks()
    ours = [block.name for block in blocks.values() if block.mapped_name.startswith(PREFIX)]
    for is_mapped, group in groupby(standing_on(ours, blocks), lambda each: bool(each.mapped_name)):
        if is_mapped:
            names = [each.mapped_name for each in group]
            run(("dmsetup", "remove", "--retry", *_QUIET, *names))
            _remove_nodes(names)
        else:
            run(("mdadm", "--stop", *(f"/dev/{each.name}" for each in group)))


def _remove_nodes(names: Sequence[str]) -> None:
    for name in names:
        path = os.path.join(MAPPER, name)
        if os.path.lexists(path):
            os.unlink(path)


def _remove_links() -> None:
    """No folder of /dev has a link to a device of /dev/mapper that is gone: LVM makes one for each group."""
    for folder in [each.path for each in os.scandir("/dev") if each.is_dir(follow_symlinks=False)]:
        links = [each.path for each in os.scandir(folder) if each.is_symlink()]
        gone = [link for link in links if _leads_nowhere(link)]
        for link in gone:
            with suppress(FileNotFoundError):
                os.unlink(link)
        if gone and not os.listdir(folder):
            os.rmdir(folder)


def _leads_nowhere(link: str) -> bool:
    """Whether it is there, and its device is not: udev removes links of its own meanwhile."""
    try:
        return os.readlink(link).startswith(MAPPER) and not os.path.exists(link)
    except FileNotFoundError:
        return False


def _open_overlay(target: Target, stage: str, index: int) -> Disk:
    store = store_path(stage, index)
    with open(store, "xb") as file:
        # All of the disk may change, plus its tables (1/512), the header and one area to spare. The
        # file is sparse: what it takes is what changed.
        file.truncate(target.size + target.size // 256 + (1 << 20))
    loop = run(("losetup", "--find", "--show", store)).decode().strip()
    sectors = target.size // SECTOR
    table = f"0 {sectors} snapshot {target.path} {loop} P {_CHUNK_SECTORS}"
    run(("dmsetup", "create", *_QUIET, f"{PREFIX}{index}", "--table", table))
    # In use, so it is detached when the overlay goes: whoever removes that need not find the loop.
    run(("losetup", "--detach", loop))
    device = _make_nodes()[f"{PREFIX}{index}"]
    found = probe([device]).get(device, {})
    return Disk(target.name, device, target.size, found.get("PTTYPE", ""))


def _probe_partitions(disks: Sequence[Disk]) -> List[FileSystem]:
    """Make a device for each partition; return what each holds, and each whole disk without any."""
    places: Dict[str, Tuple[str, int, str]] = {}
    tables = []
    for disk in disks:
        if not disk.scheme:
            places[disk.device] = (disk.name, 0, "")
            continue
        number = _device_number(disk.device)
        for part in _partitions(disk.device):
            name = f"{os.path.basename(disk.device)}p{part['NR']}"
            tables.append(f"{name},,,rw,0 {part['SECTORS']} linear {number} {part['START']}")
            places[f"{MAPPER}/{name}"] = (disk.name, int(part["NR"]), part["UUID"])
    if tables:
        run(("dmsetup", "create", *_QUIET, "--concise", ";".join(tables)))
        _make_nodes()
    found = probe(list(places))
    return [
        _file_system(device, *places[device], found[device]) for device in places if device in found
    ]


def _file_system(
    device: str, disk: str, partition: int, partition_uuid: str, found: Dict[str, str]
) -> FileSystem:
    return FileSystem(
        disk=disk,
        partition=partition,
        device=device,
        kind=found.get("TYPE", ""),
        uuid=found.get("UUID", ""),
        label=found.get("LABEL", ""),
        partition_uuid=partition_uuid,
    )


def _partitions(device: str) -> List[Dict[str, str]]:
    columns = "NR,START,SECTORS,TYPE,UUID"
    lines = run(("partx", "--pairs", "--bytes", "--output", columns, device)).decode().splitlines()
    parts = [dict(re.findall(r'(\w+)="([^"]*)"', line)) for line in lines]
    # An extended partition holds others and nothing of its own.
    return [part for part in parts if part["TYPE"] not in ("0x5", "0xf", "0x85")]


def probe(devices: Sequence[str]) -> Dict[str, Dict[str, str]]:
    """Return what blkid finds by reading, past its cache file, on the devices that hold anything known."""
    found: Dict[str, Dict[str, str]] = {}
    waiting = list(devices)
    while waiting:
        seen = _blkid(waiting)
        found.update(seen)
        # blkid ends at the first device on which it finds nothing, such as a BIOS boot partition.
        waiting = waiting[len(seen) + 1 :]
    return found


def _blkid(devices: Sequence[str]) -> Dict[str, Dict[str, str]]:
    """Return what blkid says; 2 and 8 are its words for nothing."""
    output = run(("blkid", "--probe", "--output", "export", *devices), accept=(0, 2, 8))
    found: Dict[str, Dict[str, str]] = {}
    for block in output.decode("utf-8", "surrogateescape").split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "DEVNAME" in values:
            found[values["DEVNAME"]] = {k: v.replace("\\", "") for k, v in values.items()}
    return found


def _mapped() -> Dict[str, str]:
    """Return our device-mapper devices: name -> MAJOR:MINOR."""
    found = {block.mapped_name: block.number for block in read_blocks().values()}
    return {name: number for name, number in found.items() if name.startswith(PREFIX)}


def _make_nodes() -> Dict[str, str]:
    """Each of our devices has its node; return name -> path."""
    for name, number in _mapped().items():
        path = os.path.join(MAPPER, name)
        if not os.path.exists(path):
            major, minor = number.split(":")
            os.mknod(path, 0o60600, os.makedev(int(major), int(minor)))
    return {name: os.path.join(MAPPER, name) for name in _mapped()}


def _device_number(path: str) -> str:
    number = os.stat(path).st_rdev
    return f"{os.major(number)}:{os.minor(number)}"


def _check_stores(count: int) -> None:
    """Raise StoreError unless each overlay still has all of its changes."""
    for index in range(count):
        name = f"{PREFIX}{index}"
        status = run(("dmsetup", "status", name)).decode().split()
        if len(status) < 4 or "/" not in status[3]:
            raise StoreError(
                f"The overlay {name} lost its changes (the kernel says: {' '.join(status[3:])}).",
                hint="Give the worker volume more room and run again; the disks are unchanged.",
            )


def _flush_file(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
