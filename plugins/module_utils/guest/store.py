# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The store of a device-mapper snapshot, as it lies on disk: which chunks changed, and their content.

The format is the kernel's (drivers/md/dm-snap-persistent.c, on-disk version 1), little-endian, in
chunks of one size:

    chunk:   0        1            2 ...        N+1        N+2          N+3 ...
             header   N exceptions N chunks ... exceptions N more ...
                      \\____ area 0 ___________/ \\____ area 1 _________ ...

N is a chunk's length divided by 16, the length of an exception: the number of the chunk on the disk,
and of the chunk of the store that now stands for it. An exception whose second number is 0 ends all.
"""

from __future__ import annotations

import struct
from typing import Callable, Iterable, List, NamedTuple, Tuple

from .errors import StoreError

SECTOR = 512
_MAGIC = 0x70416E53
_VERSION = 1
_HEADER = struct.Struct("<IIII")
_EXCEPTION = struct.Struct("<QQ")
# More than any disk needs, so that a torn header cannot ask for all of the memory.
_MAX_CHUNK_SECTORS = 1 << 16

# Offset and length in bytes; returns exactly that much of the store.
Read = Callable[[int, int], bytes]


class Extent(NamedTuple):
    """A range of changed chunks: where on the disk, how long, where in the store; all in bytes.

    disk:   ....|======|....|==|......      two extents; both ends are multiples of the chunk,
    store:  |h|t|======|==|...              but the disk's last chunk may be short
    """

    start: int
    length: int
    store_start: int


class Table(NamedTuple):
    """What a store says: the chunk's length in bytes, and (disk chunk, store chunk) of each change."""

    chunk: int
    exceptions: Tuple[Tuple[int, int], ...]


def read_table(read: Read) -> Table:
    """Return the exception table of a store.

    Raises StoreError if it is no store, of another version, or was given up by the kernel.
    """
    magic, valid, version, sectors = _HEADER.unpack(read(0, _HEADER.size))
    if magic != _MAGIC or version != _VERSION:
        raise StoreError(
            f"The overlay's store has magic {magic:#x} and version {version}: it is none of ours."
        )
    if not 0 < sectors <= _MAX_CHUNK_SECTORS:
        raise StoreError(f"The overlay's store claims chunks of {sectors} sectors: it is torn.")
    if not valid:
        raise StoreError(
            "The kernel gave up the overlay's store: it ran full or could not be written.",
            hint="Give the worker volume more room and run again.",
        )
    return Table(sectors * SECTOR, tuple(_read_exceptions(read, sectors * SECTOR)))


def _read_exceptions(read: Read, chunk: int) -> List[Tuple[int, int]]:
    per_area = chunk // _EXCEPTION.size
    found: List[Tuple[int, int]] = []
    area = 1
    while True:
        for old, new in _EXCEPTION.iter_unpack(read(area * chunk, chunk)):
            if new == 0:
                return found
            found.append((old, new))
        area += per_area + 1


def extents(table: Table, size: int) -> List[Extent]:
    """Return the changed ranges of a disk of `size` bytes, in rising order.

    Neighbours are one extent only where they are neighbours on the disk and in the store.
    Raises StoreError for a chunk that does not begin on the disk, or is there twice.
    """
    found: List[Extent] = []
    last = -1
    for old, new in sorted(table.exceptions):
        start, store_start = old * table.chunk, new * table.chunk
        if start >= size or old == last:
            raise StoreError(f"The overlay's store is torn: chunk {old} of a disk of {size} bytes.")
        length = min(table.chunk, size - start)
        last = old
        before = found[-1] if found else None
        if before and (start, store_start) == _end(before):
            found[-1] = before._replace(length=before.length + length)
        else:
            found.append(Extent(start, length, store_start))
    return found


def join_ranges(ranges: Iterable[Tuple[int, int]]) -> List[Tuple[int, int]]:
    """Return (start, length) ranges in rising order, with those that touch or overlap made one."""
    joined: List[Tuple[int, int]] = []
    for start, length in sorted(ranges):
        if joined and start <= sum(joined[-1]):
            first = joined[-1][0]
            joined[-1] = (first, max(sum(joined[-1]), start + length) - first)
        else:
            joined.append((start, length))
    return joined


def _end(extent: Extent) -> Tuple[int, int]:
    return extent.start + extent.length, extent.store_start + extent.length
