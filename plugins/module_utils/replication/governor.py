# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""How many bytes a second a source may send: each run, and the sender over all its runs. PRIVATE. Python 3.6.

A limit is in a file beside the sender's others, so that it can be changed while data flows, and outlives
the command that changes it. What counts is what goes to the wire: payloads, packed where they are packed.

A run's governor is below the sender's: bytes go when both have given them a turn. Turns are given in the
order of start tags (start-time fair queueing, Goyal, Vin and Cheng 1996): a run's next tag is as many bytes
later as it asks for. So runs get equal bytes, however many connections and however small payloads they have:

    A, 8 connections    |---- 1 MiB ----|---- 1 MiB ----|
    B, 1 connection     |-64K-|-64K-|- ... 16 of them  -|-64K-|-64K-|-
    tags                0               1 MiB           2 MiB
"""

import bisect
import itertools
import threading
import time
from typing import Callable, Dict, List, NamedTuple, Optional

from ..errors import InputError

# How often the file is looked at, in seconds.
LOOK = 1.0

# The least limit, in bytes a second: with less a payload would take longer than a lost connection does.
LEAST = 64 * 1024


class _Turn(NamedTuple):
    """Bytes that one thread wants to send. Turns sort as they are given."""

    tag: int
    number: int
    length: int


class Governor:
    """Gives turns so that no more than the limit goes out. Threads share it."""

    def __init__(
        self,
        limit: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        *,
        above: "Optional[Governor]" = None,
    ) -> None:
        """`limit` tells the bytes a second of this moment, 0 for as many as the link takes.

        What this one lets pass waits for its turn at the governor `above`, as one of those that share it.
        """
        self._read_limit = limit
        self._clock = clock
        self._above = above
        self._lock = threading.Lock()
        self._limit = 0
        self._looked = float("-inf")
        self._free_at = 0.0
        self._waiting: List[_Turn] = []
        self._numbers = itertools.count()
        self._tag = 0  # Of the turn that was given last.
        self._next_tags: Dict[object, int] = {}

    def await_turn(self, length: int, rest: Callable[[float], None], sharer: object = None) -> None:
        """Return when `length` bytes may be sent; `rest` waits for at most so many seconds.

        Sharers that want more than there is get equally many bytes; for a run, all its threads are one.
        """
        turn = self._ask(length, sharer)
        try:
            self._await(turn, rest)
        finally:
            self._withdraw(turn)
        if self._above is not None:
            self._above.await_turn(length, rest, self)

    def _await(self, turn: _Turn, rest: Callable[[float], None]) -> None:
        left = self._time_left(turn)
        while left > 0:
            rest(min(left, LOOK))
            left = self._time_left(turn)

    def _ask(self, length: int, sharer: object) -> _Turn:
        with self._lock:
            now = self._clock()
            self._advance(now)
            if not self._waiting:  # Time in which nobody sent is not made up for.
                self._free_at = max(self._free_at, now)
            turn = _Turn(self._next_tag(length, sharer), next(self._numbers), length)
            bisect.insort(self._waiting, turn)
            self._give(now)
            return turn

    def _next_tag(self, length: int, sharer: object) -> int:
        """Return where the sharer's bytes begin; who sent nothing for a while begins with the others."""
        self._next_tags = {who: tag for who, tag in self._next_tags.items() if tag > self._tag}
        tag = self._next_tags.get(sharer, self._tag)
        self._next_tags[sharer] = tag + length
        return tag

    def _time_left(self, turn: _Turn) -> float:
        """Return how long the turn must wait as it looks now, 0 if it was given."""
        with self._lock:
            now = self._clock()
            self._advance(now)
            if turn not in self._waiting:
                return 0.0
            before = sum(each.length for each in self._waiting if each < turn)
            return self._free_at + before / self._limit - now

    def _withdraw(self, turn: _Turn) -> None:
        """Nobody waits any more for a turn that was not given."""
        with self._lock:
            if turn in self._waiting:
                self._waiting.remove(turn)

    def _advance(self, now: float) -> None:
        """Give what has become due, by the limit of that time, and look for a new one."""
        self._give(now)
        if now - self._looked >= LOOK:
            owed = max(0.0, self._free_at - now) * self._limit
            self._limit, self._looked = self._read_limit(), now
            self._free_at = now + (owed / self._limit if self._limit else 0.0)
            self._give(now)

    def _give(self, now: float) -> None:
        """Any thread gives everybody's: one that is held up elsewhere holds up none of the others."""
        while self._waiting and (self._free_at <= now or not self._limit):
            turn = self._waiting.pop(0)
            self._tag = turn.tag
            self._free_at += turn.length / self._limit if self._limit else 0.0


def check_limit(limit: int) -> int:
    """Return the limit. Raises InputError for one that a sync could not live with."""
    if limit != 0 and limit < LEAST:
        raise InputError(
            "A bandwidth limit of {} bytes a second is too low.".format(limit),
            hint="Use at least {}, or 0 for none.".format(LEAST),
        )
    return limit


def read_limit(path: str) -> int:
    """Return the limit that the file holds; none where it is not there or holds no number."""
    try:
        with open(path) as stream:
            return int(stream.read())
    except (OSError, ValueError):
        return 0
