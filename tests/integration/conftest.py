# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of several files share."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def alone() -> Iterator[None]:
    """No other file with this fixture is at work: all of Ferry's processes here are this file's."""
    with (Path(tempfile.gettempdir()) / "ferry-test-processes.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
