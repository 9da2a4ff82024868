# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From the options of morpheus_volume to a volume's place and back. PRIVATE to the collection."""

from __future__ import annotations

from typing import List

from ..morpheus import snapshot_work, volume_plan, volume_work
from ..morpheus.snapshots import Snapshot
from .appliance import Params, open_client, open_waiter
from .run import Outcome


def work_volume(params: Params, check_mode: bool) -> Outcome:
    """Bring a volume to its place, away from it, or out of the world."""
    client, waiter = open_client(params), open_waiter(params)
    called = volume_work.VolumeCalled(params["id"], params["name"] or "")
    is_leaving = params["state"] == "detached"
    observe = volume_work.observe_attached if is_leaving else volume_work.observe
    seen = observe(client, called, params["instance"] or "", waiter)
    plan = _volume_plan(params, seen)
    gone: List[Snapshot] = []
    if seen.volume is not None and plan.is_change and not check_mode:
        yielding = params["yielding_snapshots"]
        gone = volume_work.apply(client, plan, waiter, yielding=yielding)
        called = volume_work.VolumeCalled(seen.volume.id)
        seen = volume_work.observe(client, called, "", waiter)
    result = {"volume": seen.as_result(), "deleted_snapshots": [each.name for each in gone]}
    return Outcome(plan.is_change, result, plan.diff(), snapshot_work.tell_gone(gone))


def _volume_plan(params: Params, seen: volume_plan.VolumeSeen) -> volume_plan.VolumePlan:
    if params["state"] == "attached":
        return volume_plan.plan_attached(seen, volume_plan.Place(params["root"], params["unit"]))
    if params["state"] == "detached":
        return volume_plan.plan_detached(seen)
    return volume_plan.plan_absent(seen)
