# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs of their own for tests that run side by side: each takes an index that nobody else has."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.settings import LAST_INDEX

# The indexes that tests may take; the lower ones are for labs that somebody started by hand.
FIRST_TEST_INDEX = 10


@contextmanager
def free_index() -> Iterator[int]:
    """An index that no other test on this machine has until the block ends."""
    for index in range(FIRST_TEST_INDEX, LAST_INDEX + 1):
        with (Path(tempfile.gettempdir()) / f"ferry-test-lab-{index}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            try:
                yield index
            finally:
                fcntl.flock(lock, fcntl.LOCK_UN)
            return
    raise AssertionError(f"all labs from {FIRST_TEST_INDEX} to {LAST_INDEX} are in use by tests")
