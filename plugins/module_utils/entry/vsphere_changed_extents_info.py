# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From the options of vsphere_changed_extents_info to extents or doubts. PRIVATE to the collection."""

from __future__ import annotations

from typing import Any, List, Mapping

from ..errors import InputError
from ..vsphere import machines
from ..vsphere.baselines import Baseline
from ..vsphere.changed_extents import Changes, find_changes
from ..vsphere.errors import NoSuchObjectError
from ..vsphere.session import Session
from ..vsphere.snapshot_plan import SnapshotSeen, tracked_disks
from ..vsphere.snapshot_work import read_disks
from ..vsphere.snapshots import Snapshot
from .names import check_slug
from .run import Outcome
from .vcenter import Params, need_called, open_session


def work_changed_extents_info(params: Params, _check_mode: bool) -> Outcome:
    """Return for each disk of the migration's snapshot what changed since its baseline."""
    check_slug("migration_id", params["migration_id"])
    baselines = _baselines(params["baselines"])
    with open_session(params) as session:
        changes = _changes(session, params, baselines)
    return Outcome(False, {"disks": [each.as_result() for each in changes]})


def _changes(session: Session, params: Params, baselines: Mapping[int, Baseline]) -> List[Changes]:
    vm = machines.find(session, need_called(params))
    machine = machines.observe(session, vm)
    snapshot = _need_snapshot(SnapshotSeen(machine, params["migration_id"]))
    host = machines.host_release(session, machine)
    disks = tracked_disks(read_disks(session, snapshot), frozenset(params["left_out_disks"]))
    return [
        find_changes(session, vm, snapshot.moid, disk, baseline=baselines.get(disk.key), host=host)
        for disk in disks
    ]


def _need_snapshot(seen: SnapshotSeen) -> Snapshot:
    if len(seen.of_sync) != 1:
        raise NoSuchObjectError(
            f"{seen.machine} has {len(seen.of_sync) or 'no'} snapshots of migration"
            f" {seen.migration_id} where one is needed.",
            hint="Take it with ferry.hvm.vsphere_snapshot.",
        )
    return seen.of_sync[0]


def _baselines(given: List[Mapping[str, Any]]) -> Mapping[int, Baseline]:
    found = {
        each["key"]: Baseline(each["key"], each["uuid"], each["capacity"], each["change_id"])
        for each in given
    }
    if len(found) != len(given):
        raise InputError("A disk has two baselines.", hint="Give one for each key.")
    return found
