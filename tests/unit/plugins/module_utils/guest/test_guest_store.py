# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's snapshot store: what it says, and every way in which it may be torn."""

from __future__ import annotations

from mmap import mmap
from typing import Callable

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import StoreError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.store import (
    Extent,
    Table,
    extents,
    join_ranges,
    read_table,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.guest.guest_samples import CHUNK, build_store


def reader(store: bytes | mmap) -> Callable[[int, int], bytes]:
    return lambda start, length: store[start : start + length]


def test_a_new_store_has_no_exceptions() -> None:
    assert read_table(reader(build_store([]))) == Table(CHUNK, ())


@pytest.mark.parametrize("chunk", [4096, 8192, 65536], ids=lambda chunk: f"{chunk} bytes a chunk")
def test_exceptions_are_read_across_areas(chunk: int) -> None:
    per_area = chunk // 16
    # Chunks of the store that hold a table are none of content: 1, then every per_area + 1.
    places = [n for n in range(2, 3 * per_area) if n % (per_area + 1) != 1]
    pairs = [(7 * index, place) for index, place in enumerate(places)]
    assert read_table(reader(build_store(pairs, chunk=chunk))) == Table(chunk, tuple(pairs))


def test_a_full_area_is_followed_by_an_empty_one() -> None:
    per_area = CHUNK // 16
    pairs = tuple((n, n + 2) for n in range(per_area))
    assert read_table(reader(build_store(pairs))).exceptions == pairs


@pytest.mark.parametrize(
    ("header", "words"),
    [
        pytest.param((0, 1, 1), "none of ours", id="never written"),
        pytest.param((0x70416E53, 1, 2), "version 2", id="of another version"),
        pytest.param((0x70416E53, 0, 1), "gave up", id="given up by the kernel"),
    ],
)
def test_a_store_is_refused(header: tuple[int, int, int], words: str) -> None:
    with pytest.raises(StoreError, match=words):
        read_table(reader(build_store([], header=header)))


@pytest.mark.parametrize("sectors", [0, 1 << 31])
def test_a_torn_chunk_size_asks_for_no_memory(sectors: int) -> None:
    torn = bytearray(build_store([]))
    torn[12:16] = sectors.to_bytes(4, "little")
    with pytest.raises(StoreError, match="torn"):
        read_table(reader(bytes(torn)))


def test_neighbours_on_disk_and_in_the_store_are_one_extent() -> None:
    table = Table(CHUNK, ((5, 3), (4, 2), (6, 9), (9, 4)))
    assert extents(table, 100 * CHUNK) == [
        Extent(4 * CHUNK, 2 * CHUNK, 2 * CHUNK),
        Extent(6 * CHUNK, CHUNK, 9 * CHUNK),
        Extent(9 * CHUNK, CHUNK, 4 * CHUNK),
    ]


def test_the_last_chunk_ends_with_the_disk() -> None:
    assert extents(Table(CHUNK, ((1, 2),)), CHUNK + 512) == [Extent(CHUNK, 512, 2 * CHUNK)]


@pytest.mark.parametrize(
    "pairs", [((3, 2),), ((1, 2), (1, 3))], ids=["beyond the disk", "the same chunk twice"]
)
def test_exceptions_that_cannot_be_are_refused(pairs: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(StoreError, match="torn"):
        extents(Table(CHUNK, pairs), 3 * CHUNK)


@pytest.mark.parametrize(
    ("ranges", "joined"),
    [
        pytest.param([], [], id="none"),
        pytest.param([(0, 10), (10, 5)], [(0, 15)], id="touching"),
        pytest.param([(20, 5), (0, 10)], [(0, 10), (20, 5)], id="apart and out of order"),
        pytest.param([(0, 30), (5, 5), (29, 3)], [(0, 32)], id="inside and overlapping"),
    ],
)
def test_ranges_are_joined(ranges: list[tuple[int, int]], joined: list[tuple[int, int]]) -> None:
    assert join_ranges(ranges) == joined


@given(st.dictionaries(st.integers(0, 300), st.integers(2, 600), max_size=80))
def test_extents_cover_each_changed_chunk_once_and_nothing_else(changes: dict[int, int]) -> None:
    found = extents(Table(CHUNK, tuple(changes.items())), 301 * CHUNK)
    covered = {
        (extent.start + at) // CHUNK: (extent.store_start + at) // CHUNK
        for extent in found
        for at in range(0, extent.length, CHUNK)
    }
    assert covered == changes
    assert sum(extent.length for extent in found) == len(changes) * CHUNK
    assert found == sorted(found)
