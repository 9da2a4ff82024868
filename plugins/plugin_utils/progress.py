# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress of a sync, as an operator wants to see it. PRIVATE to the collection.

`Progress` is what the receiver writes once a second; `describe` makes one line of it; `Reporter`
decides which lines are shown. Every plain line is a row in AWX's database, so these are sparse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping

from ..module_utils.units import show_duration, show_size

# A plain line at each tenth of the way, and in between when a person would wonder.
_PLAIN_PERCENT = 10
_PLAIN_SECONDS = 30.0
# Back to the line's start and clear it (ECMA-48 EL): the next line takes the place of the last.
_REWRITE = "\r\x1b[K"


@dataclass(frozen=True)
class Progress:
    """How far a sync is, all its disks together, in bytes. `rate` in bytes per second of disk done,
    `eta` in seconds, None while it cannot be told."""

    size: int
    done: int
    sent: int
    rate: float
    eta: float | None

    @property
    def percent(self) -> float:
        """How much of the disks is done, 0 to 100; disks of no size are done."""
        return 100.0 * self.done / self.size if self.size else 100.0


def parse_progress(document: Mapping[str, Any]) -> Progress:
    """Return the progress that the receiver's document tells."""
    disks = document["disks"]
    return Progress(
        size=sum(disk["size"] for disk in disks),
        done=sum(disk["done"] for disk in disks),
        sent=sum(disk["sent"] for disk in disks),
        rate=float(document.get("rate") or 0.0),
        eta=document.get("eta"),
    )


def describe(migration_id: str, progress: Progress) -> str:
    """Return the progress as one line: percent, amount, rate, bytes that were not sent, time left."""
    left = "" if progress.eta is None else f", {show_duration(progress.eta)} left"
    return (
        f"{migration_id}: {progress.percent:5.1f} %  "
        f"{show_size(progress.done)} of {show_size(progress.size)}, "
        f"{show_size(progress.rate)}/s, {show_size(max(0, progress.done - progress.sent))} not sent"
        f"{left}"
    )


def finish(replication: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the replication with the receiver's `result` in it: how each disk was found and how it
    went under one name, and what was compared (bytes that both ends hold a common digest of)."""
    planned = {disk["name"]: disk for disk in replication["disks"]}
    result = replication["result"]
    disks = [
        {
            **planned[disk["name"]],
            **disk,
            "compared": disk["same"] + disk["zero"] + disk["data"],
        }
        for disk in result["disks"]
    ]
    known = {name: value for name, value in replication.items() if name != "result"}
    return {**known, "state": result["state"], "seconds": result["seconds"], "disks": disks}


def summarize(replication: Mapping[str, Any]) -> str:
    """Return how a finished replication went, as one line: what same, zero and packing saved."""
    size, same, zero, data, sent = (
        show_size(sum(disk[key] for disk in replication["disks"]))
        for key in ("size", "same", "zero", "data", "sent")
    )
    return (
        f"{size} in sync after {show_duration(replication['seconds'])}: "
        f"{same} the same, {zero} zero, {data} of data that took {sent} to send"
    )


class Reporter:
    """Shows the progress of one migration by `show(text, newline)`.

    `rewrites`: one line that is written over, for a terminal and a single migration; otherwise
    plain lines, each when another tenth is done or 30 s went by.
    """

    def __init__(
        self,
        migration_id: str,
        *,
        show: Callable[[str, bool], None],
        now: Callable[[], float],
        rewrites: bool,
    ) -> None:
        self._migration_id = migration_id
        self._show = show
        self._now = now
        self._rewrites = rewrites
        self._shown_percent = -1.0
        self._shown_at = float("-inf")

    def report(self, progress: Progress) -> None:
        """Show `progress`, if it is time for a line and there is something new to tell."""
        line = describe(self._migration_id, progress)
        if self._rewrites:
            self._show(_REWRITE + line, False)
            self._shown_at = self._now()
        elif self._is_due(progress):
            self._show(line, True)
            self._shown_percent = progress.percent
            self._shown_at = self._now()

    def _is_due(self, progress: Progress) -> bool:
        steps = int(progress.percent // _PLAIN_PERCENT)
        if steps > int(self._shown_percent // _PLAIN_PERCENT):
            return True
        return self._now() - self._shown_at >= _PLAIN_SECONDS

    def say(self, text: str) -> None:
        """Show `text` as a line of its own."""
        self.finish()
        self._show(f"{self._migration_id}: {text}", True)

    def finish(self) -> None:
        """End a line that was written over, so that what follows starts on its own."""
        if self._rewrites and self._shown_at != float("-inf"):
            self._show("", True)
            self._shown_at = float("-inf")
