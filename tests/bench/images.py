# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks that are copied: functions of a pool of real content, a size and a seed, and of nothing else.

    dense    DDDDDDDDDDDDDDDDDDDDDDDD   content, no page of zeros
    thick    DDDD00D00DDDDDD0000DD000   half content, half zeros that were written: no holes to skip
    delta    DDDDdDDDDDDDddDDDDDDDDdD   dense, with 1 % written anew in 4 KiB to 1 MiB pieces
    sparse   D.......D.......D.......   a 64th content, holes else: for the cost per GiB

    pool     dDDDDDDDDDDDDDDDDDDDDDDDD  what a delta writes, then what is on the disks

All sizes are in bytes and whole pages.
"""

from __future__ import annotations

import itertools
import os
import random
from pathlib import Path
from typing import BinaryIO, Callable, Iterator, Mapping

from ansible_collections.ferry.hvm.plugins.module_utils.replication.geometry import Span
from ansible_collections.ferry.hvm.plugins.module_utils.units import KIB, MIB

from tests.bench.packages import PAGE

SEED = 5994

# One in a hundred bytes of a delta is new.
DELTA_SHARE = 100

# A sparse disk holds 1 MiB of content at the start of every 64 MiB.
SPARSE_STEP = 64 * MIB


def pool_size(size: int) -> int:
    """Return how much content the images of `size` need: the disk, and what a delta writes anew."""
    return size + delta_length(size)


def delta_length(size: int) -> int:
    """Return how many bytes a delta changes."""
    return max(1, size // DELTA_SHARE // PAGE) * PAGE


def stretches(size: int, seed: int = SEED) -> list[Span]:
    """Return where a thick disk has content: exactly half, in stretches of 64 KiB to 16 MiB.

    Between each two lie zeros; the gaps are the same lengths, shuffled.
    """
    draw = random.Random(seed)
    content = list(_lengths(draw, size // 2, 64 * KIB, 16 * MIB))
    gaps = draw.sample(content, len(content))
    edges = list(itertools.accumulate(itertools.chain(*zip(content, gaps)), initial=0))
    return [Span(start, length) for start, length in zip(edges[::2], content)]


def delta_writes(size: int, seed: int = SEED) -> list[Span]:
    """Return the writes of a delta: 4 KiB to 1 MiB, rising, none over another, anywhere on the disk."""
    draw = random.Random(seed)
    lengths = list(_lengths(draw, delta_length(size), PAGE, MIB))
    free = (size - sum(lengths)) // PAGE
    starts = sorted(draw.randint(0, free) * PAGE for _unused in lengths)
    before = itertools.accumulate(lengths, initial=0)
    return [Span(start + done, length) for start, done, length in zip(starts, before, lengths)]


def _lengths(draw: random.Random, total: int, least: int, most: int) -> Iterator[int]:
    """Yield lengths that add up to `total`, as many of each order of magnitude; the last fits."""
    left = total // PAGE
    while left:
        pages = round(least / PAGE * (most / least) ** draw.random())
        yield min(pages, left) * PAGE
        left -= min(pages, left)


def write_dense(pool: BinaryIO, target: Path, size: int) -> None:
    """Write a disk that is content without a gap."""
    with target.open("wb") as disk:
        _copy(pool, disk, Span(0, size), delta_length(size))


def write_thick(pool: BinaryIO, target: Path, size: int) -> None:
    """Write a disk that is half content and half zeros, all of it allocated."""
    with target.open("wb") as disk:
        taken = delta_length(size)
        for span in stretches(size):
            disk.write(bytes(span.start - disk.tell()))
            _copy(pool, disk, span, taken)
            taken += span.length
        disk.write(bytes(size - disk.tell()))


def write_delta(pool: BinaryIO, target: Path, size: int) -> None:
    """Write a disk that differs from the dense one in 1 %: the pool's beginning, which dense has not."""
    write_dense(pool, target, size)
    with target.open("r+b") as disk:
        taken = 0
        for span in delta_writes(size):
            _copy(pool, disk, span, taken)
            taken += span.length


def write_sparse(pool: BinaryIO, target: Path, size: int) -> None:
    """Write a disk with holes: 1 MiB of content in every 64 MiB."""
    target.touch()
    os.truncate(target, size)
    content = os.fstat(pool.fileno()).st_size // MIB
    with target.open("r+b") as disk:
        for number, start in enumerate(range(0, size, SPARSE_STEP)):
            _copy(pool, disk, Span(start, MIB), number % content * MIB)


WRITERS: Mapping[str, Callable[[BinaryIO, Path, int], None]] = {
    "dense": write_dense,
    "thick": write_thick,
    "delta": write_delta,
    "sparse": write_sparse,
}


def make_image(name: str, pool: Path, folder: Path, size: int) -> Path:
    """Return the image of this name in `folder`; it is written if it is not there."""
    target = folder / f"{name}-{size}.raw"
    if not target.exists():
        with pool.open("rb") as stream:
            WRITERS[name](stream, target, size)
    return target


def _copy(pool: BinaryIO, disk: BinaryIO, span: Span, taken: int) -> None:
    """Write the pool's bytes from `taken` on into the span of the disk."""
    pool.seek(taken)
    disk.seek(span.start)
    left = span.length
    while left:
        left -= disk.write(pool.read(min(left, MIB)))
