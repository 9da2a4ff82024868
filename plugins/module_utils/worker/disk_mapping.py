# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which disk of the worker is to take which disk of the source. PRIVATE to the collection.

Pure: the devices come from `block_devices`. A wrong answer here overwrites a wrong disk, so every
doubt is an error, and each is raised before anything is written.

    known by      found as                                    not believed when
    --------      -----------------------------------------   ---------------------------------
    path          the device of that path                     (it is the operator's word)
    serial        the one device with that serial             two have it
    content       the one free device that holds what the     two hold it, or two volumes should
                  volume held when its last sync ended
    size          the one free device of exactly that size    two volumes or devices have it
    unit          the nth free device by PCI address, n the   the operator did not say that the
                  rank of the unit among those still left     platform keeps this order

A free device is one without a serial that nothing uses; the last three need as many as there are volumes
without a serial. Equal blank disks without serials look alike in any order, so none is chosen.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Dict, List, Mapping, Sequence

from ..errors import InputError
from ..units import show_exact_size
from .block_devices import BlockDevice

# virtio-blk hands a guest this much of a serial (VIRTIO_BLK_ID_BYTES, virtio 1.2, 5.2.6.1).
SERIAL_LENGTH = 20


class MappingError(InputError):
    """The worker's disks do not fit the wanted ones without doubt. Nothing was written."""


@dataclass(frozen=True)
class SourceDisk:
    """A disk as the source exports it; `size` in bytes."""

    name: str
    size: int


@dataclass(frozen=True)
class Wanted:
    """The volume that is to take the source's disk `source`: how to know its device again.

    `serial` is the volume's (its first 20 characters count), `unit` its number on the controller,
    `path` the operator's own word; `size` in bytes as the appliance says, 0 where it does not; `content`
    the id of what it held when its last sync ended (`content_identity`), "" before the first.
    """

    source: str
    serial: str = ""
    unit: int | None = None
    path: str = ""
    size: int = 0
    content: str = ""


@dataclass(frozen=True)
class Match:
    """A source disk and the device that takes it, and by what the device was known."""

    source: SourceDisk
    device: BlockDevice
    by: str


def map_disks(
    sources: Sequence[SourceDisk],
    wanted: Sequence[Wanted],
    devices: Sequence[BlockDevice],
    *,
    units_in_order: bool = False,
) -> Sequence[Match]:
    """Return one match for each of `sources`, in their order. Raises MappingError for any doubt.

    `units_in_order`: the platform gives a higher unit a higher PCI address. Nothing here can tell.
    """
    by_name = _pair_up(sources, wanted)
    found = _find_named(wanted, devices)
    found.update(_find_without_serial(wanted, devices, found, units_in_order=units_in_order))
    matches = [Match(source, found[source.name][0], found[source.name][1]) for source in sources]
    _refuse_shared_device(matches)
    for match in matches:
        _refuse_unfit(match, by_name[match.source.name])
    return matches


_Found = Dict[str, "tuple[BlockDevice, str]"]


def _pair_up(sources: Sequence[SourceDisk], wanted: Sequence[Wanted]) -> Mapping[str, Wanted]:
    """Return the wanted volume of each source disk; each has exactly one."""
    if not sources:
        raise MappingError("source_disks is empty.", hint="Export at least one disk.")
    exported = sorted(source.name for source in sources)
    named = sorted(each.source for each in wanted)
    if exported != named:
        raise MappingError(
            f"The source exports {', '.join(exported)}; target_disks are for {', '.join(named)}.",
            hint="Give exactly one target disk for each exported disk.",
        )
    if len(set(named)) != len(named):
        raise MappingError(f"A source disk is named twice in target_disks: {', '.join(named)}.")
    return {each.source: each for each in wanted}


def _find_named(wanted: Sequence[Wanted], devices: Sequence[BlockDevice]) -> _Found:
    """Return the devices that are known by path or serial, by the source disk's name."""
    found: _Found = {}
    for each in wanted:
        if each.path:
            found[each.source] = (_by_path(each, devices), "path")
            continue
        same = _with_serial(each, devices)
        if len(same) > 1:
            raise MappingError(
                f"{len(same)} disks of the worker have the serial of the volume for "
                f"{each.source} ({each.serial}): {_names(same)}.",
                hint="Volumes need serials that differ in their first 20 characters.",
            )
        if same:
            found[each.source] = (same[0], "serial")
    return found


def _by_path(each: Wanted, devices: Sequence[BlockDevice]) -> BlockDevice:
    for device in devices:
        if device.path == each.path:
            return device
    raise MappingError(
        f"The worker has no disk {each.path} for {each.source}; it has {_names(devices)}."
    )


def _with_serial(each: Wanted, devices: Sequence[BlockDevice]) -> List[BlockDevice]:
    serial = each.serial[:SERIAL_LENGTH]
    return [device for device in devices if serial and device.serial[:SERIAL_LENGTH] == serial]


def _find_without_serial(
    wanted: Sequence[Wanted],
    devices: Sequence[BlockDevice],
    found: _Found,
    *,
    units_in_order: bool,
) -> _Found:
    """Return the devices of what `found` lacks.

    A device with a serial that is no wanted volume's is somebody else's, so it never counts as free.
    """
    missing = [each for each in wanted if each.source not in found]
    if not missing:
        return {}
    free = _free_without_serial(devices, found)
    if len(free) != len(missing):
        raise _not_found(missing, devices, free)
    known: _Found = {}
    for by in ("content", "size"):
        known.update(_find_unique(*_left(missing, free, known), by))
    left, rest = _left(missing, free, known)
    if left and not (units_in_order and _have_units(left) and _have_addresses(rest)):
        raise _not_found(left, devices, rest)
    ranked = sorted(left, key=lambda each: each.unit or 0)
    known.update({each.source: (device, "unit") for each, device in zip(ranked, rest)})
    return known


def _left(
    missing: Sequence[Wanted], free: Sequence[BlockDevice], known: _Found
) -> tuple[List[Wanted], List[BlockDevice]]:
    taken = {device.path for device, _by in known.values()}
    return (
        [each for each in missing if each.source not in known],
        [device for device in free if device.path not in taken],
    )


def _find_unique(wanted: Sequence[Wanted], free: Sequence[BlockDevice], by: str) -> _Found:
    """Return what one volume and one device alone have in common: their `content` or their `size`."""
    ours = Counter(getattr(each, by) for each in wanted)
    theirs = Counter(getattr(device, by) for device in free)
    of_device = {getattr(device, by): device for device in free}
    marks = {each.source: getattr(each, by) for each in wanted}
    return {
        source: (of_device[mark], by)
        for source, mark in marks.items()
        if mark and ours[mark] == theirs[mark] == 1
    }


def _have_units(wanted: Sequence[Wanted]) -> bool:
    """A remembered content that no device holds speaks against every order."""
    units = {each.unit for each in wanted}
    return (
        None not in units and len(units) == len(wanted) and not any(each.content for each in wanted)
    )


def _have_addresses(devices: Sequence[BlockDevice]) -> bool:
    """Disks behind one controller share its address: their order would be that of their names."""
    return len({device.pci_address for device in devices}) == len(devices)


def _free_without_serial(devices: Sequence[BlockDevice], found: _Found) -> List[BlockDevice]:
    """Return by PCI address what a volume without serial could be: not the worker's own disk."""
    taken = {device.path for device, _by in found.values()}
    free = [
        device
        for device in devices
        if device.pci_address
        and not device.serial
        and not device.is_in_use
        and device.path not in taken
    ]
    return sorted(free, key=lambda device: device.pci_address)


def _not_found(
    missing: Sequence[Wanted], devices: Sequence[BlockDevice], free: Sequence[BlockDevice]
) -> MappingError:
    lacking = ", ".join(
        f"{each.source} (serial {each.serial[:SERIAL_LENGTH] or 'none'}, unit {each.unit})"
        for each in missing
    )
    return MappingError(
        f"No disk of the worker is surely the volume for {lacking}. The worker has "
        f"{_names(devices)}; free and without a serial: "
        f"{_names(free)}.",
        hint="Is the volume attached to the instance that runs the worker? If so, the hypervisor gives no "
        "serials: make the volumes differ in size (a volume may be larger than its disk), or say "
        "ferry_units_in_order where the hypervisor is known to give higher units higher PCI addresses.",
    )


def _refuse_shared_device(matches: Sequence[Match]) -> None:
    taken: Dict[str, str] = {}
    for match in matches:
        other = taken.setdefault(match.device.path, match.source.name)
        if other != match.source.name:
            raise MappingError(
                f"{match.device.path} would take both {other} and {match.source.name}.",
                hint="Give each source disk a volume of its own.",
            )


def _refuse_unfit(match: Match, wanted: Wanted) -> None:
    device, source = match.device, match.source
    if device.is_in_use:
        raise MappingError(
            f"{device.path}, found by {match.by} for {source.name}, is in use on the worker: it is "
            "the worker's own disk, or something on it is mounted, mapped or part of an array.",
            hint="Detach the worker's own volume from target_disks, or end what uses the disk.",
        )
    if match.by in ("unit", "content") and wanted.size not in (0, device.size):
        raise MappingError(
            f"{device.path}, found by its {match.by} for {source.name}, has {show_exact_size(device.size)}; "
            f"the volume has {show_exact_size(wanted.size)}, so it is another disk.",
            hint="Make the volumes differ in size.",
        )
    needed = max(source.size, wanted.size)
    if device.size < needed:
        raise MappingError(
            f"{device.path} has {show_exact_size(device.size)}, too small for {source.name}, "
            f"which needs {show_exact_size(needed)}.",
            hint="Make the volume at least as large as the source's disk.",
        )


def _names(devices: Sequence[BlockDevice]) -> str:
    return (
        ", ".join(
            f"{device.path} (serial {device.serial or 'none'}, {show_exact_size(device.size)})"
            for device in devices
        )
        or "none"
    )
