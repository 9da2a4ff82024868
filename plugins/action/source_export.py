# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open a source server's disks to one worker for one run, and close them again.

The run's private key is made here, in memory, and crosses on SSH's standard input; only the
certificate is returned.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible.plugins.action import ActionBase
from ansible_collections.ferry.hvm.plugins.module_utils.entry.names import check_slug
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, Outcome
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vm_snapshot import (
    VM_SNAPSHOT,
    with_authorities,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.sender_main import LEASE
from ansible_collections.ferry.hvm.plugins.module_utils.replication.source_view import WORDS
from ansible_collections.ferry.hvm.plugins.plugin_utils.identity import make_identity
from ansible_collections.ferry.hvm.plugins.plugin_utils.source import BASE, open_courier
from ansible_collections.ferry.hvm.plugins.plugin_utils.task import Task, run_action

SPEC = ArgumentSpec(
    options={
        "state": {
            "type": "str",
            "choices": ["started", "limited", "absent"],
            "default": "started",
        },
        "migration_id": {"type": "str", "required": True},
        "run": {"type": "str"},
        "worker_certificate": {"type": "str"},
        "port": {"type": "int", "default": 5994},
        "bind": {"type": "str", "default": ""},
        "disks": {"type": "list", "elements": "str", "default": []},
        "lease": {"type": "int", "default": int(LEASE)},
        "source_view": {
            "type": "str",
            "choices": list(WORDS),
            "default": "auto",
        },
        "used_blocks": {"type": "bool", "default": False},
        "bandwidth_limit": {"type": "int"},
        "total_bandwidth_limit": {"type": "int"},
        "gives_way": {"type": "bool", "default": False},
        "shared": {"type": "bool", "default": False},
        "target_index": {
            "type": "dict",
            "options": {
                "instance": {"type": "str", "required": True},
                "snapshot": {"type": "str", "required": True},
                "volumes": {"type": "dict", "required": True},
            },
        },
        "vm_snapshot": {"type": "dict", **VM_SNAPSHOT.as_suboptions()},
    },
    required_if=(
        ("state", "started", ("run", "worker_certificate")),
        ("state", "limited", ("bandwidth_limit", "total_bandwidth_limit"), True),
    ),
)


# What the worker is told of a disk, as `source_disks` of worker_replicate takes it.
_FOR_THE_WORKER = (
    "name",
    "path",
    "size",
    "unused",
    "uuid",
    "reader",
    "delta_reason",
    "target_index",
    "target_index_reason",
)


def work(task: Task) -> Outcome:
    """Bring the export of the migration into the wanted state."""
    check_slug("migration_id", task.arguments["migration_id"])
    if task.arguments["state"] == "absent":
        return Outcome(changed=_order(task, "absent")["changed"])
    if task.arguments["state"] == "limited":
        return _limit(task)
    check_slug("run", task.arguments["run"])
    return _start(task)


def _order(task: Task, name: str, **more: Any) -> Dict[str, Any]:
    """Have the source carry out an order about the migration's export."""
    order = {
        "order": name,
        "base": BASE,
        "check": task.check_mode,
        "migration_id": task.arguments["migration_id"],
        **more,
    }
    return open_courier(task, reads_vms=bool(more.get("vm_snapshot"))).ask(order)


def _limit(task: Task) -> Outcome:
    names = ("bandwidth_limit", "total_bandwidth_limit")
    answer = _order(task, "limited", **{name: task.arguments[name] for name in names})
    diff = {"before": answer["before"], "after": answer["after"]}
    return Outcome(changed=answer["changed"], diff=diff)


def _start(task: Task) -> Outcome:
    identity = make_identity(task.arguments["run"])
    wanted = {name: value for name, value in task.arguments.items() if name != "state"}
    if wanted["vm_snapshot"]:
        wanted["vm_snapshot"] = with_authorities(wanted["vm_snapshot"])
    answer = _order(task, "started", **wanted, key=identity.key, certificate=identity.certificate)
    return Outcome(
        changed=answer["changed"],
        result={"export": _public(answer["export"]), "replaced": answer["replaced"]},
    )


def _public(record: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the export as later steps need it; what check mode cannot know is null."""
    return {
        "certificate": record.get("certificate"),
        "disks": [_part(disk, *_FOR_THE_WORKER) for disk in record["disks"]],
        "readings": [
            _part(
                disk, "name", "reader", "reader_reason", "changed", "delta_reason", "delta_detail"
            )
            for disk in record["disks"]
            if "reader" in disk
        ],
        "pid": record.get("pid"),
        "port": record["port"],
        "source_view": record.get("view"),
        "source_view_reason": record.get("view_reason"),
        "file_systems": record.get("file_systems"),
    }


def _part(disk: Mapping[str, Any], *names: str) -> Dict[str, Any]:
    return {name: disk[name] for name in names if name in disk}


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
