# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress of a sync, as an operator wants to see it. PRIVATE to the collection.

`Progress` is what the receiver writes once a second; `describe` makes one line of it; `Reporter`
decides which lines are shown. Every plain line is a row in AWX's database, so these are sparse.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, NamedTuple, Sequence, Tuple

from ..module_utils.units import show_duration, show_size
from ..module_utils.workload.readings import describe_reading, describe_target

# A plain line at each tenth of the way, but none within a minute of the last; and where a tenth takes long,
# one before a person, or AWX, takes the silence for the end.
_PLAIN_PERCENT = 10
_PLAIN_SECONDS = 60.0
_PLAIN_SILENCE = 300.0
# Back to the line's start and clear it (ECMA-48 EL): the next line takes the place of the last.
_REWRITE = "\r\x1b[K"


class DiskProgress(NamedTuple):
    """How far a disk is, or several together, in bytes: `done` of `size`; `same`, `zero` and `data` are its
    parts, and `sent` is what crossed."""

    name: str
    size: int
    done: int
    same: int
    zero: int
    data: int
    sent: int

    @property
    def percent(self) -> float:
        """How much is done, 0 to 100; a disk of no size is done."""
        return 100.0 * self.done / self.size if self.size else 100.0


class Progress(NamedTuple):
    """How far a sync of at least one disk is. `rate` in bytes per second of disk done, `eta` in seconds,
    None while it cannot be told."""

    disks: Tuple[DiskProgress, ...]
    rate: float
    eta: float | None

    @property
    def total(self) -> DiskProgress:
        """All disks together, under no name."""
        return DiskProgress(
            "", *(sum(numbers) for numbers in zip(*(disk[1:] for disk in self.disks)))
        )


def parse_progress(document: Mapping[str, Any]) -> Progress:
    """Return the progress that the receiver's document tells."""
    disks = document["disks"]
    return Progress(
        tuple(DiskProgress(*(disk[field] for field in DiskProgress._fields)) for disk in disks),
        rate=float(document.get("rate") or 0.0),
        eta=document.get("eta"),
    )


def describe(migration_id: str, progress: Progress) -> str:
    """Return the progress as one line, what matters most first, for a terminal may cut its end.

    Percent, time left, amount and rate; what same, zero and packing saved; of several disks those at work.
    """
    total = progress.total
    left = "" if progress.eta is None else f"{show_duration(progress.eta)} left, "
    packed = max(0, total.data - total.sent)
    return (
        f"{migration_id}: {total.percent:5.1f} %, {left}{show_size(total.done)} of {show_size(total.size)} "
        f"at {show_size(progress.rate)}/s; saved {show_size(total.same)} same, {show_size(total.zero)} zero, "
        f"{show_size(packed)} packed{_describe_disks(progress.disks)}"
    )


def _describe_disks(disks: Sequence[DiskProgress]) -> str:
    if len(disks) == 1:
        return ""
    ended = sum(disk.done >= disk.size for disk in disks)
    at_work = [disk for disk in disks if 0 < disk.done < disk.size]
    told = "".join(f", {disk.name} {disk.percent:.1f} %" for disk in at_work)
    return f"; {ended} of {len(disks)} disks done{told}"


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
        f"{_describe_readings(replication['disks'])}{_describe_targets(replication['disks'])}"
    )


def _describe_readings(disks: Sequence[Mapping[str, Any]]) -> str:
    """Return by what a VM's disks were read, and why all of a disk was: what a slow delta is asked first."""
    told = [f"{disk['name']} {describe_reading(disk)}" for disk in disks if disk.get("reader")]
    return f"; read: {', '.join(told)}" if told else ""


def _describe_targets(disks: Sequence[Mapping[str, Any]]) -> str:
    told = [(disk["name"], describe_target(disk)) for disk in disks]
    named = [f"{name} {words}" for name, words in told if words]
    return f"; target: {', '.join(named)}" if named else ""


class Reporter:
    """Shows the progress of one migration by `show(text, newline)`.

    `width`: columns of one line that is written over, for a terminal and a single migration; None for
    plain lines, which are sparse.
    """

    def __init__(
        self,
        migration_id: str,
        *,
        show: Callable[[str, bool], None],
        now: Callable[[], float],
        width: int | None,
    ) -> None:
        self._migration_id = migration_id
        self._show = show
        self._now = now
        self._width = width
        self._shown_percent = 0.0
        self._shown_at = float("-inf")

    def report(self, progress: Progress) -> None:
        """Show `progress`, if it is time for a line."""
        line = describe(self._migration_id, progress)
        if self._width is not None:
            # A line that wraps could not be written over.
            self._show(_REWRITE + line[: self._width - 1], False)
        elif self._is_due(progress):
            self._show(line, True)
        else:
            return
        self._shown_percent = progress.total.percent
        self._shown_at = self._now()

    def _is_due(self, progress: Progress) -> bool:
        silence = self._now() - self._shown_at
        steps = progress.total.percent // _PLAIN_PERCENT - self._shown_percent // _PLAIN_PERCENT
        return silence >= (_PLAIN_SECONDS if steps > 0 else _PLAIN_SILENCE)

    def say(self, text: str) -> None:
        """Show `text` as a line of its own."""
        self.finish()
        self._show(f"{self._migration_id}: {text}", True)

    def finish(self) -> None:
        """End a line that was written over, so that what follows starts on its own."""
        if self._width is not None and self._shown_at != float("-inf"):
            self._show("", True)
            self._shown_at = float("-inf")
