# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Disks with LVM as they were at one time: through snapshots. PRIVATE. Python 3.6.

Which parts a disk is then composed of is shown in composed_disk.py. Each file system is as it was at one
moment, and clean; two of them may differ by the moment between their snapshots.
"""

import os
from functools import partial
from typing import Callable, Container, Dict, List, Mapping, NamedTuple, Sequence

from ..errors import FerryError, InputError, PermanentError
from ..units import MIB
from . import lvm
from .block_devices import active_swaps, mounts_of, partitions
from .composed_disk import ComposedDisk, Part
from .disks import Disk, PathDisk, aligned_buffer, size_of
from .geometry import Span, ceil_div, split
from .limits import CHUNK, GRANULE
from .other_writers import Known, find_writer, is_silent

# Partition tables, and boot loaders between them and the first partition, lie within this of a disk's ends;
# a second copy of LVM's metadata within this of the end of a physical volume.
_TABLES = MIB

# Small, seldom written, and never on LVM where a boot loader must read them: they are read live.
_MAY_BE_LIVE = ("/boot", "/boot/efi", "/efi")


class Device(NamedTuple):
    """A disk or partition by its kernel's name, with its bytes on the disk."""

    disk: str
    span: Span


class Snapshots(NamedTuple):
    """Disks as they were when snapshots of `volumes` (group/volume) were taken: how to open each by its name."""

    disks: Mapping[str, Callable[[], Disk]]
    volumes: Container[str]


class _Plan(NamedTuple):
    """What is there, and how many extents the snapshot of each volume gets."""

    layout: lvm.Layout
    devices: Mapping[str, Device]
    extents: Mapping[str, int]


def plan_snapshots(paths: Mapping[str, str], *, is_vouched: bool = True) -> _Plan:
    """Return what `take_snapshots` would do; changes nothing. Raises what that raises.

    Unless somebody vouches for it, no disk may be there of whose use nothing would tell.
    """
    if not lvm.is_installed():
        raise InputError("The source has no LVM.", hint="Choose another source_view.")
    layout = lvm.read_layout()
    devices = find_devices(paths)
    volumes = _choose_volumes(layout, devices)
    _refuse_other_writers(layout, volumes, paths)
    if not is_vouched:
        refuse_silent(layout, paths)
    return _Plan(layout, devices, lvm.share_space(layout, volumes))


def take_snapshots(migration: str, paths: Mapping[str, str]) -> Snapshots:
    """Return the disks as they are now; `paths` are the disks' by name.

    Afterwards the migration's snapshots exist, and stay until they are removed by its name. Raises InputError
    where file systems would be left out, or a group has too little space, and PermanentError for what LVM says.
    """
    layout, devices, extents = plan_snapshots(paths)
    saved = _save_tables(layout, devices, paths)
    if lvm.read_layout() != layout:
        raise InputError("The source's LVM was changed meanwhile.", hint="Run again.")
    snapshots = lvm.take_snapshots(migration, extents)
    try:
        after = lvm.read_layout()
        if _places(after, snapshots) != _places(layout, snapshots):
            raise InputError("The source's LVM was changed meanwhile.", hint="Run again.")
        parts = volume_parts(after, devices, snapshots)
        disks = {}  # type: Dict[str, Callable[[], Disk]]
        for name, path in paths.items():
            disks[name] = partial(_open_composed, path, [*saved[name], *parts[name]], snapshots)
            disks[name]().close()
    except FerryError:
        lvm.remove_snapshots(migration)
        raise
    return Snapshots(disks, set(snapshots))


def _places(layout: lvm.Layout, volumes: Container[str]) -> List[lvm.Segment]:
    return [part for part in layout.segments if part.volume in volumes]


def find_devices(paths: Mapping[str, str]) -> Dict[str, Device]:
    """Return the disks and their partitions by their kernel's names."""
    devices = {}
    for name, path in paths.items():
        kernel_name = os.path.basename(os.path.realpath(path))
        devices[kernel_name] = Device(name, Span(0, size_of(partial(PathDisk, path))))
        for partition, span in partitions(path).items():
            devices[partition] = Device(name, span)
    return devices


def _choose_volumes(layout: lvm.Layout, devices: Mapping[str, Device]) -> List[str]:
    """Return the volumes on the disks that can have a snapshot and are worth it: swap is not.

    What of a volume lies on another device, as on a RAID of the same disks, would be read live.
    """
    swaps = active_swaps()
    on_disks = {part.volume for part in layout.segments if part.device in devices}
    elsewhere = {part.volume for part in layout.segments if part.device not in devices}
    chosen = [
        volume.name
        for volume in layout.volumes.values()
        if volume.name in on_disks - elsewhere
        and not volume.why_not
        and os.path.basename(os.path.realpath("/dev/block/" + volume.number)) not in swaps
    ]
    if not chosen:
        raise InputError(
            "No volume of the source's disks can have a snapshot.",
            hint="Choose another source_view.",
        )
    return chosen


def _refuse_other_writers(
    layout: lvm.Layout, chosen: Sequence[str], paths: Mapping[str, str]
) -> None:
    numbers = {layout.volumes[name].number for name in chosen}
    reasons = {each.number: each.why_not for each in layout.volumes.values() if each.why_not}
    for name, path in paths.items():
        for mount in mounts_of(path):
            if not mount.is_writable or mount.number in numbers or mount.place in _MAY_BE_LIVE:
                continue
            raise InputError(
                "File system {} on disk {} can be written and has no snapshot: {}.".format(
                    mount.place,
                    name,
                    reasons.get(mount.number, "it is on no volume of LVM on these disks alone"),
                ),
                hint="Stop the source's services and remount it read-only for a final sync.",
            )
    refuse_unseen_writers(layout, chosen, paths)


