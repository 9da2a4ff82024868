# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A disk as it was when snapshots of its volumes were taken, composed of parts. PRIVATE. Python 3.6.

    disk       | table | /boot | label, metadata | volume a | our snapshots | volume b | free | table |
    read from  | saved | live  | saved           | snapshot | zeros         | snapshot | live | saved |

Saved is what was read before the snapshots were taken: LVM's metadata do not know of them.
"""

from bisect import bisect_right
from typing import Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .disks import Disk
from .errors import DiskError
from .geometry import Span


class Part(NamedTuple):
    """Bytes of the disk that are not read from the disk itself.

    They are `saved`, or lie in volume `volume`: of `stripes` devices this is number `stripe_number`, in turn each
    holds `stripe` bytes of the volume from `offset` on. With neither they are zero.
    """

    span: Span
    saved: Optional[bytes] = None
    volume: Optional[str] = None
    offset: int = 0
    stripes: int = 1
    stripe_number: int = 0
    stripe: int = 0


class ComposedDisk(Disk):
    """See the file's head; `volumes` are opened snapshots by their volumes' names."""

    def __init__(self, live: Disk, parts: Sequence[Part], volumes: Mapping[str, Disk]) -> None:
        self.size = live.size
        self._live = live
        self._parts = _sorted_parts(parts)
        self._starts = [part.span.start for part in self._parts]
        self._volumes = volumes

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        """See Disk."""
        for part, span in self._pieces(Span(start, length)):
            at = span.start - start
            self._fill(part, span, buffer[at : at + span.length])
        return buffer[:length]

    def refresh(self) -> None:
        """See Disk. What is saved, and snapshots, stay as they are."""
        self._live.refresh()

    def close(self) -> None:
        """See Disk."""
        for disk in (self._live, *self._volumes.values()):
            disk.close()

    def _pieces(self, wanted: Span) -> Iterator[Tuple[Optional[Part], Span]]:
        """Yield `wanted` cut at the borders of parts, each piece with its part or None for the live disk."""
        at = wanted.start
        while at < wanted.end:
            number = bisect_right(self._starts, at)
            part = self._parts[number - 1] if number else None
            if part is None or part.span.end <= at:
                following = self._starts[number] if number < len(self._starts) else self.size
                part, end = None, following
            else:
                end = part.span.end
            yield part, Span(at, min(end, wanted.end) - at)
            at = min(end, wanted.end)

    def _fill(self, part: Optional[Part], span: Span, buffer: memoryview) -> None:
        if part is None:
            self._live.read(span.start, span.length, buffer)
        elif part.saved is not None:
            at = span.start - part.span.start
            buffer[:] = part.saved[at : at + span.length]
        elif part.volume is None:
            buffer[:] = bytes(span.length)
        else:
            self._read_volume(part, span, buffer)

    def _read_volume(self, part: Part, span: Span, buffer: memoryview) -> None:
        disk = self._volumes[part.volume or ""]
        for piece, place in _places(part, span):
            at = piece.start - span.start
            disk.read(place, piece.length, buffer[at : at + piece.length])


def _places(part: Part, span: Span) -> Iterator[Tuple[Span, int]]:
    """Yield the pieces of a span on the disk, each with where it starts in its volume."""
    at = span.start
    while at < span.end:
        row, within = divmod(at - part.span.start, part.stripe)
        length = min(part.stripe - within, span.end - at)
        yield (
            Span(at, length),
            part.offset + (row * part.stripes + part.stripe_number) * part.stripe + within,
        )
        at += length


def _sorted_parts(parts: Sequence[Part]) -> List[Part]:
    """Return the parts rising. Raises DiskError where two claim the same bytes."""
    rising = sorted(parts, key=lambda part: part.span.start)
    for one, other in zip(rising, rising[1:]):
        if one.span.end > other.span.start:
            raise DiskError(
                "Parts of the disk at {}+{} and {}+{} overlap.".format(*one.span, *other.span)
            )
    return rising
