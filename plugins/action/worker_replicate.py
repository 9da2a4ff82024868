# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one sync on the worker and show its progress.

The module of the same name starts the receiver, detached, and returns; this follows it.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import Any, Dict, Mapping

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.ferry.hvm.plugins.module_utils.errors import FerryError
from ansible_collections.ferry.hvm.plugins.plugin_utils.clock import Clock
from ansible_collections.ferry.hvm.plugins.plugin_utils.progress import (
    Reporter,
    finish,
    summarize,
)
from ansible_collections.ferry.hvm.plugins.plugin_utils.receiver_watch import Receiver, Watch
from ansible_collections.ferry.hvm.plugins.plugin_utils.shell import ActionShell, UnreachableError
from ansible_collections.ferry.hvm.plugins.plugin_utils.task import failed

# Ansible imports this file in its main process, before the worker process without a terminal is
# forked (ansible-core 2.17 to 2.19). ansible-runner, and AWX with it, offers a terminal that is none.
ON_TERMINAL = sys.stdout.isatty() and "AWX_ISOLATED_DATA_DIR" not in os.environ
WIDTH = shutil.get_terminal_size().columns


def _show(text: str, newline: bool) -> None:
    Display().display(text, newline=newline)


def _reporter(migration_id: str, variables: Mapping[str, Any]) -> Reporter:
    is_alone = len(variables.get("ansible_play_hosts", ())) == 1
    width = WIDTH if ON_TERMINAL and is_alone else None
    return Reporter(migration_id, show=_show, now=time.monotonic, width=width)


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible publishes no types.
    """See the module of the same name for the documentation."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = True

    def run(
        self, tmp: str | None = None, task_vars: Dict[str, Any] | None = None
    ) -> Dict[str, Any]:
        """Start the receiver, or find it, and follow it to its end."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        try:
            started = self._call_module(variables)
        except UnreachableError as error:
            return failed(error)
        replication = started.get("replication", {})
        reporter = _reporter(replication.get("migration_id", ""), variables)
        wait = boolean(self._task.args.get("wait", True))
        try:
            if replication.get("state") == "running" and wait:
                self._follow(replication, reporter)
                # What the disks hold is known to the module, and only now.
                started = {**self._call_module(variables), "changed": started["changed"]}
                replication = started.get("replication", {})
        except FerryError as error:
            # Whether the receiver still runs is not always known here, so no state is told.
            replication.pop("state")
            return {**failed(error), "changed": started["changed"], "replication": replication}
        if "result" in replication:
            started["replication"] = finish(replication)
            reporter.say(summarize(started["replication"]))
        return started

    def _call_module(self, variables: Mapping[str, Any]) -> Dict[str, Any]:
        try:
            answer: Dict[str, Any] = self._execute_module(task_vars=variables)
        except AnsibleConnectionFailure as error:
            # Not "unreachable": Ansible would skip the clean-up that follows a failure.
            raise UnreachableError(str(error)) from error
        return answer

    def _follow(self, replication: Mapping[str, Any], reporter: Reporter) -> None:
        receiver = Receiver(
            migration_id=replication["migration_id"],
            address=str(self._play_context.remote_addr),
            directory=replication["directory"],
            pid=replication["pid"],
        )
        Watch(ActionShell(self), receiver, reporter, Clock()).follow()
