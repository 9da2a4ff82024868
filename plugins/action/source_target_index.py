# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have a source worker note what a target's disks hold at a snapshot that was just taken."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from ansible.plugins.action import ActionBase
from ansible_collections.ferry.hvm.plugins.module_utils.entry.names import check_slug
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, Outcome
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vm_snapshot import INDEXES
from ansible_collections.ferry.hvm.plugins.plugin_utils.source import BASE, open_courier
from ansible_collections.ferry.hvm.plugins.plugin_utils.task import Task, run_action

SPEC = ArgumentSpec(
    options={
        "migration_id": {"type": "str", "required": True},
        "instance": {"type": "str", "required": True},
        "snapshot": {"type": "str", "required": True},
        "roots": {"type": "dict", "required": True},
        "changed_extents": {"type": "dict", "required": True},
        "volumes": {"type": "dict", "required": True},
        "index_directory": {"type": "str", "default": INDEXES},
    }
)


_NOT_HELD = "the snapshot does not hold its volume, or it was not prepared"


def work(task: Task) -> Outcome:
    """Note it; a disk that cannot be noted is compared whole by the next sync, and a warning says so."""
    check_slug("migration_id", task.arguments["migration_id"])
    disks = _disks(task.arguments)
    order = {"order": "noted", "base": BASE, "check": task.check_mode, **task.arguments}
    answer = open_courier(task).ask({**order, "disks": disks})
    left_out = set(task.arguments["roots"]) - {disk["name"] for disk in disks}
    doubts = {**dict.fromkeys(left_out, _NOT_HELD), **answer["doubts"]}
    warnings = [
        f"The next sync compares all of {name}: {reason}."
        for name, reason in sorted(doubts.items())
    ]
    return Outcome(answer["changed"], {"doubts": doubts}, warnings=warnings)


def _disks(arguments: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Return what the source worker notes of each disk whose volume the snapshot holds."""
    extents, volumes = arguments["changed_extents"], arguments["volumes"]
    return [
        {
            "name": name,
            "volume": str(volumes[name]),
            "root": root,
            "extents": [(int(each["start"]), int(each["length"])) for each in extents[name]],
        }
        for name, root in arguments["roots"].items()
        if name in volumes and name in extents
    ]


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
