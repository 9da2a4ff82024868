# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change whose outcome is not known is looked for before it is asked for again."""

from __future__ import annotations

from typing import Any, List, Optional

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere import tasks
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.errors import (
    BusyError,
    LostAnswerError,
    RefusedError,
    UnreachableError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.session import Session, User
from ansible_collections.ferry.hvm.plugins.module_utils.waiting import TooSlowError, Waiter
from pyVmomi import vim, vmodl

from tests.unit.plugins.module_utils.conftest import FakeTime
from tests.unit.plugins.module_utils.vsphere.fake_vcenter import FakeVcenter

HOST_LOST = [vmodl.fault.HostCommunication, vmodl.fault.HostNotConnected]


class Change:
    """A change that is asked and looked for; each takes its answers from a list, and raises errors of it."""

    def __init__(self, asked: List[Any], looked: List[Any]) -> None:
        self.log: List[str] = []
        self._asked, self._looked = asked, looked

    def ask(self) -> str:
        return str(self._answer("ask", self._asked))

    def look(self) -> Optional[str]:
        found: Optional[str] = self._answer("look", self._looked)
        return found

    def _answer(self, what: str, answers: List[Any]) -> Any:
        self.log.append(what)
        given = answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given


LOST = LostAnswerError("no answer")
AWAY = UnreachableError("the vCenter is away")
STORIES = {
    "heard at once": (["made"], [], ["ask"]),
    "done though the answer was lost": ([LOST], ["made"], ["ask", "look"]),
    "not heard": ([LOST, "made"], [None, None], ["ask", "look", "look", "ask"]),
    "come to light later": ([LOST], [None, "made"], ["ask", "look", "look"]),
    "not to be seen at first": ([LOST], [AWAY, AWAY, "made"], ["ask", "look", "look", "look"]),
    "busy, which changes nothing": ([BusyError("at work"), "made"], [], ["ask", "ask"]),
}


@pytest.mark.parametrize(("asked", "looked", "log"), STORIES.values(), ids=list(STORIES))
def test_a_change_is_looked_for_before_it_is_asked_for_again(
    asked: List[Any], looked: List[Any], log: List[str], fake_time: FakeTime
) -> None:
    change = Change(list(asked), list(looked))
    waiter = Waiter(60, fake_time.clock)
    assert tasks.insist(change.ask, change.look, waiter, what="it") == "made"
    assert change.log == log


def test_what_never_comes_to_light_is_given_up(fake_time: FakeTime) -> None:
    change = Change([LOST] * 99, [None] * 199)
    with pytest.raises(TooSlowError):
        tasks.insist(change.ask, change.look, Waiter(60, fake_time.clock), what="it")


def finish(fault: Any, fake_time: FakeTime) -> Any:
    """Await a task that ends in this fault."""
    vcenter = FakeVcenter()
    session = Session(vcenter, User("operator", "secret"), clock=fake_time.clock)
    task = session.object(vim.Task, "task-1")
    told = {"info.state": "error", "info.error": fault, "info.descriptionId": "createSnapshot"}
    kinds = vmodl.query.PropertyCollector
    properties = [vmodl.DynamicProperty(name=name, val=value) for name, value in told.items()]
    found = kinds.ObjectContent(obj=task, propSet=properties)
    vcenter.answers["RetrievePropertiesEx"] = [kinds.RetrieveResult(objects=[found])]
    return tasks.finish(session, task, Waiter(60, fake_time.clock), what="a snapshot")


@pytest.mark.parametrize("fault", HOST_LOST, ids=[each.__name__ for each in HOST_LOST])
def test_a_task_whose_host_was_lost_may_have_done_its_work(fault: Any, fake_time: FakeTime) -> None:
    with pytest.raises(LostAnswerError, match="did not reach the host"):
        finish(fault(), fake_time)


def test_a_task_that_failed_has_not(fake_time: FakeTime) -> None:
    with pytest.raises(RefusedError, match="GenericVmConfigFault"):
        finish(vim.fault.GenericVmConfigFault(reason="no"), fake_time)
