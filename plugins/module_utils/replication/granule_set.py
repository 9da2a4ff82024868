# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A set of a disk's granules as a bit for each: 2 MiB for a disk of 1 TiB. PRIVATE. Python 3.6."""

from typing import Iterator, Tuple

from .geometry import Span, ceil_div, chunk_count
from .limits import CHUNK, GRANULE

_PER_CHUNK = CHUNK // GRANULE
_CHUNK_BYTES = _PER_CHUNK // 8

# Bits are counted by Python's longest numbers; as text each takes a byte.
_COUNTED = 4096


class GranuleSet:
    """Granules by their numbers, of a disk of `size` bytes. Threads may share it once it is filled."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._bits = bytearray(chunk_count(size) * _CHUNK_BYTES)

    def __contains__(self, number: int) -> bool:
        return bool(self._bits[number >> 3] >> (number & 7) & 1)

    def of_chunk(self, chunk: int) -> int:
        """Return the bits of a chunk's granules, the first in the lowest bit."""
        at = chunk * _CHUNK_BYTES
        return int.from_bytes(self._bits[at : at + _CHUNK_BYTES], "little")

    def count(self) -> int:
        """Return how many granules are in the set."""
        pieces = (self._bits[at : at + _COUNTED] for at in range(0, len(self._bits), _COUNTED))
        return sum(bin(int.from_bytes(piece, "little")).count("1") for piece in pieces)

    def add_touched(self, span: Span) -> None:
        """Add the granules that hold any byte of `span`; it lies on the disk."""
        self._add(span.start // GRANULE, ceil_div(span.end, GRANULE))

    def add_whole(self, span: Span) -> None:
        """Add the granules of which `span` holds every byte; it lies on the disk.

        granules   |----|----|----|----|
        span          |-------------|
        added           |----|----|
        """
        self._add(ceil_div(span.start, GRANULE), span.end // GRANULE)

    def add_all(self, other: "GranuleSet") -> None:
        """Add the granules of another set of the same disk."""
        for at in range(0, len(self._bits), _COUNTED):
            both = (
                int.from_bytes(each._bits[at : at + _COUNTED], "little") for each in (self, other)
            )
            length = min(_COUNTED, len(self._bits) - at)
            self._bits[at : at + length] = (next(both) | next(both)).to_bytes(length, "little")

    def runs(self, span: Span) -> Iterator[Tuple[Span, bool]]:
        """Yield `span` cut where granules in the set border on others, each with whether it is in the set."""
        start = span.start
        while start < span.end:
            is_in = start // GRANULE in self
            end = start
            while end < span.end and (end // GRANULE in self) is is_in:
                end = (end // GRANULE + 1) * GRANULE
            end = min(end, span.end)
            yield Span(start, end - start), is_in
            start = end

    def _add(self, first: int, end: int) -> None:
        """Add granules from number `first` up to `end`: of the bytes between the two outer ones all bits."""
        if first >= end:
            return
        low, high = first >> 3, (end - 1) >> 3
        head, tail = 0xFF << (first & 7) & 0xFF, 0xFF >> (7 - (end - 1 & 7))
        if low == high:
            self._bits[low] |= head & tail
            return
        self._bits[low] |= head
        self._bits[low + 1 : high] = b"\xff" * (high - low - 1)
        self._bits[high] |= tail
