# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Where chunks and granules lie on a disk. Pure arithmetic. PRIVATE to the collection. Python 3.6.

disk      |--------------------------------------------------------|  size: any number of bytes
chunks    |------- 0 -------|------- 1 -------|------- 2 -----|       the last one may be short
granules  |--|--|--|--|--|--|--|--|--|--|--|--|--|--|--|--|--|-|      and so may its last granule
"""

from typing import Iterable, Iterator, NamedTuple

from .limits import CHUNK, GRANULE


class Span(NamedTuple):
    """`length` bytes of a disk from `start`; both in bytes."""

    start: int
    length: int

    @property
    def end(self) -> int:
        """The first byte behind the span."""
        return self.start + self.length


def ceil_div(number: int, unit: int) -> int:
    """Return how many units are needed to hold `number`."""
    return -(-number // unit)


def chunk_count(size: int) -> int:
    """Return the number of chunks of `size` bytes; the last may be short."""
    return ceil_div(size, CHUNK)


def granule_count(length: int) -> int:
    """Return the number of granules of `length` bytes; the last may be short."""
    return ceil_div(length, GRANULE)


def chunk_span(index: int, size: int) -> Span:
    """Return the bytes of chunk `index` on a disk of `size` bytes."""
    start = index * CHUNK
    return Span(start, min(CHUNK, size - start))


def split(span: Span, unit: int) -> Iterator[Span]:
    """Yield `span` cut at the borders of `unit`, rising:

    borders   |-----------|-----------|-----------|
    span            |-------------------|
    pieces          |-----|-----------|-|
    """
    start = span.start
    while start < span.end:
        end = min(span.end, (start // unit + 1) * unit)
        yield Span(start, end - start)
        start = end


def merge(spans: Iterable[Span], most: int) -> Iterator[Span]:
    """Yield rising `spans` with those that touch put together, each as long as `most` at the most."""
    run = Span(0, 0)
    for span in spans:
        if span.start == run.end and run.length + span.length <= most:
            run = Span(run.start, run.length + span.length)
            continue
        if run.length:
            yield run
        run = span
    if run.length:
        yield run


def is_aligned(span: Span, unit: int, size: int) -> bool:
    """Tell whether `span` covers whole units of a disk of `size` bytes, at least one of them."""
    whole = span.end % unit == 0 or span.end == size
    return span.start % unit == 0 and span.length > 0 and span.end <= size and whole
