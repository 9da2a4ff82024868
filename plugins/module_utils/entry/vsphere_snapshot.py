# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From the options of vsphere_snapshot to a migration's snapshot and back. PRIVATE to the collection."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ..vsphere import machines
from ..vsphere.baselines import baseline_of
from ..vsphere.session import Session
from ..vsphere.snapshot_plan import (
    Quiesce,
    SnapshotPlan,
    SnapshotSeen,
    WantedSnapshot,
    plan_absent,
    plan_present,
    tracked_disks,
)
from ..vsphere.snapshot_work import SnapshotWork, read_disks
from .names import check_slug
from .run import Outcome
from .vcenter import Params, need_called, open_session, open_waiter


def work_snapshot(params: Params, check_mode: bool) -> Outcome:
    """Bring a VM to have one snapshot of the migration, or none."""
    check_slug("migration_id", params["migration_id"])
    with open_session(params) as session:
        return _work(session, params, check_mode)


def _work(session: Session, params: Params, check_mode: bool) -> Outcome:
    vm = machines.find(session, need_called(params))
    work = SnapshotWork(session, vm, params["migration_id"], open_waiter(params))
    wanted = _wanted(params)
    seen = work.observe()
    plan = _plan(params, seen, wanted)
    if plan.is_change and not check_mode:
        work.apply(plan, wanted)
        seen = work.observe()
    result = {"vm": _vm_result(seen), "snapshot": _snapshot_result(session, seen, wanted)}
    return Outcome(plan.is_change, result, plan.diff(), _warnings(seen, result["snapshot"], params))


def _plan(params: Params, seen: SnapshotSeen, wanted: WantedSnapshot) -> SnapshotPlan:
    return plan_present(seen, wanted) if params["state"] == "present" else plan_absent(seen)


def _wanted(params: Params) -> WantedSnapshot:
    return WantedSnapshot(
        migration_id=params["migration_id"],
        quiesce=Quiesce(params["quiesce"]),
        left_out=frozenset(params["left_out_disks"]),
        enables_tracking=params["change_tracking"] == "enabled",
    )


def _vm_result(seen: SnapshotSeen) -> Dict[str, Any]:
    machine = seen.machine
    return {
        "moid": machine.moid,
        "name": machine.name,
        "instance_uuid": machine.instance_uuid or None,
        "power_state": machine.power_state,
        "change_tracking": machine.is_tracking_changes,
        "needs_consolidation": machine.needs_consolidation,
    }


def _snapshot_result(
    session: Session, seen: SnapshotSeen, wanted: WantedSnapshot
) -> Optional[Dict[str, Any]]:
    if not seen.of_sync:
        return None
    snapshot = seen.of_sync[0]
    disks = tracked_disks(read_disks(session, snapshot), wanted.left_out)
    baselines = filter(None, map(baseline_of, disks))
    return {
        **snapshot.as_result(),
        "disks": [each.as_result() for each in disks],
        "baselines": [each.as_result() for each in baselines],
    }


def _warnings(seen: SnapshotSeen, snapshot: Any, params: Params) -> List[str]:
    if params["state"] == "absent" or snapshot is None:
        return []
    told = []
    if any(each["has_parent"] for each in snapshot["disks"]):
        told.append(
            f"{seen.machine} had snapshots already: the files of this one hold only what was"
            " written since, so they cannot be read without their parents."
        )
    if params["change_tracking"] == "enabled" and not all(
        each["change_id"] for each in snapshot["disks"]
    ):
        told.append(
            f"Not every disk of {seen.machine} has a change id: the next sync reads all of it."
        )
    if params["quiesce"] != "no" and snapshot["consistency"] == "crash_consistent":
        told.append(f"{seen.machine} was not quiesced: its snapshot is as after a crash.")
    return told
