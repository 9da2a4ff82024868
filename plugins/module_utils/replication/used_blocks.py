# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Disks as if what no file system uses were zeros: decided once, at the start of a run. PRIVATE. Python 3.6.

Only whole granules count, and only of file systems that are known for certain; any other is carried whole, and the
run says why. What is not of a file system (tables, swap, space between) is carried whole too.
"""

import logging
from contextlib import ExitStack
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Sequence

from .disks import Disk
from .file_systems import FileSystem, find_file_systems
from .geometry import Span
from .granule_set import GranuleSet
from .limits import GRANULE
from .masked_disk import MaskedDisk
from .pieces import MapDoubtError, Pieces, Read
from .source_view import SourceView, refuse_moving
from .used_ext4 import unused_of_ext4
from .used_xfs import unused_of_xfs

log = logging.getLogger(__name__)

Disks = Mapping[str, Callable[[], Disk]]

# What tells the unused bytes of a file system, by the kernel's name of its type.
_FINDERS: Dict[str, Callable[[Read, int], Iterator[Span]]] = {
    "ext2": unused_of_ext4,
    "ext3": unused_of_ext4,
    "ext4": unused_of_ext4,
    "xfs": unused_of_xfs,
}


class Masked(NamedTuple):
    """Disks without what is unused: how to open each, and by disk the bytes that read as zeros because of that.

    `file_systems` says of each file system how many of them are its own, and why there are none.
    """

    disks: Disks
    unused: Dict[str, int]
    file_systems: List[Dict[str, Any]]


def without_unused(view: SourceView, paths: Mapping[str, str]) -> SourceView:
    """Return the view with what its file systems do not use as zeros; `paths` are the disks' by name.

    Raises InputError for a view that moves, DiskError, and what LVM says.
    """
    refuse_moving(view.view, view.reason)
    masked = mask_unused(view.disks, find_file_systems(paths, view.volumes))
    return view._replace(
        disks=masked.disks,
        told={name: {"unused": unused} for name, unused in masked.unused.items()},
        file_systems=masked.file_systems,
    )


def mask_unused(disks: Disks, file_systems: Sequence[FileSystem]) -> Masked:
    """Return the disks with the unused granules of the file systems as zeros.

    The disks must stand still from here on. Raises DiskError.
    """
    told: List[Dict[str, Any]] = []
    with ExitStack() as stack:
        opened = {}
        for name, opener in disks.items():
            opened[name] = opener()
            stack.callback(opened[name].close)
        sets = {name: GranuleSet(disk.size) for name, disk in opened.items()}
        for each in file_systems:
            told.append(_add(each, opened, sets))
    return Masked(
        {name: partial(_open_masked, disks[name], found) for name, found in sets.items()},
        {name: found.count() * GRANULE for name, found in sets.items()},
        told,
    )


def _add(
    file_system: FileSystem, disks: Mapping[str, Disk], sets: Mapping[str, GranuleSet]
) -> Dict[str, Any]:
    """Add to the sets what the file system does not use; of one in doubt nothing."""
    told = {"place": file_system.place, "type": file_system.kind, "unused": 0, "reason": ""}
    try:
        found = _find(file_system, disks)
    except MapDoubtError as doubt:
        log.warning("%s is carried whole: %s", file_system.place, doubt)
        return dict(told, reason=str(doubt))
    for name, unused in found.items():
        sets[name].add_all(unused)
    return dict(told, unused=sum(unused.count() for unused in found.values()) * GRANULE)


def _find(file_system: FileSystem, disks: Mapping[str, Disk]) -> Dict[str, GranuleSet]:
    finder, pieces = _FINDERS.get(file_system.kind), file_system.pieces
    if finder is None:
        raise MapDoubtError("of {} it is not known what is used".format(file_system.kind))
    if pieces is None:
        raise MapDoubtError(file_system.why_not)
    return unused_granules(finder, pieces, disks)


def unused_granules(
    finder: Callable[[Read, int], Iterator[Span]], pieces: Pieces, disks: Mapping[str, Disk]
) -> Dict[str, GranuleSet]:
    """Return by disk the granules that the file system in `pieces` does not use. Raises MapDoubtError, DiskError."""
    found: Dict[str, GranuleSet] = {}
    for span in finder(pieces.reader(disks), pieces.size):
        for name, place in pieces.places(span):
            if name not in found:
                found[name] = GranuleSet(disks[name].size)
            found[name].add_whole(place)
    return found


def _open_masked(opener: Callable[[], Disk], unused: GranuleSet) -> Disk:
    return MaskedDisk(opener(), unused)
