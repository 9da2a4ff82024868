# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From the options of morpheus_snapshot to snapshots and back. PRIVATE to the collection."""

from __future__ import annotations

from typing import Any, Dict, List

from ..morpheus import snapshot_plan, snapshot_work
from ..morpheus.snapshot_plan import SnapshotPlan, SnapshotSeen
from .appliance import Params, open_client, open_waiter
from .run import Outcome


def work_snapshot(params: Params, check_mode: bool) -> Outcome:
    """Bring about a snapshot, its absence, or the instance as it was at it."""
    client, waiter = open_client(params), open_waiter(params)
    seen = snapshot_work.observe(client, params["instance"], params["name"], waiter)
    plan = _snapshot_plan(params, seen)
    warnings = _missing(params, seen)
    if plan.is_change and not check_mode:
        machine = seen.machine
        snapshot_work.apply(client, plan, waiter)
        seen = snapshot_work.observe(client, params["instance"], params["name"], waiter)
        warnings.append(snapshot_plan.tell_moved(machine, seen.machine))
    return Outcome(plan.is_change, _result(seen), plan.diff(), [each for each in warnings if each])


def _snapshot_plan(params: Params, seen: SnapshotSeen) -> SnapshotPlan:
    if params["state"] == "present":
        return snapshot_plan.plan_present(seen, params["description"])
    if params["state"] == "absent":
        return snapshot_plan.plan_absent(seen)
    return snapshot_plan.plan_reverted(seen, must_exist=params["must_exist"])


def _missing(params: Params, seen: SnapshotSeen) -> List[str]:
    if params["state"] != "reverted" or seen.found:
        return []
    return [f'The {seen.machine} has no snapshot "{seen.name}" and stays as it is.']


def _result(seen: SnapshotSeen) -> Dict[str, Any]:
    return {
        "snapshot": seen.found[-1].as_result() if seen.found else None,
        "instance": seen.machine.as_result(),
    }
