# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What the module worker_replicate does on the worker. PRIVATE to the collection.

Entry layer: here the worker's disks (room worker) meet the receiver (room replication). It observes
first: a receiver of the same run is followed, its result is final, one of another run has to go.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Sequence

from ..errors import InputError
from ..replication.daemon import find_holder
from ..replication.plan import SyncPlan
from ..replication.progress import write_json
from ..replication.receiver import RESULT, is_running, plan_sync, start_detached, stop
from ..worker.block_devices import BlockDevice, read_block_devices, read_content
from ..worker.disk_mapping import Match, SourceDisk, Wanted, map_disks
from .names import check_slug
from .run import ArgumentSpec, Outcome

# Where runs live on the worker: in memory, made by `ferry-identity`.
BASE = "/run/ferry"
_RECORD = "replication.json"

SPEC = ArgumentSpec(
    options={
        "migration_id": {"type": "str", "required": True},
        "run": {"type": "str", "required": True},
        "address": {"type": "str", "required": True},
        "port": {"type": "int", "default": 5994},
        "source_certificate": {"type": "str", "required": True},
        "source_disks": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "name": {"type": "str", "required": True},
                "path": {"type": "str"},
                "size": {"type": "int", "required": True},
                "unused": {"type": "int"},
                "uuid": {"type": "str", "default": ""},
                "reader": {"type": "str", "default": ""},
                "delta_reason": {"type": "str", "default": ""},
                "target_index": {"type": "bool", "default": False},
                "target_index_reason": {"type": "str", "default": ""},
            },
        },
        "target_disks": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "source": {"type": "str", "required": True},
                "serial": {"type": "str", "default": ""},
                "unit": {"type": "int"},
                "size": {"type": "int", "default": 0},
                "path": {"type": "str", "default": ""},
                "content": {"type": "str", "default": ""},
            },
        },
        "units_in_order": {"type": "bool", "default": False},
        "connections": {"type": "int", "default": 0},
        "disks_at_once": {"type": "int", "default": 1},
        "stall_limit": {"type": "int", "default": 600},
        "initial": {"type": "bool", "default": False},
        "source_view": {"type": "str", "default": "moving"},
        "wait": {"type": "bool", "default": True},
    },
)

# What a source worker told of a disk, and the report repeats.
_READING = ("uuid", "reader", "delta_reason", "target_index_reason")

Params = Mapping[str, Any]
Record = Dict[str, Any]


def work_replicate(params: Params, check_mode: bool) -> Outcome:
    """Have the run's receiver at work on this worker, or find how it ended."""
    check_slug("migration_id", params["migration_id"])
    check_slug("run", params["run"])
    directory = os.path.join(BASE, params["run"])
    record = _read_json(os.path.join(directory, _RECORD))
    result = _read_json(os.path.join(directory, RESULT))
    if record and result.get("state") == "done":
        return _outcome(False, _with_contents(record), "done", result=result)
    pid = find_holder(directory)
    if record and pid is not None:
        return _outcome(False, {**record, "pid": pid}, "running")
    return _begin(params, directory, check_mode)


def _begin(params: Params, directory: str, check_mode: bool) -> Outcome:
    others = running_receivers(params["migration_id"])
    if not check_mode:
        for other in others:
            stop(other["directory"])
    matches = _match(params, read_block_devices(), is_planned=check_mode and bool(others))
    plan = _plan(params, directory, matches)
    record = _describe(params, directory, matches, others)
    if check_mode:
        return _outcome(True, record, "planned")
    _refuse_without_key(plan)
    # Noted before it starts: a receiver without a note could be neither followed nor replaced.
    note = os.path.join(directory, _RECORD)
    write_json(note, record)
    record["pid"] = start_detached(plan)
    write_json(note, record)
    return _outcome(True, record, "running")


def _outcome(
    changed: bool, record: Record, state: str, *, result: Mapping[str, Any] | None = None
) -> Outcome:
    replication = {**record, "state": state}
    if result is not None:
        replication["result"] = result
    return Outcome(changed=changed, result={"replication": replication})


def _with_contents(record: Record) -> Record:
    """What the disks hold now tells them apart in the next sync, where nothing else does."""
    disks = [{**disk, "content": read_content(disk["target"])} for disk in record["disks"]]
    return {**record, "disks": disks}


def _match(params: Params, devices: Sequence[BlockDevice], *, is_planned: bool) -> Sequence[Match]:
    """Return which device takes which disk.

    `is_planned`: a receiver that would be stopped first still holds the devices.
    """
    if is_planned:
        devices = [replace(device, is_in_use=False) for device in devices]
    sources = [SourceDisk(disk["name"], disk["size"]) for disk in params["source_disks"]]
    wanted = [Wanted(**disk) for disk in params["target_disks"]]
    return map_disks(sources, wanted, devices, units_in_order=params["units_in_order"])


def running_receivers(migration_id: str) -> List[Record]:
    """Return the records of the migration's receivers that are alive on this worker."""
    names = sorted(os.listdir(BASE)) if os.path.isdir(BASE) else []
    records = [_read_json(os.path.join(BASE, name, _RECORD)) for name in names]
    return [
        record
        for record in records
        if record.get("migration_id") == migration_id and is_running(record["directory"])
    ]


def _describe(
    params: Params, directory: str, matches: Sequence[Match], others: Sequence[Record]
) -> Record:
    told = {disk["name"]: disk for disk in params["source_disks"]}
    return {
        "migration_id": params["migration_id"],
        "run": params["run"],
        "directory": directory,
        "disks": [
            {
                "name": match.source.name,
                "size": match.source.size,
                "target": match.device.path,
                "found_by": match.by,
                **{name: told[match.source.name].get(name, "") for name in _READING},
            }
            for match in matches
        ],
        "target_disks": params["target_disks"],
        "replaced": [other["run"] for other in others],
    }


def _plan(params: Params, directory: str, matches: Sequence[Match]) -> SyncPlan:
    told = {disk["name"]: disk for disk in params["source_disks"]}
    pairs = [
        {
            "source": match.source.name,
            "target": match.device.path,
            "size": match.source.size,
            "unused": told[match.source.name].get("unused"),
            "target_index": told[match.source.name].get("target_index", False),
        }
        for match in matches
    ]
    same = (
        "run",
        "address",
        "port",
        "connections",
        "disks_at_once",
        "stall_limit",
        "initial",
        "source_view",
    )
    return plan_sync(
        directory=directory,
        peer_certificate=params["source_certificate"],
        disks=pairs,
        **{name: params[name] for name in same},
    )


def _refuse_without_key(plan: SyncPlan) -> None:
    if not os.path.exists(os.path.join(plan.directory, "cert.pem")):
        raise InputError(
            f"This worker has no key for run {plan.run} ({plan.directory}/cert.pem is missing).",
            hint=f"Run ferry-identity {plan.run} on it and give its answer to "
            "ferry.hvm.source_export first.",
        )


def _read_json(path: str) -> Record:
    """Return the document at `path`, {} if there is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            return dict(json.load(stream))
    except FileNotFoundError:
        return {}
