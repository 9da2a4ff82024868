# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller may order on a source: each order one function. Python 3.6. PRIVATE.

An order says in `check` whether it may change anything. `started` looks, plans (`plan_start`, pure),
then acts.
"""

import os
import shutil
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from . import exports
from .facts import read_facts
from .sender import Sender, SourceError, input_error, start_sender

Order = Dict[str, Any]

# What makes two exports the same: a sender started with these serves exactly the wanted worker.
_SAME = (
    "run",
    "worker_certificate",
    "port",
    "bind",
    "names",
    "lease",
    "source_view",
    "used_blocks",
    "gives_way",
    "shared",
    "vm",
)

# The view of a VM's snapshot, which is read elsewhere, and what of its order is no secret.
_VM_VIEW = "vcenter_snapshot"
_VM_FACTS = ("hostname", "moid", "uuid", "name", "reader", "reads_all", "left_out_disks")

# The limits that `started` may set and `limited` may change; None leaves one as it is.
_LIMITS = ("bandwidth_limit", "total_bandwidth_limit")


class StartPlan(NamedTuple):
    """What `started` has to do: which running export goes first and why, and whether to start."""

    replaces: Optional[exports.Record]
    reason: str
    starts: bool


def info(order: Order, sender: Sender) -> Order:
    """Return the facts of this host, its disks and the exports that run here; changes nothing."""
    listing = sender.call("list", {})
    running = exports.running_exports(order["base"], sender)
    return dict(
        read_facts(order["port"]),
        disks=listing["disks"],
        python=listing["python"],
        snapshots=listing["snapshots"],
        view=_see_view(order, sender, listing["disks"]),
        exports=[_public(record) for record in running],
    )


def _see_view(order: Order, sender: Sender, disks: List[Order]) -> Order:
    """Return what an export's view would be; only root can look at disks and LVM."""
    if os.geteuid() != 0:
        return {"view": None, "reason": "Only root can tell."}
    try:
        chosen = choose_disks(order["disks"], disks)
        return sender.call("view", _view_document(order, chosen))
    except SourceError as error:
        return {"view": None, "reason": "{what} {hint}".format(**error.error).strip()}


def _view_document(order: Order, disks: List[Order]) -> Order:
    return {
        "disks": disks,
        "view": order["source_view"],
        "used_blocks": order["used_blocks"],
    }


def started(order: Order, sender: Sender) -> Order:
    """Export the wanted disks, or find that they are exported so already."""
    _refuse_without_root()
    if order["check"]:
        return _predict_start(order, sender)
    with exports.only_one(order["base"]):
        plan = _plan(order, sender)
        record = _start(order, sender, plan) if plan.starts else plan.replaces
    return {"changed": plan.starts, "export": record, "replaced": _replaced(plan)}


def _plan(order: Order, sender: Sender) -> StartPlan:
    running = exports.running_exports(order["base"], sender, order["migration_id"])
    return plan_start(order, running)


def _predict_start(order: Order, sender: Sender) -> Order:
    plan = _plan(order, sender)
    disks, seen = _predict_disks(order, sender)
    predicted = dict(wanted(order), disks=disks, view=seen["view"], view_reason=seen["reason"])
    record = predicted if plan.starts else plan.replaces
    return {"changed": plan.starts, "export": record, "replaced": _replaced(plan)}


def _predict_disks(order: Order, sender: Sender) -> Tuple[List[Order], Order]:
    """Return what would be served, and the view; the disks of a snapshot are known once it is there."""
    if order["vm_snapshot"]:
        return [], {"view": _VM_VIEW, "reason": ""}
    disks = _own_disks(order, sender)
    return disks, sender.call("view", {"disks": disks, "view": order["source_view"]})


def _own_disks(order: Order, sender: Sender) -> List[Order]:
    return choose_disks(order["disks"], sender.call("list", {})["disks"])


def plan_start(order: Order, running: List[exports.Record]) -> StartPlan:
    """Return what to do for `order` where `running` exports are; raises SourceError for another's port."""
    others = [each for each in running if each["migration_id"] != order["migration_id"]]
    _refuse_taken_port(order, others)
    ours = next((each for each in running if each not in others), None)
    if ours is None:
        return StartPlan(None, "", True)
    different = [name for name in _SAME if ours.get(name) != wanted(order)[name]]
    return StartPlan(ours, ", ".join(different), bool(different))


def wanted(order: Order) -> exports.Record:
    """Return the part of the order that the record keeps; no secret is in it."""
    return {
        "run": order["run"],
        "worker_certificate": order["worker_certificate"],
        "port": order["port"],
        "bind": order["bind"],
        "names": order["disks"],
        "lease": order["lease"],
        "source_view": order["source_view"],
        "used_blocks": order["used_blocks"],
        "gives_way": order["gives_way"],
        "shared": order["shared"],
        "vm": {name: order["vm_snapshot"][name] for name in _VM_FACTS}
        if order["vm_snapshot"]
        else None,
    }


def _refuse_taken_port(order: Order, others: List[exports.Record]) -> None:
    port = order["port"]
    for each in others:
        is_shared = order["shared"] and each.get("shared")
        if each.get("port") == port and not is_shared:
            raise input_error(
                "Port {} is held by the sender of migration {} (run {}, process {}).".format(
                    port, each["migration_id"], each.get("run", "unknown"), each["pid"]
                ),
                "End that migration's export first (ferry.hvm.source_export with state absent and "
                "migration_id {}), choose another port, or export both as shared.".format(
                    each["migration_id"]
                ),
            )


