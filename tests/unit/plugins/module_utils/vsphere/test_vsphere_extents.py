# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changed areas, however they are paged: the extents are the same, and hold every changed byte."""

from __future__ import annotations

from typing import List, Sequence, Set

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.extents import (
    GRANULE,
    DoubtfulAnswerError,
    Extent,
    Page,
    next_start,
    round_and_merge,
)
from hypothesis import given
from hypothesis import strategies as st

# Ends inside a granule, as no disk of vSphere does but those that were imported.
CAPACITY = 40 * GRANULE + 1536
SECTOR = 512


@st.composite
def disks_areas(draw: st.DrawFn) -> List[Extent]:
    """Areas on sectors, in any order, also overlapping."""
    starts = draw(st.lists(st.integers(0, CAPACITY // SECTOR - 1), max_size=12))
    return [
        Extent(start * SECTOR, SECTOR * draw(st.integers(1, CAPACITY // SECTOR - start)))
        for start in starts
    ]


@st.composite
def page_ends(draw: st.DrawFn) -> List[int]:
    """Where a host chooses to end its answers; the last one always ends with the disk."""
    inside = draw(st.lists(st.integers(1, CAPACITY - 1), max_size=8, unique=True))
    return [*sorted(inside), CAPACITY]


def answer(areas: Sequence[Extent], start: int, ends: Sequence[int]) -> Page:
    """What a host says from `start` up to the next of its ends."""
    end = next(each for each in ends if each > start)
    cut = [
        Extent(max(each.start, start), min(each.end, end) - max(each.start, start))
        for each in areas
        if each.start < end and each.end > start
    ]
    return Page(start, end - start, cut)


def collect(areas: Sequence[Extent], ends: Sequence[int]) -> List[Extent]:
    found: List[Extent] = []
    start = 0
    while start < CAPACITY:
        page = answer(areas, start, ends)
        found += page.areas
        start = next_start(page, asked=start, capacity=CAPACITY)
    return round_and_merge(found, CAPACITY)


def granules(extents: Sequence[Extent]) -> Set[int]:
    return {n for each in extents for n in range(each.start // GRANULE, -(-each.end // GRANULE))}


@given(areas=disks_areas(), ends=page_ends())
def test_any_paging_gives_the_same_extents(areas: List[Extent], ends: List[int]) -> None:
    assert collect(areas, ends) == collect(areas, [CAPACITY])


@given(areas=disks_areas())
def test_extents_are_exactly_the_granules_that_an_area_touches(areas: List[Extent]) -> None:
    assert granules(round_and_merge(areas, CAPACITY)) == granules(areas)


@given(areas=disks_areas())
def test_extents_are_sorted_whole_apart_and_inside_the_disk(areas: List[Extent]) -> None:
    found = round_and_merge(areas, CAPACITY)
    assert all(each.start % GRANULE == 0 for each in found)
    assert all(each.end % GRANULE == 0 or each.end == CAPACITY for each in found)
    assert all(one.end < other.start for one, other in zip(found, found[1:]))
    assert all(each.length > 0 and each.end <= CAPACITY for each in found)


def test_last_granule_is_as_short_as_the_disk() -> None:
    assert round_and_merge([Extent(CAPACITY - 1, 1)], CAPACITY) == [Extent(40 * GRANULE, 1536)]


def test_page_that_reaches_beyond_the_disk_ends_the_questions() -> None:
    # A host that rounds the end of its answer up has still answered for the whole disk.
    page = Page(0, CAPACITY + GRANULE, [])
    assert next_start(page, asked=0, capacity=CAPACITY) == CAPACITY


def test_page_that_begins_before_what_was_asked_is_taken() -> None:
    # Hosts round the asked offset down to their own blocks.
    page = Page(GRANULE, 2 * GRANULE, [Extent(GRANULE, 100)])
    assert next_start(page, asked=2 * GRANULE, capacity=CAPACITY) == 3 * GRANULE


@pytest.mark.parametrize(
    ("page", "told"),
    [
        # A length of 0 let others ask the same question for ever.
        pytest.param(Page(GRANULE, 0, []), "up to 65536 only", id="an empty page"),
        pytest.param(
            Page(0, GRANULE, []), "up to 65536 only", id="a page of what was asked before"
        ),
        pytest.param(Page(GRANULE, -1, []), "only", id="a negative length"),
        pytest.param(Page(2 * GRANULE, GRANULE, []), "from 131072", id="a gap"),
        pytest.param(
            Page(GRANULE, GRANULE, [Extent(CAPACITY - 1, 2)]), "2 bytes", id="an area past the end"
        ),
        pytest.param(
            Page(GRANULE, GRANULE, [Extent(-1, 2)]), "from -1", id="an area before byte 0"
        ),
        pytest.param(Page(GRANULE, GRANULE, [Extent(0, 0)]), "0 bytes", id="an empty area"),
    ],
)
def test_answer_that_the_api_does_not_allow_is_doubted(page: Page, told: str) -> None:
    with pytest.raises(DoubtfulAnswerError, match=told):
        next_start(page, asked=GRANULE, capacity=CAPACITY)
