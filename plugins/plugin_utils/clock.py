# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time, as waiting code sees it. PRIVATE to the collection."""

from __future__ import annotations

import time
from typing import Callable, NamedTuple


class Clock(NamedTuple):
    """Seconds that only rise, and a way to let some pass. Tests hand in one that takes no time."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
