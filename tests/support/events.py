# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for what others do, with a deadline in place of a guess at how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable

# On a machine that does other things as well, most of all.
DEADLINE = 300.0


def await_event(what: str, has_happened: Callable[[], bool]) -> None:
    """Return when it has happened. Raises TimeoutError that says `what` was waited for."""
    last = time.monotonic() + DEADLINE
    while not has_happened():
        if time.monotonic() > last:
            raise TimeoutError(what)
        time.sleep(0.02)
