# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The sender's command: `sender.pyz start|list|status|stop`. PRIVATE to the collection. Python 3.6.

One JSON document on standard input, one line of JSON on standard output. Exit code 0, or 1 with
{"error": {"kind", "what", "hint"}}. The key comes on standard input and stays in memory.

    start   run, migration, bind, port, directory, key, certificate, peer_certificate, disks, lease [, view]
            [, shared] [, total_bandwidth_limit] [, used_blocks: what file systems do not use reads as zeros]
            [, target_index: instance, snapshot and volumes (disk to volume) that the target was just reverted to]
            a disk is name, path [, index: see IndexOrder]
            -> pid, port, disks, view, reason, file_systems; answers when the run is served
    list    -> disks, python, snapshots
    view    disks, view [, used_blocks] -> view, reason: what `start` would choose
    status  directory [, renew] -> running, pid, run, port, bandwidth_limit, total_bandwidth_limit
    limit   directory [, bandwidth_limit] [, total_bandwidth_limit] -> both
    note_target  migration, index_directory, instance, snapshot, disks: name, volume, root, extents
            -> doubts: why nothing was noted, by disk
    stop    directory, migration -> running: false; the directory and the migration's snapshots are removed

One sender serves a port, for one run or, where all of them are `shared`, for several. `start` starts it if
there is none, then registers its run there. Directories, side by side:

    <migration id>/    of a run: locked by the sender that serves it; lease, limit, run.json
    .sender-<port>/    of the sender: locked by it; its log, its limit over all runs, the socket for runs
"""

import contextlib
import json
import logging
import os
import re
import shutil
import signal
import socket
import sys
import threading
from functools import partial
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..errors import FerryError, InputError
from . import sender_control
from .daemon import await_release, find_holder, spawn, take_lock
from .digests import Offer, calibrate
from .disks import size_of
from .export import Export
from .governor import Governor, check_limit, read_limit
from .indexed import IndexOrder, read_index_order
from .limits import PORT, RUNS
from .messages import View
from .priority import give_way
from .registration import LOG_FILE, Underway, open_reception, receive, register_run
from .runs import Lease, Run, Runs, SenderLeftError
from .sender_control import (
    LEASE_FILE,
    LIMIT_FILE,
    RUN_FILE,
    home_of,
    other_runs,
    replace,
    required,
    write,
)
from .server import Server, listen
from .source_view import OPENERS, SourceView, open_view
from .target_index import take_targets
from .tls import Identity, source_end
from .used_blocks import without_unused

# A run without a connection ends after this, in seconds, if nobody renews its lease.
LEASE = 1800.0


def start(document: Mapping[str, Any]) -> Dict[str, Any]:
    """Have a run served; it is when this returns. What can be wrong is found out before."""
    order = _read_order(document)
    home = home_of(order.directory, order.port)
    if find_holder(home) is not None:
        with contextlib.suppress(SenderLeftError):  # With its last run, just now.
            return _register(home, order, document)
    return _register(_start_sender(order), order, document)


def _register(home: str, order: "_Order", document: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the sender's answer. One that refused its only run leaves, and is gone when the error is raised."""
    pid = find_holder(home)
    try:
        return register_run(home, document)
    except FerryError:
        if pid is not None and not other_runs(order.directory, pid):
            await_release(home, pid)
        raise


class _Order(NamedTuple):
    """What `start` is asked to do."""

    run: str
    migration: str
    directory: str
    bind: str
    port: int
    disks: Dict[str, str]
    indexes: Dict[str, IndexOrder]
    view: str
    used_blocks: bool
    identity: Identity
    lease: float
    bandwidth_limit: int
    total_bandwidth_limit: Optional[int]
    gives_way: bool
    is_shared: bool