def refuse_unseen_writers(
    layout: lvm.Layout,
    chosen: Container[str],
    paths: Mapping[str, str],
    *,
    sys: str = "/sys",
    proc: str = "/proc",
) -> None:
    """A database on a raw disk, and a volume that is in use but not mounted, would be read live. Raises InputError."""
    volumes = layout.volumes.values()
    still = [each.number for each in volumes if each.is_ours or each.name in chosen]
    titles = {each.number: _title(each) for each in volumes}
    known = Known(still, [each.device for each in layout.physical], titles)
    for name, path in paths.items():
        writer = find_writer(path, known, sys, proc)
        if writer:
            raise InputError(
                "Disk {} may be written and has no snapshot: {}.".format(name, writer),
                hint="Stop what uses it, or deactivate the volume; source_view moving reads it as it is.",
            )


def _title(volume: lvm.LogicalVolume) -> str:
    why_not = volume.why_not or "it lies on other disks, too"
    return "volume {} is active, and {}".format(volume.name, why_not)


def refuse_silent(
    layout: lvm.Layout, paths: Mapping[str, str], *, sys: str = "/sys", proc: str = "/proc"
) -> None:
    """A disk without file system and volume may be used by whoever shows it to nobody. Raises InputError."""
    for name, path in paths.items():
        if is_silent(path, [each.device for each in layout.physical], sys, proc):
            raise InputError(
                "Disk {} has no mounted file system and no volume of LVM: nobody tells whether it is "
                "written.".format(name),
                hint="If nothing uses it, choose source_view lvm_snapshot.",
            )


def _save_tables(
    layout: lvm.Layout, devices: Mapping[str, Device], paths: Mapping[str, str]
) -> Dict[str, List[Part]]:
    """Return by disk what is to be as it was before there were snapshots."""
    saved = {}
    for name, path in paths.items():
        disk = PathDisk(path)
        try:
            spans = table_spans(layout, name, devices, disk.size)
            saved[name] = [Part(span, saved=_read_span(disk, span)) for span in spans]
        finally:
            disk.close()
    return saved


def table_spans(
    layout: lvm.Layout, disk: str, devices: Mapping[str, Device], size: int
) -> List[Span]:
    """Return the head and the tail of the disk, and those of each physical volume on it."""
    inner = [
        each.span for each in devices.values() if each.disk == disk and each.span.length < size
    ]
    first = min([span.start for span in inner] or [0])
    last = max([span.end for span in inner] or [size])
    spans = [Span(0, min(first, _TABLES)), _span(max(last, size - _TABLES), size)]
    for physical in layout.physical:
        device = devices.get(physical.device)
        if device is not None and device.disk == disk:
            start = device.span.start
            end = min(start + physical.size, device.span.end)
            tail = max(start + physical.data_end, end - _TABLES)
            spans += [Span(start, physical.data_start), _span(tail, end)]
    return [span for span in spans if span.length > 0]


def _span(start: int, end: int) -> Span:
    return Span(start, end - start)


def _read_span(disk: Disk, span: Span) -> bytes:
    buffer = aligned_buffer()
    # Reads begin at a granule's border: the first and the last piece are cut out of whole granules.
    start = span.start // GRANULE * GRANULE
    end = min(disk.size, ceil_div(span.end, GRANULE) * GRANULE)
    content = b"".join(
        bytes(disk.read(part.start, part.length, buffer))
        for part in split(_span(start, end), CHUNK)
    )
    return content[span.start - start :][: span.length]


def volume_parts(
    layout: lvm.Layout,
    devices: Mapping[str, Device],
    snapshots: Mapping[str, str],
) -> Dict[str, List[Part]]:
    """Return by disk the parts that are read through snapshots, and those that the snapshots take.

    `snapshots` are their paths by volume.
    """
    ours = {path[len("/dev/") :] for path in snapshots.values()}
    parts = {device.disk: [] for device in devices.values()}  # type: Dict[str, List[Part]]
    for segment in layout.segments:
        device = devices.get(segment.device)
        is_ours = segment.volume in ours
        if device is None or not (is_ours or segment.volume in snapshots):
            continue
        span = Span(device.span.start + segment.start, segment.length)
        volume = None if is_ours else segment.volume
        parts[device.disk].append(
            Part(
                span,
                volume=volume,
                offset=segment.offset,
                stripes=segment.stripes,
                stripe_number=segment.stripe_number,
                stripe=segment.stripe,
            )
        )
    return parts


def _open_composed(path: str, parts: Sequence[Part], snapshots: Mapping[str, str]) -> Disk:
    live = PathDisk(path)
    opened = {}  # type: Dict[str, Disk]
    try:
        for volume in {part.volume for part in parts if part.volume is not None}:
            opened[volume] = PathDisk(snapshots[volume])
        return ComposedDisk(live, parts, opened)
    except FerryError:
        for disk in (live, *opened.values()):
            disk.close()
        raise


def check_snapshots(migration: str) -> None:
    """Raise PermanentError if a snapshot overflew: reads of it fail, but not those that were before."""
    ours = [each for each in lvm.list_snapshots() if each.migration == migration]
    lost = [each.name for each in ours if each.is_overflown]
    if lost or not ours:
        raise PermanentError(
            "Snapshots of the source overflew or are gone: {}.".format(", ".join(lost) or "all"),
            hint="Give the volume group more free space, sync while the source writes less, or read it moving.",
        )
