# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bandwidth limit, on a clock that stands still unless somebody rests."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.replication.governor import (
    LEAST,
    Governor,
    check_limit,
    read_limit,
)
from ansible_collections.ferry.hvm.plugins.module_utils.units import MIB


class Time:
    """A clock, and the rest that moves it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.longest_rest = 0.0

    def clock(self) -> float:
        return self.now

    def rest(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        self.longest_rest = max(self.longest_rest, seconds)


def sent_in(time: Time, governor: Governor, seconds: float, length: int = MIB) -> int:
    """How many bytes get their turn in so many seconds."""
    end, sent = time.now + seconds, 0
    while time.now < end:
        governor.await_turn(length, time.rest)
        sent += length
    return sent


@pytest.mark.parametrize("limit", [LEAST, 10 * MIB, 1000 * MIB])
def test_no_more_than_the_limit_goes_out(limit: int) -> None:
    time = Time()
    sent = sent_in(time, Governor(lambda: limit, time.clock), 60.0)
    assert 59 * limit <= sent <= 60 * limit + 2 * MIB


def test_without_a_limit_nobody_waits() -> None:
    time = Time()
    governor = Governor(lambda: 0, time.clock)
    for _turn in range(1000):
        governor.await_turn(MIB, time.rest)
    assert time.now == 100.0


def test_a_pause_of_the_source_is_not_made_up_for_by_a_burst() -> None:
    time = Time()
    governor = Governor(lambda: MIB, time.clock)
    governor.await_turn(MIB, time.rest)
    time.now += 1000.0
    assert sent_in(time, governor, 10.0) <= 12 * MIB


def test_a_limit_that_changes_is_kept_within_a_second() -> None:
    time, limits = Time(), [10 * MIB]
    governor = Governor(lambda: limits[0], time.clock)
    sent_in(time, governor, 10.0)
    limits[0] = MIB
    sent_in(time, governor, 2.0)
    assert sent_in(time, governor, 10.0) <= 12 * MIB


def test_a_rest_is_short_enough_for_signs_of_life() -> None:
    time = Time()
    sent_in(time, Governor(lambda: LEAST, time.clock), 60.0)
    assert time.longest_rest <= 1.0


def test_threads_share_one_limit() -> None:
    time, lock = Time(), threading.Lock()
    governor = Governor(lambda: 10 * MIB, time.clock)

    def rest(seconds: float) -> None:
        with lock:
            time.now += seconds

    def send() -> None:
        for _turn in range(25):
            governor.await_turn(MIB, rest)

    threads = [threading.Thread(target=send) for _unused in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert time.now - 100.0 == pytest.approx(99 / 10)


@pytest.mark.parametrize("limit", [1, LEAST - 1, -1])
def test_a_limit_that_would_lose_connections_is_refused(limit: int) -> None:
    with pytest.raises(InputError, match="too low"):
        check_limit(limit)


@pytest.mark.parametrize(("content", "limit"), [("12", 12), ("", 0), ("much", 0), (None, 0)])
def test_a_file_without_a_number_is_no_limit(
    tmp_path: Path, content: str | None, limit: int
) -> None:
    if content is not None:
        (tmp_path / "limit").write_text(content)
    assert read_limit(str(tmp_path / "limit")) == limit
