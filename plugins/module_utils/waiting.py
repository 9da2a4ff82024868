# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Waiting for a state on the other side, with a deadline. PRIVATE to the collection.

Nearly every change of an appliance or a vCenter is asynchronous: the answer says "accepted", the
object says when it is done. The clock is handed in, so that tests wait hours in no time. Bottom
layer, for the rooms that wait so.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable, Optional, TypeVar

from .errors import TransientError
from .units import show_duration

Observed = TypeVar("Observed")

# The lab answers in tenths of a second, a real appliance in minutes: start quick, slow down to a
# pace that hundreds of migrations at once do not turn into a load.
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
GROWTH = 1.5


class TooSlowError(TransientError):
    """A state did not come before the deadline. The other side may still be at work."""


@dataclass(frozen=True)
class Clock:
    """Time as Ferry sees it, in seconds; `now` never goes backwards."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


SYSTEM_CLOCK = Clock()


@dataclass(frozen=True)
class Waiter:
    """How long to wait for a state, in seconds, and on which clock."""

    timeout: float
    clock: Clock = SYSTEM_CLOCK

    def until(
        self,
        observe: Callable[[], Observed],
        is_reached: Callable[[Observed], bool],
        *,
        what: str,
        describe: Callable[[Observed], str],
    ) -> Observed:
        """Return the first observation for which `is_reached` is true.

        `what` completes "waited for ..."; `describe` tells what was seen instead. A transient fault
        while observing counts as "not yet": what restarts comes back. `is_reached` may
        raise to end a wait that cannot succeed. Raises `TooSlowError` after `timeout` seconds, and
        never before one observation.
        """
        deadline = self.clock.now() + self.timeout
        pause, seen = FIRST_PAUSE, "nothing yet"
        while True:
            fault: Optional[TransientError] = None
            try:
                observed = observe()
            except TransientError as error:
                fault, seen = error, error.what.rstrip(".")
            else:
                if is_reached(observed):
                    return observed
                seen = describe(observed)
            if self.clock.now() + pause > deadline:
                raise TooSlowError(
                    f"Waited {show_duration(self.timeout)} for {what}; last seen: {seen}.",
                    hint="The other side may still be at work: look there, then run again,"
                    " with a longer wait_timeout if it only was slow.",
                ) from fault
            self.clock.sleep(pause)
            pause = min(pause * GROWTH, LONGEST_PAUSE)
