# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns to read: as many at once as allowed of a host and of a datastore, and each waiting one comes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.load_limits import (
    LoadLimits,
    Place,
)

DEADLINE = 20.0
# Long enough for a thread that may go on to do so; a test that it may not cannot wait for more.
A_MOMENT = 0.2

HERE = Place("host-1", "store-1")


class Reader:
    """A thread that takes its turn, and keeps it until it is told to let go."""

    def __init__(self, limits: LoadLimits, pool: ThreadPoolExecutor, place: Place) -> None:
        self.reads = threading.Event()
        self._may_end = threading.Event()
        self._done: Future[None] = pool.submit(self._read, limits, place)

    def _read(self, limits: LoadLimits, place: Place) -> None:
        with limits.turn(place):
            self.reads.set()
            assert self._may_end.wait(DEADLINE)

    def waits(self) -> bool:
        return not self.reads.wait(A_MOMENT)

    def end(self) -> None:
        self._may_end.set()
        self._done.result(DEADLINE)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def limits() -> LoadLimits:
    limits = LoadLimits()
    limits.set(per_host=2, per_datastore=1)
    return limits


@pytest.mark.parametrize(
    ("second", "may_read"),
    [
        pytest.param(Place("host-2", "store-1"), False, id="the datastore is loaded"),
        pytest.param(Place("host-1", "store-2"), True, id="another datastore"),
        pytest.param(Place("host-1", ""), True, id="a datastore that is not known"),
    ],
)
def test_a_read_waits_for_what_is_loaded(
    limits: LoadLimits, pool: ThreadPoolExecutor, second: Place, may_read: bool
) -> None:
    first, other = (Reader(limits, pool, place) for place in (HERE, second))
    assert first.reads.wait(DEADLINE)
    assert other.waits() is not may_read
    first.end()
    assert other.reads.wait(DEADLINE)
    other.end()


def test_a_host_takes_so_many_over_all_its_datastores(
    limits: LoadLimits, pool: ThreadPoolExecutor
) -> None:
    readers = [Reader(limits, pool, Place("host-1", f"store-{number}")) for number in range(2)]
    assert all(reader.reads.wait(DEADLINE) for reader in readers)
    third = Reader(limits, pool, Place("host-1", "store-9"))
    assert third.waits()
    limits.set(per_host=3, per_datastore=1)
    assert third.reads.wait(DEADLINE)
    for reader in (*readers, third):
        reader.end()


def test_a_read_that_fails_gives_its_turn_back(
    limits: LoadLimits, pool: ThreadPoolExecutor
) -> None:
    with pytest.raises(OSError, match="lost"), limits.turn(HERE):
        raise OSError("lost")
    reader = Reader(limits, pool, HERE)
    assert reader.reads.wait(DEADLINE)
    reader.end()
