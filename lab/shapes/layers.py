# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the bytes of a volume lie on the disks of a shape, and how they get there.

    /dev/vg0/root:   |==== on sda2 ====|=== on sdb ===|

The tools of LVM write the metadata, on loop devices, without a device-mapper: a host may have none. They
say which extents a volume got, and the bytes are copied there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from ..command import run
from ..guests.disks import MIB, attached, data_ranges
from . import mirror
from .table import MIRROR_UUID, DiskPlan, Shape

# LVM is told about our loop devices alone, and to leave the host's files in peace.
_LVM_CONFIG = """\
devices {{ filter=[{accept},"r|.*|"] use_devicesfile=0 }}
backup {{ backup=0 archive=0 }}
global {{ use_lvmpolld=0 event_activation=0 locking_dir="{locks}" }}
activation {{ monitoring=0 udev_sync=0 udev_rules=0 }}
"""

# A piece of a volume: begin in the volume, the disk's file, begin there, length; in bytes.
Piece = tuple[int, Path, int, int]


def make_disks(shape: Shape, directory: Path) -> dict[str, Path]:
    """The directory holds the shape's disks, with partitions and nothing in them; return them by name."""
    disks = {name: directory / f"{name}.raw" for name in shape.disks}
    for name, disk in disks.items():
        plan = shape.disks[name]
        with disk.open("xb") as image:
            image.truncate(plan.size * MIB)
        if plan.label:
            run("sfdisk", "--quiet", str(disk), given=_table(plan))
    return disks


def pieces(shape: Shape, disks: Mapping[str, Path]) -> dict[str, list[Piece]]:
    """Return for each partition, disk without any, and logical volume where its bytes lie.

    Mirrors and the volume group are made on the way; of a mirror all bytes lie in two places.
    """
    plain = _plain(shape, disks)
    found = {place: [piece] for place, piece in plain.items()}
    for pair in shape.mirrors.items():
        halves = [plain[place] for place in pair]
        _make_mirror(halves)
        found[pair[0]] = [_shorter(half, mirror.DATA_START) for half in halves]
    return {**found, **_logical(shape, {place: found[place][0] for place in shape.physical})}


def put(image: Path, places: Sequence[Piece]) -> None:
    """The volume that lies at `places` holds the image's bytes; its holes are left alone."""
    with image.open("rb") as reader:
        for start, end in data_ranges(reader.fileno()):
            for begin, disk, there, length in places:
                first, last = max(start, begin), min(end, begin + length)
                if first < last:
                    reader.seek(first)
                    with disk.open("r+b") as writer:
                        writer.seek(there + first - begin)
                        writer.write(reader.read(last - first))


def _make_mirror(halves: Sequence[Piece]) -> None:
    for member, (_begin, disk, start, length) in enumerate(halves):
        with disk.open("r+b") as file:
            file.seek(start + mirror.SUPERBLOCK_START)
            file.write(mirror.superblock("mirror:0", MIRROR_UUID, member, length))


def _shorter(piece: Piece, by: int) -> Piece:
    begin, disk, start, length = piece
    return begin, disk, start + by, length - by


def _table(plan: DiskPlan) -> str:
    lines = [f"size={part.size}MiB, type={part.type}" for part in plan.parts]
    if plan.label == "dos":
        lines[0] += ", bootable"
    return "\n".join((f"label: {plan.label}", *lines, ""))


def _plain(shape: Shape, disks: Mapping[str, Path]) -> dict[str, Piece]:
    found: dict[str, Piece] = {}
    for name, disk in disks.items():
        if not shape.disks[name].label:
            found[name] = (0, disk, 0, disk.stat().st_size)
            continue
        table = json.loads(run("sfdisk", "--json", str(disk)))["partitiontable"]
        for number, part in enumerate(table["partitions"], start=1):
            found[f"{name}{number}"] = (0, disk, part["start"] * 512, part["size"] * 512)
    return found


def _logical(shape: Shape, physical: Mapping[str, Piece]) -> dict[str, list[Piece]]:
    if not physical:
        return {}
    wanted = [volume for volume in shape.volumes if "/" in volume.place]
    with ExitStack() as stack:
        loops = [
            stack.enter_context(attached(disk, start, length))
            for _begin, disk, start, length in physical.values()
        ]
        devices = dict(zip(loops, physical.values(), strict=True))
        _lvm(loops, "pvcreate", *loops)
        group = wanted[0].place.split("/")[0]
        _lvm(loops, "vgcreate", group, *loops)
        for volume in wanted:
            name, size = volume.place.split("/")[1], f"{volume.size}m"
            _lvm(loops, "lvcreate", *("-an", "-Zn", "-Wn", "-L", size, "-n", name, group))
        return {volume.place: _extents(volume.place, devices) for volume in wanted}


def _extents(volume: str, devices: Mapping[str, Piece]) -> list[Piece]:
    """Return where LVM put the volume, in the order of the volume's bytes."""
    loops = list(devices)
    begins = {
        row["pv_name"]: int(row["pe_start"])
        for row in _report(_lvm(loops, "pvs", *_AS_JSON, "-o", "pv_name,pe_start"), "pv")
    }
    columns = "seg_start,seg_size,seg_pe_ranges,vg_extent_size"
    rows = _report(_lvm(loops, "lvs", *_AS_JSON, "--segments", "-o", columns, volume), "seg")
    found: list[Piece] = []
    for row in rows:
        device, ranges = row["seg_pe_ranges"].split(":")
        _unused, disk, start, _length = devices[device]
        there = start + begins[device] + int(ranges.split("-")[0]) * int(row["vg_extent_size"])
        found.append((int(row["seg_start"]), disk, there, int(row["seg_size"])))
    return found


_AS_JSON = ("--reportformat", "json", "--units", "b", "--nosuffix")


def _report(output: str, kind: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(output)["report"][0][kind]
    return rows


def _lvm(loops: Sequence[str], command: str, *arguments: str) -> str:
    accept = ",".join(f'"a|^{loop}$|"' for loop in loops)
    config = _LVM_CONFIG.format(accept=accept, locks="/run/lock/lvm")
    return run(command, "--driverloaded", "n", "--config", config, *arguments)
