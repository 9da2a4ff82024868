# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what a source server is, by one SSH connection and without leaving anything there."""

from __future__ import annotations

from typing import Any, Dict

from ansible.plugins.action import ActionBase
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, Outcome
from ansible_collections.ferry.hvm.plugins.module_utils.replication.source_view import WORDS
from ansible_collections.ferry.hvm.plugins.plugin_utils.source import BASE, open_courier
from ansible_collections.ferry.hvm.plugins.plugin_utils.task import Task, run_action

SPEC = ArgumentSpec(
    options={
        "port": {"type": "int", "default": 5994},
        "disks": {"type": "list", "elements": "str", "default": []},
        "source_view": {"type": "str", "choices": list(WORDS), "default": "auto"},
        "used_blocks": {"type": "bool", "default": False},
    }
)


def work(task: Task) -> Outcome:
    """Return the facts of the source that the task is for."""
    order = {"order": "info", "base": BASE, **task.arguments}
    return Outcome(changed=False, result={"source": open_courier(task).ask(order)})


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