def choose_disks(names: List[str], disks: List[Order]) -> List[Order]:
    """Return the disks that `names` stand for: a disk's name, or the path of a block device or file.

    No names stand for every fixed disk of this host.
    """
    if not names:
        fixed = [disk for disk in disks if not disk["removable"]]
        if not fixed:
            raise input_error("This host has no fixed disk.", "Name the disks to export.")
        return [{"name": disk["name"], "path": disk["path"]} for disk in fixed]
    return [_choose(name, disks) for name in names]


def _choose(name: str, disks: List[Order]) -> Order:
    if name.startswith("/"):
        if not os.path.exists(name):
            raise input_error("The disk {} does not exist.".format(name), "Correct disks.")
        return {"name": os.path.basename(name), "path": name}
    paths = {disk["name"]: disk["path"] for disk in disks}
    if name not in paths:
        raise input_error(
            "This host has no disk {}; it has {}.".format(name, ", ".join(sorted(paths)) or "none"),
            "Correct disks, or leave it out to export every fixed disk.",
        )
    return {"name": name, "path": paths[name]}


def _start(order: Order, sender: Sender, plan: StartPlan) -> exports.Record:
    disks = [] if order["vm_snapshot"] else _own_disks(order, sender)
    folder = exports.folder_of(order["base"], order["migration_id"])
    if plan.replaces is not None:
        exports.remove(folder, sender)
    program = exports.make_folder(folder, sender.program)
    try:
        answer = start_sender(program, _start_document(order, folder, disks))
    except SourceError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    record = dict(
        wanted(order),
        migration_id=order["migration_id"],
        certificate=order["certificate"],
        disks=answer["disks"],
        pid=answer["pid"],
        view=answer["view"],
        view_reason=answer["reason"],
        file_systems=answer["file_systems"],
    )
    exports.write_record(folder, record)
    return record


def _start_document(order: Order, folder: str, disks: List[Order]) -> Order:
    return {
        "run": order["run"],
        "migration": order["migration_id"],
        "bind": order["bind"],
        "port": order["port"],
        "directory": folder,
        "key": order["key"],
        "certificate": order["certificate"],
        "peer_certificate": order["worker_certificate"],
        "disks": disks,
        "lease": order["lease"],
        "view": _VM_VIEW if order["vm_snapshot"] else order["source_view"],
        "vm_snapshot": order["vm_snapshot"],
        "used_blocks": order["used_blocks"],
        "gives_way": order["gives_way"],
        "shared": order["shared"],
        "target_index": order["target_index"],
        **_limits(order),
    }


def _limits(order: Order) -> Order:
    """Return the limits that the order sets."""
    return {name: order[name] for name in _LIMITS if order[name] is not None}


def absent(order: Order, sender: Sender) -> Order:
    """End the export of the migration; nothing of it is left on this host, no snapshot either."""
    _refuse_without_root()
    folder = exports.folder_of(order["base"], order["migration_id"])
    if order["check"]:
        return {"changed": _is_left(folder, sender)}
    with exports.only_one(order["base"]):
        was_there = _is_left(folder, sender)
        if was_there:
            exports.remove(folder, sender)
    return {"changed": was_there}


def _is_left(folder: str, sender: Sender) -> bool:
    """A folder in memory is gone after the host's next start, a snapshot is not."""
    if os.path.isdir(folder):
        return True
    owners = [each["migration_id"] for each in sender.call("list", {})["snapshots"]]
    return os.path.basename(folder) in owners


def limited(order: Order, sender: Sender) -> Order:
    """Set the bandwidth limit of the migration's run, which must be served, or of its sender over all runs."""
    _refuse_without_root()
    folder = exports.folder_of(order["base"], order["migration_id"])
    running = exports.look(folder, sender, renew=True)
    if running is None:
        raise input_error(
            "No sender of migration {} runs on this host.".format(order["migration_id"]),
            "A limit is for a sync that runs; for the next one set it when it is started.",
        )
    after = _limits(order)
    before = {name: running[name] for name in after}
    if before != after and not order["check"]:
        sender.call("limit", dict(after, directory=folder))
    return {"changed": before != after, "before": before, "after": after}


def noted(order: Order, sender: Sender) -> Order:
    """Note what the target's disks hold at the snapshot that was just taken, where the index is of that sync."""
    _refuse_without_root()
    if order["check"]:
        return {"changed": True, "doubts": {}}
    names = ("index_directory", "instance", "snapshot", "disks")
    document = dict({name: order[name] for name in names}, migration=order["migration_id"])
    with exports.only_one(order["base"]):
        doubts = sender.call("note_target", document)["doubts"]
    return {"changed": len(doubts) < len(order["disks"]), "doubts": doubts}


def _refuse_without_root() -> None:
    if os.geteuid() != 0:
        raise input_error(
            "Exporting disks needs root; this is user id {}.".format(os.geteuid()),
            "Set become: true for this host, or connect as root.",
        )


def _replaced(plan: StartPlan) -> Optional[Order]:
    if plan.replaces is None or not plan.starts:
        return None
    return dict(_public(plan.replaces), differs=plan.reason)


def _public(record: exports.Record) -> Order:
    return {name: record.get(name) for name in ("migration_id", "run", "pid", "port")}


ORDERS = {
    "info": info,
    "started": started,
    "limited": limited,
    "noted": noted,
    "absent": absent,
}
