# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A device that lies in pieces on disks, and reading it there. PRIVATE. Python 3.6.

    volume     |---- a ----|-- b --|------ c ------|
    disk sda        |-- b --|        |---- a ----|
    disk sdb    |------ c ------|

A file system is looked at through the very disks that will be sent: what is concluded from it is true of them.
"""

from functools import lru_cache
from typing import Callable, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

from .disks import Disk, aligned_buffer
from .geometry import Span, split
from .limits import GRANULE

# Reads `length` bytes of a device from `start`. Raises DiskError, and MapDoubtError for bytes that it has not.
Read = Callable[[int, int], bytes]

# Bitmaps lie side by side, so the granule that was read last has the next one too. 1 MiB is kept.
_KEPT = 16


class MapDoubtError(Exception):
    """A file system whose used blocks are not known for certain, and why. It is carried whole."""


class Piece(NamedTuple):
    """Bytes of a device, from `offset` on, that lie in `span` of a disk."""

    offset: int
    disk: str
    span: Span


class Pieces:
    """Where the bytes of a device are; `size` is in bytes."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        """Raises MapDoubtError where a byte has no place or two."""
        self._pieces = sorted(pieces)
        self.size = 0
        for piece in self._pieces:
            if piece.offset != self.size:
                raise MapDoubtError("it does not lie on these disks alone, plainly")
            self.size += piece.span.length

    def places(self, span: Span) -> Iterator[Tuple[str, Span]]:
        """Yield the disks and bytes that `span` of the device is, rising. Raises MapDoubtError beyond its end."""
        if span.end > self.size:
            raise MapDoubtError("it says that it is larger than its device")
        for piece in self._pieces:
            start = max(span.start, piece.offset)
            end = min(span.end, piece.offset + piece.span.length)
            if start < end:
                yield piece.disk, Span(piece.span.start + start - piece.offset, end - start)

    def reader(self, disks: Mapping[str, Disk]) -> Read:
        """Return what reads the device from `disks`, which stay the caller's."""
        granule = lru_cache(maxsize=_KEPT)(lambda name, number: _granule(disks[name], number))

        def read(start: int, length: int) -> bytes:
            found: List[bytes] = []
            for name, place in self.places(Span(start, length)):
                for part in split(place, GRANULE):
                    number, at = divmod(part.start, GRANULE)
                    found.append(granule(name, number)[at : at + part.length])
            return b"".join(found)

        return read


def _granule(disk: Disk, number: int) -> bytes:
    start = number * GRANULE
    return bytes(disk.read(start, min(GRANULE, disk.size - start), aligned_buffer()))
