# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The arithmetic of changed extents. PRIVATE to the collection. Pure.

A vCenter names changed areas page by page, at its own borders. What a sync reads is granules, so each
area grows outward to whole ones, and areas that then touch are one extent:

    areas      [--)   [-----)      [-)
    granules   |-----|-----|-----|-----|-----|-  (the disk ends inside the last one)
    extents    [-----------------)    [------)
"""

from __future__ import annotations

from typing import Iterable, List, NamedTuple, Sequence

from ..units import KIB

# The granule of a sync's digests (replication/geometry.py): less than one is never read.
GRANULE = 64 * KIB


class Extent(NamedTuple):
    """`length` bytes from `start` bytes on."""

    start: int
    length: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.start + self.length


class Page(NamedTuple):
    """One answer: the areas that changed in [start, start + length), as far as it tells."""

    start: int
    length: int
    areas: Sequence[Extent]


class DoubtfulAnswerError(ValueError):
    """An answer is not one that the API allows, so none of the areas are trusted."""


def next_start(page: Page, *, asked: int, capacity: int) -> int:
    """Return where the next question begins; `capacity` when the whole disk is answered.

    Raises `DoubtfulAnswerError` for a page that leaves a gap, goes nowhere or leaves the disk.
    """
    end = page.start + page.length
    if page.start > asked:
        raise DoubtfulAnswerError(f"asked from byte {asked}, it answered from {page.start}")
    if end <= asked:
        raise DoubtfulAnswerError(f"asked from byte {asked}, it answered up to {end} only")
    for area in page.areas:
        if area.start < 0 or area.length <= 0 or area.end > capacity:
            raise DoubtfulAnswerError(
                f"it names {area.length} bytes from {area.start} on a disk of {capacity}"
            )
    return min(end, capacity)


def round_and_merge(areas: Iterable[Extent], capacity: int) -> List[Extent]:
    """Return whole granules that hold all of the areas: sorted, not touching, not beyond `capacity`."""
    merged: List[Extent] = []
    for area in sorted(areas):
        start = area.start - area.start % GRANULE
        end = min(area.end + -area.end % GRANULE, capacity)
        if merged and start <= merged[-1].end:
            last = merged.pop()
            start, end = last.start, max(end, last.end)
        merged.append(Extent(start, end - start))
    return merged