def _read_order(document: Mapping[str, Any]) -> _Order:
    texts = ("certificate", "key", "peer_certificate")
    run, total = required(document, "run"), document.get("total_bandwidth_limit")
    view = document.get("view", View.MOVING.word)
    disks = [] if view in OPENERS else required(document, "disks")
    if not re.match(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", run):
        raise InputError("Run {!r} is no host name label: a-z, 0-9 and -.".format(run))
    return _Order(
        run,
        required(document, "migration"),
        required(document, "directory"),
        document.get("bind") or "",
        int(document.get("port", PORT)),
        {disk["name"]: disk["path"] for disk in disks},
        {disk["name"]: read_index_order(disk["index"]) for disk in disks if disk.get("index")},
        view,
        _read_used_blocks(document),
        Identity(*(required(document, text) for text in texts)),
        float(document.get("lease") or LEASE),
        check_limit(int(document.get("bandwidth_limit") or 0)),
        None if total is None else check_limit(int(total)),
        bool(document.get("gives_way")),
        bool(document.get("shared")),
    )


def _read_used_blocks(document: Mapping[str, Any]) -> bool:
    """A block that gets used or unused changes what is read, though no changed extent tells of it."""
    if not document.get("used_blocks"):
        return False
    if document.get("view") in OPENERS:
        raise InputError("Which blocks are used is known only of the file systems of this server.")
    if any(disk.get("index") for disk in document["disks"]):
        raise InputError("Used-block maps and an index of a disk exclude each other.")
    return True


class _Sender(NamedTuple):
    """A sender's own: where it is, and what its runs share."""

    home: str
    bind: str
    port: int
    is_shared: bool
    runs: Runs
    offers: List[Offer]
    governor: Governor


def _start_sender(order: _Order) -> str:
    """Start a sender as `order` wants it, without a run; return its directory. It listens then."""
    with listen(order.bind, order.port) as listener:
        port = int(listener.getsockname()[1])
        home = home_of(order.directory, port)
        lock = take_lock(home)
        try:
            write(os.path.join(home, LIMIT_FILE), "0")
            with open_reception(home) as reception:
                spawn(
                    os.path.join(home, LOG_FILE),
                    lock,
                    lambda: _serve(listener, reception, home, order._replace(port=port)),
                    [listener.fileno(), reception.fileno()],
                )
        finally:
            lock.close()
    return home


def _serve(listener: socket.socket, reception: socket.socket, home: str, order: _Order) -> int:
    """The daemon: serves until its last run has ended or it is stopped, and leaves nothing."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    governor = Governor(partial(read_limit, os.path.join(home, LIMIT_FILE)))
    sender = _Sender(home, order.bind, order.port, order.is_shared, Runs(), calibrate(), governor)
    server = Server(listener, sender.runs, leave=partial(shutil.rmtree, home, ignore_errors=True))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: server.stop())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    underway = Underway()
    registering = (reception, partial(_take_run, sender), underway)
    threading.Thread(target=receive, args=registering, name="ferry-register", daemon=True).start()
    server.serve()
    underway.await_none()  # Whose run was refused, so that nobody needs this sender, hears why.
    return 0


def _take_run(sender: _Sender, document: Mapping[str, Any]) -> Dict[str, Any]:
    """Serve the run of a document from now on, and return what `start` tells. A refused one leaves nothing."""
    order = _read_order(document)
    with sender.runs.expecting(order.run, partial(_refuse, sender, order)):
        folder, held = contextlib.ExitStack(), contextlib.ExitStack()
        try:
            answer = _open_run(sender, document, folder, held)
        except BaseException:
            held.close()
            folder.close()
            raise
    if order.total_bandwidth_limit is not None:
        replace(os.path.join(sender.home, LIMIT_FILE), str(order.total_bandwidth_limit))
    return dict(answer, pid=os.getpid(), port=sender.port)


def _open_run(
    sender: _Sender,
    document: Mapping[str, Any],
    folder: contextlib.ExitStack,
    held: contextlib.ExitStack,
) -> Dict[str, Any]:
    """`folder` closes what tells others of the run, `held` its disks.

    Only under the lock: opening a view removes what snapshots the migration has, a run's at work too.
    """
    order = _read_order(document)
    end = source_end(order.run, order.identity)
    lock = take_lock(order.directory)
    folder.callback(lock.close)
    folder.callback(shutil.rmtree, order.directory, ignore_errors=True)
    lock.name_holder(os.getpid())
    view = _open_view(order, document)
    held.callback(view.close)
    if order.used_blocks:
        view = without_unused(view, order.disks)
    view, told = _with_targets(order, document, view)
    disks = [
        dict({"path": order.disks.get(name)}, name=name, size=size_of(opened), **told[name])
        for name, opened in view.disks.items()
    ]
    export = _export(sender, order, view)
    held.callback(export.close)
    lease = _write_files(order, sender.port)
    enter = give_way if order.gives_way else lambda: None
    run = Run(end, export, lease, enter=enter, close=held.close, release=folder.close)
    sender.runs.add(run)
    seen = {"view": view.view.word, "reason": view.reason, "file_systems": view.file_systems}
    return dict(seen, disks=disks)


def _export(sender: _Sender, order: _Order, view: SourceView) -> Export:
    limit_path = os.path.join(order.directory, LIMIT_FILE)
    return Export(
        view.disks,
        sender.offers,
        view=view.view,
        governor=Governor(partial(read_limit, limit_path), above=sender.governor),
        check_view=view.check,
        order=view.order,
        indexes=view.indexes,
    )


def _with_targets(
    order: _Order, document: Mapping[str, Any], view: SourceView
) -> Tuple[SourceView, Dict[str, Dict[str, Any]]]:
    """Return the view with all indexes and what is known of the target's disks, and what to tell of each disk."""
    asked = document.get("target_index")
    indexes, doubts = take_targets(dict(order.indexes, **view.indexes), asked)
    told = {name: dict(view.told.get(name, {})) for name in view.disks}
    for name in view.disks if asked else ():
        is_known = name in indexes and name not in doubts
        reason = "" if is_known else doubts.get(name, "its changes are not tracked")
        told[name].update(target_index=is_known, target_index_reason=reason)
    return view._replace(indexes=indexes), told


def _open_view(order: _Order, document: Mapping[str, Any]) -> SourceView:
    opener = OPENERS.get(order.view)
    return opener(document) if opener else open_view(order.view, order.migration, order.disks)


def _write_files(order: _Order, port: int) -> Lease:
    """Write what commands ask for later; return the lease, which begins now."""
    lease = Lease(os.path.join(order.directory, LEASE_FILE), order.lease)
    write(os.path.join(order.directory, LIMIT_FILE), str(order.bandwidth_limit))
    told = {"run": order.run, "port": port}
    write(os.path.join(order.directory, RUN_FILE), json.dumps(told))
    write(lease.path, "")
    return lease


def _refuse(sender: _Sender, order: _Order, others: Sequence[str]) -> None:
    """Raise InputError for a run that cannot be served beside those that are, or will be."""
    if others and not (sender.is_shared and order.is_shared):
        raise InputError(
            "Port {}/TCP belongs to the sender of run {} (process {}).".format(
                sender.port, ", ".join(others), os.getpid()
            ),
            hint="Wait for that run to end, or stop it. Only runs that all say `shared` are served together.",
        )
    if order.run in others:
        raise InputError("Run {} is served already.".format(order.run), hint="Stop it first.")
    if len(others) >= RUNS:
        raise InputError(
            "The sender on port {}/TCP serves {} runs, which is the most.".format(
                sender.port, RUNS
            ),
            hint="Wait for one of them to end: {}.".format(", ".join(others)),
        )
    if order.bind != sender.bind:
        raise InputError(
            "The sender on port {}/TCP listens on {!r}, run {} is to be served on {!r}.".format(
                sender.port, sender.bind or "*", order.run, order.bind or "*"
            ),
            hint="Give all runs of a sender the same address, or another port.",
        )


COMMANDS = {"start": start, **sender_control.COMMANDS}


def main(arguments: Sequence[str]) -> int:
    """Run one command; see the file's head. Returns the exit code."""
    try:
        if len(arguments) != 1 or arguments[0] not in COMMANDS:
            raise InputError("Usage: sender.pyz {}".format("|".join(COMMANDS)))
        answer = COMMANDS[arguments[0]](_read_document())
    except FerryError as error:
        _answer({"error": error.as_dict()})
        return 1
    _answer(answer)
    return 0


def _answer(document: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")


def _read_document() -> Mapping[str, Any]:
    text = sys.stdin.read()
    try:
        document = json.loads(text or "{}")
    except ValueError as error:
        raise InputError("Standard input is no JSON document: {}.".format(error)) from error
    if not isinstance(document, dict):
        raise InputError("Standard input must be one JSON object.")
    return document
