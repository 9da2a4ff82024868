# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a state: hours on a clock that jumps."""

from __future__ import annotations

from typing import List

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import PermanentError, TransientError
from ansible_collections.ferry.hvm.plugins.module_utils.waiting import (
    LONGEST_PAUSE,
    TooSlowError,
    Waiter,
)

from tests.unit.plugins.module_utils.conftest import FakeTime


class Machine:
    """Its state is the next of a list, the last one for ever; an exception in it is raised."""

    def __init__(self, *states: object) -> None:
        self.states: List[object] = list(states)

    def observe(self) -> object:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, Exception):
            raise state
        return state


def wait(machine: Machine, fake_time: FakeTime, timeout: float = 60) -> object:
    return Waiter(timeout, fake_time.clock).until(
        machine.observe,
        lambda state: state == "off",
        what="web01 to be off",
        describe=lambda state: f"it is {state}",
    )


def test_state_that_is_there_is_not_waited_for(fake_time: FakeTime) -> None:
    assert wait(Machine("off"), fake_time, timeout=0) == "off"
    assert fake_time.slept == []


def test_pauses_grow_to_their_limit(fake_time: FakeTime) -> None:
    wait(Machine(*["stopping"] * 20, "off"), fake_time, timeout=600)
    assert fake_time.slept == sorted(fake_time.slept)
    assert max(fake_time.slept) == LONGEST_PAUSE


def test_deadline_ends_the_wait_and_tells_what_was_seen(fake_time: FakeTime) -> None:
    with pytest.raises(TooSlowError, match="Waited 1 min 00 s for web01 to be off") as caught:
        wait(Machine("stopping"), fake_time)
    assert "it is stopping" in str(caught.value)
    assert fake_time.moment <= 60


def test_appliance_that_restarts_meanwhile_is_waited_for(fake_time: FakeTime) -> None:
    lost = TransientError("The appliance cannot be reached.")
    assert wait(Machine("stopping", lost, lost, "off"), fake_time) == "off"


def test_appliance_that_never_comes_back_is_named(fake_time: FakeTime) -> None:
    with pytest.raises(TooSlowError, match="cannot be reached") as caught:
        wait(Machine(TransientError("The appliance cannot be reached.")), fake_time)
    assert isinstance(caught.value.__cause__, TransientError)


def test_failure_that_is_no_passing_one_ends_the_wait_at_once(fake_time: FakeTime) -> None:
    with pytest.raises(PermanentError, match="It failed"):
        wait(Machine("stopping", PermanentError("It failed.")), fake_time, timeout=6000)
    assert len(fake_time.slept) == 1
