# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's own action machinery, over a connection that a test holds in its hand."""

from __future__ import annotations

from typing import Any, Mapping

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task as PlaybookTask
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase
from ansible.plugins.loader import connection_loader
from ansible.template import Templar
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, Outcome
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.plugin_utils.shell import (
    ActionShell,
    Answer,
    UnreachableError,
)
from ansible_collections.ferry.hvm.plugins.plugin_utils.task import (
    Task,
    host_variables,
    run_action,
)

SPEC = ArgumentSpec(options={"size": {"type": "int", "default": 7}})


class Action(ActionBase):  # type: ignore[misc]  # Ansible publishes no types.
    """An action with nothing of its own."""

    def run(self, tmp: str | None = None, task_vars: Any = None) -> dict[str, Any]:
        return dict(super().run(tmp, task_vars))


class CutConnection:
    """A connection whose network is away."""

    def __init__(self, whole: ConnectionBase) -> None:
        self._whole = whole

    def exec_command(self, *_arguments: Any, **_options: Any) -> None:
        raise AnsibleConnectionFailure("Failed to connect to the host via ssh: No route to host")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)


def make_action(arguments: Mapping[str, Any], *, is_cut: bool = False) -> Action:
    """Return an action of a task with `arguments`, connected to this machine."""
    context = PlayContext()
    context.remote_addr = "198.18.1.11"
    connection = connection_loader.get("local", context)
    task = PlaybookTask()
    task.args = dict(arguments)
    loader = DataLoader()
    return Action(
        task=task,
        connection=CutConnection(connection) if is_cut else connection,
        play_context=context,
        loader=loader,
        templar=Templar(loader=loader),
        shared_loader_obj=None,
    )


def test_a_command_gets_its_input_and_gives_its_answer() -> None:
    shell = ActionShell(make_action({}))
    assert shell.run("cat; echo oops >&2; exit 3", b"hello") == Answer(3, "hello", "oops\n")


def test_a_command_without_input_meets_its_end() -> None:
    assert ActionShell(make_action({})).run("echo fine").stdout == "fine\n"


def test_a_broken_connection_is_a_passing_fault() -> None:
    with pytest.raises(UnreachableError, match="No route to host"):
        ActionShell(make_action({}, is_cut=True)).run("true")


def test_work_gets_its_arguments_and_its_host() -> None:
    seen: list[Task] = []

    def work(task: Task) -> Outcome:
        seen.append(task)
        return Outcome(changed=True, result={"answer": 42}, warnings=["careful"])

    variables = {"ansible_python_interpreter": "{{ 1 + 1 }}"}
    result = run_action(make_action({"size": "8"}), SPEC, work, variables)
    assert result == {"changed": True, "answer": 42, "warnings": ["careful"]}
    assert (seen[0].arguments["size"], seen[0].address) == (8, "198.18.1.11")
    assert seen[0].check_mode is False


def test_an_error_becomes_a_failure_with_its_parts() -> None:
    def work(task: Task) -> Outcome:
        raise InputError("The disk is too small.", hint="Make it larger.")

    assert run_action(make_action({}), SPEC, work, {}) == {
        "failed": True,
        "changed": False,
        "msg": "The disk is too small. Make it larger.",
        "error": {"kind": "input", "what": "The disk is too small.", "hint": "Make it larger."},
    }


def test_a_host_that_is_away_fails_and_is_not_unreachable() -> None:
    """Ansible skips `always` for an unreachable host, and the tidying up is there."""

    def work(task: Task) -> Outcome:
        task.shell.run("true")
        return Outcome(changed=False)

    result = run_action(make_action({}, is_cut=True), SPEC, work, {})
    assert (result["failed"], result["error"]["kind"]) == (True, "transient")
    assert "unreachable" not in result


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(AnsibleActionFail, match="sise"):
        run_action(make_action({"sise": 1}), SPEC, lambda _task: Outcome(changed=False), {})


@pytest.mark.parametrize(
    ("delegate_to", "interpreter"),
    [
        pytest.param(None, "own", id="not delegated"),
        pytest.param("worker", "worker's", id="delegated"),
        pytest.param("unknown", "own", id="delegated to a host without variables"),
    ],
)
def test_the_variables_are_those_of_the_host_that_is_reached(
    delegate_to: str | None, interpreter: str
) -> None:
    delegated = {"worker": {"interpreter": "worker's"}}
    variables = {"interpreter": "own", "ansible_delegated_vars": delegated}
    assert host_variables(variables, delegate_to)["interpreter"] == interpreter
