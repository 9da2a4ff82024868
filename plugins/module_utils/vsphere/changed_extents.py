# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which extents of a disk changed between two snapshots, or why that is not known. PRIVATE to the collection.

The answer never is a guess: extents that hold every change, or a doubt that makes the caller compare the
whole disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Dict, List, Optional, Tuple

from .baselines import Baseline, DeltaReason, Doubt, baseline_of, doubt
from .disks import Disk
from .errors import RefusedError
from .extents import DoubtfulAnswerError, Extent, Page, next_start, round_and_merge
from .sdk import vim
from .session import Session


@dataclass(frozen=True)
class Changes:
    """What changed on one disk of a snapshot. `extents` are all of it exactly if `doubt` is None."""

    disk: Disk
    extents: Tuple[Extent, ...] = ()
    doubt: Optional[Doubt] = None

    @property
    def length(self) -> Optional[int]:
        """How many bytes the extents hold, None if they are not known."""
        return None if self.doubt else sum(each.length for each in self.extents)

    def as_result(self) -> Dict[str, Any]:
        """Return what modules show of the changes, and what is to be kept until the next sync."""
        baseline = baseline_of(self.disk)
        extents = [{"start": each.start, "length": each.length} for each in self.extents]
        return {
            "key": self.disk.key,
            "extents": None if self.doubt else extents,
            "changed_bytes": self.length,
            "delta_reason": self.doubt.reason.value if self.doubt else None,
            "delta_detail": self.doubt.detail if self.doubt else None,
            "baseline": baseline.as_result() if baseline else None,
        }


def find_changes(
    session: Session,
    vm: Any,
    snapshot: str,
    disk: Disk,
    *,
    baseline: Optional[Baseline],
    host: Tuple[str, int],
) -> Changes:
    """Return the changes of a disk of `snapshot` (its reference) since `baseline`.

    The snapshot of the baseline need not exist any more. A fault of the query is a doubt, not an
    error; raised is what concerns the session or the snapshot as a whole.
    """
    doubtful = doubt(baseline, disk, host)
    if doubtful or baseline is None:
        return Changes(disk, doubt=doubtful)
    try:
        areas = _query(session, vm, snapshot, disk, baseline.change_id)
    except RefusedError as error:
        return Changes(disk, doubt=Doubt(DeltaReason.QUERY_FAILED, error.what))
    except DoubtfulAnswerError as error:
        return Changes(disk, doubt=Doubt(DeltaReason.ANSWER_INVALID, str(error)))
    return Changes(disk, tuple(round_and_merge(areas, disk.capacity)))


def _query(session: Session, vm: Any, snapshot: str, disk: Disk, change_id: str) -> List[Extent]:
    """Return all areas, page by page. One answer covers as much of the disk as the host likes."""
    taken = session.object(vim.vm.Snapshot, snapshot)
    what = f"changed areas of {disk} since {change_id}"
    areas: List[Extent] = []
    start = 0
    while start < disk.capacity:
        ask = partial(vm.QueryChangedDiskAreas, taken, disk.key, start, change_id)
        page = _page(session.read(what, ask))
        start = next_start(page, asked=start, capacity=disk.capacity)
        areas += page.areas
    return areas


def _page(answer: Any) -> Page:
    areas = [Extent(each.start, each.length) for each in answer.changedArea]
    return Page(answer.startOffset, answer.length, areas)
