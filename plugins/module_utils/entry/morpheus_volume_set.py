# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From the options of morpheus_volume_set to an instance's volumes and back. PRIVATE to the collection."""

from __future__ import annotations

from typing import Dict, List

from ..morpheus import lookups, machines, snapshot_work, volume_set
from ..morpheus.client import MorpheusClient
from ..morpheus.creation import WantedVolume
from ..morpheus.machines import Machine
from ..morpheus.snapshots import Snapshot
from .appliance import Params, open_client, open_waiter
from .run import Outcome


def work_volume_set(params: Params, check_mode: bool) -> Outcome:
    """Bring about the volumes of an instance that exists."""
    client, waiter = open_client(params), open_waiter(params)
    machine = machines.settle(client, machines.get_machine(client, params["instance"]), waiter)
    plan = volume_set.plan_volume_set(machine, _wanted(params), params["absent"])
    datastore_ids = _datastore_ids(client, params, machine, plan)
    gone: List[Snapshot] = []
    if plan.is_change and not check_mode:
        yielding = params["yielding_snapshots"]
        gone = volume_set.apply(client, plan, datastore_ids, waiter, yielding=yielding)
        machine = machines.reread(client, machine)
    result = {
        "instance": machine.as_result(),
        "deleted_snapshots": [each.name for each in gone],
    }
    return Outcome(plan.is_change, result, plan.diff(), snapshot_work.tell_gone(gone))


def _wanted(params: Params) -> List[WantedVolume]:
    return [
        WantedVolume(name=each["name"], size=each["size"], datastore=each["datastore"] or "")
        for each in params["volumes"]
    ]


def _datastore_ids(
    client: MorpheusClient, params: Params, machine: Machine, plan: volume_set.VolumeSetPlan
) -> Dict[str, int]:
    """Return the ids of the datastores of the volumes that are made."""
    names = {each.datastore for step in plan.steps for each in step.added}
    cloud = lookups.Named(machine.instance.cloud_id or 0, machine.instance.cloud)
    cluster = lookups.find_cluster(client, params["cluster"], cloud) if params["cluster"] else None
    return {
        name: lookups.find_datastore(client, name, cloud=cloud, cluster=cluster).id
        for name in names
        if name
    }
