# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bandwidth limits, on a clock that stands still unless everybody rests."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.replication.governor import (
    LEAST,
    Governor,
    check_limit,
    read_limit,
)
from ansible_collections.ferry.hvm.plugins.module_utils.units import MIB

DEADLINE = 30.0


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


class SharedTime:
    """A clock for so many threads: it moves to the next one's end of rest when all of them rest."""

    def __init__(self, threads: int) -> None:
        self.now = 100.0
        self._awake = threads
        self._wakes: list[float] = []
        self._moved = threading.Condition()

    def clock(self) -> float:
        return self.now

    def rest(self, seconds: float) -> None:
        with self._moved:
            wake = self.now + seconds
            self._wakes.append(wake)
            self._fall_asleep()
            assert self._moved.wait_for(lambda: self.now >= wake, DEADLINE)

    def leave(self) -> None:
        """The calling thread takes no more part."""
        with self._moved:
            self._fall_asleep()

    def _fall_asleep(self) -> None:
        self._awake -= 1
        if not self._awake and self._wakes:
            self.now = min(self._wakes)
            self._awake = self._wakes.count(self.now)
            self._wakes = [wake for wake in self._wakes if wake > self.now]
            self._moved.notify_all()


class Lane(NamedTuple):
    """One connection: whose, what its payloads are, and from when to when it sends."""

    governor: Governor
    length: int = MIB
    begin: float = 0.0
    end: float = 60.0


def send_all(time: SharedTime, lanes: Sequence[Lane]) -> list[int]:
    """How many bytes each connection sends."""
    sent = [0] * len(lanes)

    def send(number: int, lane: Lane) -> None:
        try:
            if lane.begin:
                time.rest(lane.begin)
            while time.now < 100.0 + lane.end:
                lane.governor.await_turn(lane.length, time.rest)
                sent[number] += lane.length
        finally:
            time.leave()

    threads = [threading.Thread(target=send, args=each) for each in enumerate(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()
    return sent


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


def two_runs(
    limit: int, *, of_first: int = 0, threads: int
) -> tuple[SharedTime, Governor, Governor]:
    """A clock, and the governors of two runs below a sender's with a limit."""
    time = SharedTime(threads)
    above = Governor(lambda: limit, time.clock)
    first = Governor(lambda: of_first, time.clock, above=above)
    return time, first, Governor(lambda: 0, time.clock, above=above)


def test_runs_share_the_senders_limit_by_bytes() -> None:
    """Neither more connections nor larger payloads win a larger share."""
    time, first, second = two_runs(10 * MIB, threads=9)
    sent = send_all(time, [Lane(first)] * 8 + [Lane(second, length=64 * 1024)])
    assert sum(sent[:8]) == pytest.approx(300 * MIB, abs=10 * MIB)
    assert sent[8] == pytest.approx(300 * MIB, abs=2 * MIB)
    assert sum(sent) <= 600 * MIB + 10 * MIB  # Nine payloads were waiting when the minute ended.


def test_what_a_run_may_not_use_is_the_others() -> None:
    time, first, second = two_runs(10 * MIB, of_first=2 * MIB, threads=4)
    sent = send_all(time, [Lane(first), Lane(first), Lane(second), Lane(second)])
    assert sum(sent[:2]) == pytest.approx(120 * MIB, abs=3 * MIB)
    assert sum(sent[2:]) == pytest.approx(480 * MIB, abs=5 * MIB)


def test_a_run_alone_has_all_and_one_that_comes_later_gets_its_half_at_once() -> None:
    time, first, second = two_runs(10 * MIB, threads=2)
    sent = send_all(time, [Lane(first), Lane(second, begin=40.0)])
    assert sent[0] == pytest.approx(500 * MIB, abs=3 * MIB)
    assert sent[1] == pytest.approx(100 * MIB, abs=3 * MIB)


def test_the_senders_limit_changes_while_its_runs_send() -> None:
    time, limits = SharedTime(2), [10 * MIB]
    above = Governor(lambda: limits[0] if time.now < 130.0 else 2 * MIB, time.clock)
    runs = [Governor(lambda: 0, time.clock, above=above) for _unused in range(2)]
    sent = send_all(time, [Lane(run) for run in runs])
    assert sum(sent) == pytest.approx((300 + 60) * MIB, abs=12 * MIB)


class StoppedError(Exception):
    """What a rest raises when its connection is to end."""


def test_a_connection_that_ends_gives_its_turn_back() -> None:
    time = Time()
    governor = Governor(lambda: MIB, time.clock)

    def stop(_seconds: float) -> None:
        raise StoppedError

    governor.await_turn(MIB, time.rest)
    for _connection in range(100):
        with pytest.raises(StoppedError):
            governor.await_turn(MIB, stop)
    governor.await_turn(MIB, time.rest)
    assert time.now == 101.0


def test_a_connection_that_is_held_up_holds_up_no_other() -> None:
    """Its turn comes while it is elsewhere: saying that it is alive to a peer that does not listen."""
    time = Time()
    above = Governor(lambda: MIB, time.clock)
    first, second = (Governor(lambda: 0, time.clock, above=above) for _unused in range(2))
    first.await_turn(MIB, time.rest)
    resting, go_on = threading.Event(), threading.Event()

    def held_up(_seconds: float) -> None:
        resting.set()
        assert go_on.wait(DEADLINE)

    thread = threading.Thread(target=first.await_turn, args=(MIB, held_up))
    thread.start()
    assert resting.wait(DEADLINE)
    for _turn in range(2):  # Before the other's and after it.
        second.await_turn(MIB, time.rest)
    assert time.now == pytest.approx(103.0)
    go_on.set()
    thread.join(DEADLINE)
    assert not thread.is_alive()


@pytest.mark.parametrize("after", [10 * MIB, 0])
def test_a_limit_that_is_raised_shortens_the_waits_that_began_before(after: int) -> None:
    time, limits = Time(), [LEAST]
    governor = Governor(lambda: limits[0], time.clock)
    governor.await_turn(MIB, time.rest)
    limits[0] = after
    governor.await_turn(MIB, time.rest)
    assert time.now - 100.0 <= 1.1  # And not the 16 s that 1 MiB takes at the least limit.


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
