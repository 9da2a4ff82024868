# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""How many bytes a second a run's source may send, over all its connections. PRIVATE. Python 3.6.

The limit is in a file beside the sender's others, so that it can be changed while data flows, and outlives
the command that changes it. What counts is what goes to the wire: payloads, packed where they are packed.
"""

import threading
import time
from typing import Callable

from ..errors import InputError

# How often the file is looked at, in seconds.
LOOK = 1.0

# The least limit, in bytes a second: with less a payload would take longer than a lost connection does.
LEAST = 64 * 1024


class Governor:
    """Gives turns so that no more than the limit goes out. Threads share it."""

    def __init__(
        self, limit: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`limit` tells the bytes a second of this moment, 0 for as many as the link takes."""
        self._read_limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._limit = 0
        self._looked = float("-inf")
        self._free_at = 0.0

    def await_turn(self, length: int, rest: Callable[[float], None]) -> None:
        """Return when `length` bytes may be sent; `rest` waits for at most so many seconds."""
        begin = self._book(length)
        while True:
            left = begin - self._clock()
            if left <= 0:
                return
            rest(min(left, LOOK))

    def _book(self, length: int) -> float:
        """Return when the next bytes may go, and take that time for these."""
        with self._lock:
            now = self._clock()
            if now - self._looked >= LOOK:
                self._limit, self._looked = self._read_limit(), now
            if not self._limit:
                return now
            begin = max(now, self._free_at)
            self._free_at = begin + length / self._limit
            return begin


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
