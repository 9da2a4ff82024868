# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which disk of the worker is to take which disk of the source. PRIVATE to the collection.

Pure: the devices come from `block_devices`. A wrong answer here overwrites a wrong disk, so every
doubt is an error, and each is raised before anything is written.

    named by      found as                                    refused when
    --------      -----------------------------------------   ---------------------------------
    path          the device of that path                     there is none
    serial        the one device with that serial             two have it
    unit          the nth free device by PCI address, n the   not as many free devices without
                  rank of the unit among the disks so named   serial as disks so named
"""

from __future__ import annotations

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
    `path` the operator's own word; `size` in bytes as the appliance says, 0 where it does not.
    """

    source: str
    serial: str = ""
    unit: int | None = None
    path: str = ""
    size: int = 0


@dataclass(frozen=True)
class Match:
    """A source disk and the device that takes it, and by what the device was known."""

    source: SourceDisk
    device: BlockDevice
    by: str


def map_disks(
    sources: Sequence[SourceDisk], wanted: Sequence[Wanted], devices: Sequence[BlockDevice]
) -> Sequence[Match]:
    """Return one match for each of `sources`, in their order. Raises MappingError for any doubt."""
    by_name = _pair_up(sources, wanted)
    found = _find_named(wanted, devices)
    found.update(_find_by_unit(wanted, devices, found))
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


def _find_by_unit(
    wanted: Sequence[Wanted], devices: Sequence[BlockDevice], found: _Found
) -> _Found:
    """Return the devices of what `found` lacks, paired by rank.

    Which PCI slot a unit gets is the platform's choice, but a higher unit gets a higher one. So the
    order tells, if and only if the free devices are exactly the wanted ones. A device with a serial
    that is no wanted volume's is somebody else's, so it never counts as free.
    """
    missing = [each for each in wanted if each.source not in found]
    if not missing:
        return {}
    free = _free_without_serial(devices, found)
    units = {each.unit for each in missing}
    if None in units or len(units) != len(missing) or len(free) != len(missing):
        raise _not_found(missing, devices, free)
    ranked = sorted(missing, key=lambda each: each.unit or 0)
    return {each.source: (device, "unit") for each, device in zip(ranked, free)}


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
        f"{_names(devices)}; free and without a serial, so that the unit could tell: "
        f"{_names(free)}.",
        hint="Is the volume attached to the instance that runs the worker? Otherwise name the "
        "device by path.",
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
    if match.by == "unit" and wanted.size not in (0, device.size):
        raise MappingError(
            f"{device.path}, found by its unit for {source.name}, has {show_exact_size(device.size)}; "
            f"the volume has {show_exact_size(wanted.size)}, so it is another disk.",
            hint="Name the device by path.",
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
