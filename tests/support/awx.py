# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook run by ansible-runner, which AWX runs its jobs by: what AWX gets to see of it, and when."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass
class Job:
    """One job; its events in the order in which they came."""

    take: Callable[[str], None] = lambda _line: None
    at_task: Callable[[str], None] = lambda _task: None
    status: str = ""
    events: list[Mapping[str, Any]] = field(default_factory=list)

    def run(self, folder: Path, *, environment: Mapping[str, str], **options: Any) -> None:
        """Run a job with these options of ansible-runner to its end, its files in the new folder.

        `take` gets each line of what AWX calls verbose output when its event comes, `at_task` the name of
        each task that begins.
        """
        folder.mkdir()
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        job = ansible_runner.run(
            private_data_dir=str(folder),
            project_dir=str(CHECKOUT),
            envvars={**environment, "PATH": programs},
            event_handler=self._note,
            quiet=True,
            **options,
        )
        self.status = str(job.status)

    def output(self) -> str:
        """All that the job's page shows."""
        return "\n".join(each["stdout"] for each in self.events)

    def lines_during(self, action: str) -> list[str]:
        """The verbose lines whose events came between the start and the end of the action's task on the host."""
        mine = [each["event_data"].get("task_action") == action for each in self.events]
        kinds = [each["event"] if is_mine else "" for each, is_mine in zip(self.events, mine)]
        during = self.events[kinds.index("runner_on_start") : kinds.index("runner_on_ok")]
        return [each["stdout"] for each in during if each["event"] == "verbose"]

    def _note(self, event: Mapping[str, Any]) -> None:
        self.events.append(event)
        if event["event"] == "verbose":
            self.take(event["stdout"])
        elif event["event"] == "playbook_on_task_start":
            self.at_task(event["event_data"]["task"])
