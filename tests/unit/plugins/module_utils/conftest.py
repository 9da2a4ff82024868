# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clock that does not wait, for the rooms that wait for somebody else's work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.waiting import Clock


@dataclass
class FakeTime:
    """A clock that jumps: sleeping takes no time, and is noted."""

    moment: float = 0.0
    slept: List[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += seconds

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.moment, sleep=self.sleep)


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()
