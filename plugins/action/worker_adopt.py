# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for a worker and bring it under an SSH host key of its own.

Only SSH commands: an Ansible module costs seconds on a worker under emulation.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible.plugins.action import ActionBase
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, Outcome
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.plugin_utils.adoption import Adoption
from ansible_collections.ferry.hvm.plugins.plugin_utils.clock import Clock
from ansible_collections.ferry.hvm.plugins.plugin_utils.host_keys import KnownHosts, parse_key
from ansible_collections.ferry.hvm.plugins.plugin_utils.task import Task, run_action

SPEC = ArgumentSpec(
    options={
        "bootstrap_key": {"type": "str", "default": "", "no_log": False},
        "pinned_key": {"type": "str", "default": "", "no_log": False},
        "known_hosts": {"type": "path", "required": True},
        "host_key_alias": {"type": "str", "required": True, "no_log": False},
        "commit": {"type": "bool", "default": False},
        "host_key": {"type": "str", "default": "", "no_log": False},
        "timeout": {"type": "int", "default": 300},
    },
    required_if=(("commit", True, ("host_key",)),),
)

_KEYS = ("bootstrap_key", "pinned_key", "host_key")
# One attempt must not eat the whole deadline: a machine that is booting drops what it cannot take.
_CONNECT_TIMEOUT = 10


class Link:
    """The task's own SSH connection, as `host_keys.WorkerLink`."""

    def __init__(self, task: Task) -> None:
        self.address = task.address
        self.shell = task.shell
        self._connection = task.action._connection

    def forget(self) -> None:
        """See `WorkerLink.forget`."""
        self._connection.reset()


def work(task: Task) -> Outcome:
    """Find the worker; with `commit` make the recorded key its only one."""
    arguments = task.arguments
    _check_connection(task)
    adoption = Adoption(
        Link(task),
        KnownHosts(arguments["known_hosts"], arguments["host_key_alias"]),
        timeout=arguments["timeout"],
        clock=Clock(),
    )
    keys = {name: parse_key(arguments[name], option=name) for name in _KEYS}
    if not (keys["bootstrap_key"] or keys["pinned_key"] or keys["host_key"]):
        raise InputError(
            "Neither bootstrap_key nor pinned_key is given.",
            hint="Give the host_key that ferry.hvm.worker_seed returned, or the recorded one.",
        )
    step = _commit if arguments["commit"] else _find
    return step(adoption, keys, task.check_mode)


def _find(adoption: Adoption, keys: Mapping[str, str], check_mode: bool) -> Outcome:
    found = adoption.find([key for key in (keys["pinned_key"], keys["bootstrap_key"]) if key])
    if found.key == keys["pinned_key"]:
        return _outcome(False, found.key, committed=True, seconds=found.seconds)
    key = "" if check_mode else adoption.new_key()
    return _outcome(True, key, committed=False, seconds=found.seconds)


def _commit(adoption: Adoption, keys: Mapping[str, str], check_mode: bool) -> Outcome:
    found = adoption.find([key for key in (keys["host_key"], keys["bootstrap_key"]) if key])
    is_committed = found.key == keys["host_key"]
    if not is_committed and not check_mode:
        adoption.commit(keys["host_key"])
    return _outcome(
        not is_committed,
        keys["host_key"],
        committed=is_committed or not check_mode,
        seconds=found.seconds,
    )


def _outcome(changed: bool, key: str, *, committed: bool, seconds: float) -> Outcome:
    result = {"host_key": key, "committed": committed, "seconds": round(seconds, 1)}
    return Outcome(changed=changed, result=result)


def _check_connection(task: Task) -> None:
    """Raise InputError unless ssh judges the worker by the known_hosts file that we write."""
    connection = task.action._connection
    if connection.transport != "ssh":
        raise InputError(f"The worker's connection is {connection.transport}, not ssh.")
    given = " ".join(
        str(connection.get_option(name) or "")
        for name in ("ssh_args", "ssh_common_args", "ssh_extra_args")
    )
    wanted = (
        f"UserKnownHostsFile={task.arguments['known_hosts']}",
        f"HostKeyAlias={task.arguments['host_key_alias']}",
        "StrictHostKeyChecking=yes",
    )
    missing = [option for option in wanted if option not in given]
    if missing:
        raise InputError(
            f"ansible_ssh_common_args of the worker lacks {', '.join(missing)}.",
            hint="Without these ssh would not check the host key that is adopted here.",
        )
    connection.set_option("timeout", _CONNECT_TIMEOUT)


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible publishes no types.
    """See the module of the same name for the documentation."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = True

    def run(
        self, tmp: str | None = None, task_vars: Dict[str, Any] | None = None
    ) -> Dict[str, Any]:
        """Run the action for its task."""
        super().run(tmp, task_vars)
        return run_action(self, SPEC, work, task_vars or {})
