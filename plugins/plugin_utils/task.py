# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an action's task to one call and back: for actions what `entry.run` is for modules. PRIVATE.

An action file holds an `ArgumentSpec` and one function `work(task) -> Outcome`; all else is here and
in the helpers beside. Errors leave through `run_action` only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping

from ..module_utils.entry.run import ArgumentSpec, Outcome
from ..module_utils.errors import FerryError
from .interpreter import wanted_interpreter
from .shell import ActionShell, Shell


@dataclass(frozen=True)
class Task:
    """What an action works with: its arguments, its host, and whether it may change anything.

    `address` is the host's, for messages; `interpreter` is the Python that the inventory names for
    it, or "". `action` is Ansible's own object, for the few calls that only it has.
    """

    arguments: Mapping[str, Any]
    check_mode: bool
    shell: Shell
    address: str
    interpreter: str
    action: Any


Work = Callable[[Task], Outcome]


def run_action(
    action: Any, spec: ArgumentSpec, work: Work, variables: Mapping[str, Any]
) -> Dict[str, Any]:
    """Run `work` for the action's task and return the task's result.

    A `FerryError` becomes a failed result with the key `error`. So does a host that does not answer:
    Ansible skips rescue and always for a host it calls unreachable, and with them Ferry's tidying up.
    """
    _valid, arguments = action.validate_argument_spec(
        argument_spec=dict(spec.options),
        required_if=list(spec.required_if),
        required_one_of=list(spec.required_one_of),
        required_together=list(spec.required_together),
        mutually_exclusive=list(spec.mutually_exclusive),
    )
    try:
        outcome = work(_describe(action, arguments, variables))
    except FerryError as error:
        return failed(error)
    result = {"changed": outcome.changed, **outcome.result}
    if outcome.warnings:
        result["warnings"] = list(outcome.warnings)
    if outcome.diff is not None:
        result["diff"] = outcome.diff
    return result


def failed(error: FerryError) -> Dict[str, Any]:
    """Return the result of a task that `error` ended."""
    return {"failed": True, "changed": False, "msg": str(error), "error": error.as_dict()}


def _describe(action: Any, arguments: Mapping[str, Any], variables: Mapping[str, Any]) -> Task:
    own = host_variables(variables, action._task.delegate_to)
    named = {"ansible_python_interpreter": own.get("ansible_python_interpreter")}
    return Task(
        arguments=arguments,
        check_mode=bool(action._task.check_mode),
        shell=ActionShell(action),
        address=str(action._play_context.remote_addr),
        interpreter=wanted_interpreter(action._templar.template(named)),
        action=action,
    )


def host_variables(variables: Mapping[str, Any], delegate_to: str | None) -> Mapping[str, Any]:
    """Return the variables of the host that the task really reaches."""
    if not delegate_to:
        return variables
    delegated: Mapping[str, Mapping[str, Any]] = variables.get("ansible_delegated_vars", {})
    return delegated.get(delegate_to, variables)
