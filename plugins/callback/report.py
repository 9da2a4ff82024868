# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Callback: after a run, what each sync carried, what it claims, and where the time went."""

from __future__ import annotations

DOCUMENTATION = r"""
name: report
type: aggregate
short_description: Report of a migration run
version_added: 0.1.0
author: The Ferry authors (@ferry-hvm)
description:
  - After the play recap, prints for each workload what the sync compared and sent, what its claim
    says, and how long each step took. With a file name, also writes it there as JSON.
requirements:
  - Enable it in C(callbacks_enabled).
options:
  report_file:
    description: Path of the JSON report. Empty, none is written.
    type: str
    default: ""
    env:
      - name: FERRY_REPORT_FILE
    ini:
      - section: callback_ferry_report
        key: report_file
"""

import json
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible_collections.ferry.hvm.plugins.module_utils.units import show_duration, show_size
from ansible_collections.ferry.hvm.plugins.module_utils.workload.readings import (
    describe_reading,
    describe_target,
)

REPLICATE = "ferry.hvm.worker_replicate"


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Collects the time of every role and the result of every sync, per workload."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "ferry.hvm.report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._started: dict[tuple[str, str], float] = {}
        self._workloads: dict[str, dict[str, Any]] = {}

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Note when the task began on this host."""
        self._started[host.get_name(), task._uuid] = time.monotonic()

    def v2_runner_on_ok(self, result: Any) -> None:
        """Count the task's time, and keep what a sync returned."""
        self._count(result)
        replication = result._result.get("replication")
        if result._task.action == REPLICATE and replication:
            self._workload(result)["replication"] = replication

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Count the task's time, and keep where the workload failed."""
        self._count(result)
        if not ignore_errors:
            # The first one is the cause; what fails after it fails because of it.
            self._workload(result).setdefault("failed_step", _step_of(result._task))

    def v2_playbook_on_stats(self, stats: Any) -> None:  # noqa: ARG002 - the callback's signature
        """Print the report, and write it where the operator asked for it."""
        syncs = {name: each for name, each in self._workloads.items() if each["steps"]}
        for name, workload in sorted(syncs.items()):
            for line in _lines(name, workload):
                self._display.display(line)
        report_file = self.get_option("report_file")
        if report_file:
            Path(report_file).write_text(json.dumps(syncs, indent=2) + "\n", encoding="utf-8")

    def _count(self, result: Any) -> None:
        key = result._host.get_name(), result._task._uuid
        step = _step_of(result._task)
        started = self._started.pop(key, None)
        if step and started is not None:
            steps = self._workload(result)["steps"]
            steps[step] = round(steps.get(step, 0.0) + time.monotonic() - started, 1)

    def _workload(self, result: Any) -> dict[str, Any]:
        return self._workloads.setdefault(result._host.get_name(), {"steps": {}})


def _step_of(task: Any) -> str:
    """Return the role that the task belongs to, without the collection's name; "" for none."""
    role = getattr(task, "_role", None)
    return str(role.get_name()).rpartition(".")[2] if role else ""


def _lines(name: str, workload: dict[str, Any]) -> list[str]:
    lines = ["", f"FERRY {name}"]
    for disk in workload.get("replication", {}).get("disks", []):
        lines.append(
            f"  {disk['name']}: {show_size(disk['size'])} on disk, {show_size(disk['compared'])} compared, "
            f"{show_size(disk['sent'])} sent"
        )
        if disk.get("reader"):
            lines.append(f"    read {describe_reading(disk)}")
        claim = disk["claim"]
        lines.append(
            f"    claim: root {claim['root'][:16]} ({claim['algorithm']}), source {claim['source_view']}, "
            f"{show_size(claim['source_read']['read'])} of it read, target {claim['target_read']}"
        )
        if describe_target(disk):
            lines.append(f"    target: {describe_target(disk)}")
        if claim["source_unused"] is not None:
            lines.append(
                f"    of it {show_size(claim['source_unused'])} are zeros because no file system used them"
            )
    longest_first = sorted(workload["steps"].items(), key=lambda step: -step[1])
    times = ", ".join(f"{step} {show_duration(took)}" for step, took in longest_first if took >= 1)
    lines.append(f"  time: {times or 'under a second'}")
    if "failed_step" in workload:
        lines.append(f"  failed in step {workload['failed_step'] or 'outside the roles'}")
    return lines
