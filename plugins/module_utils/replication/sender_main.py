# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The sender's command: `sender.pyz start|list|status|stop`. PRIVATE to the collection. Python 3.6.

One JSON document on standard input, one line of JSON on standard output. Exit code 0, or 1 with
{"error": {"kind", "what", "hint"}}. The key comes on standard input and stays in memory.

    start   run, migration, bind, port, directory, key, certificate, peer_certificate, disks, lease [, view]
            a disk is name, path [, index: see IndexOrder]
            -> pid, port, disks, view, reason; answers when it listens
    list    -> disks, python, snapshots
    view    disks, view -> view, reason: what `start` would choose
    status  directory [, renew] -> running, pid, run, port
    stop    directory, migration -> running: false; the directory and the migration's snapshots are removed
"""

import json
import logging
import os
import re
import shutil
import signal
import sys
from functools import partial
from typing import Any, Dict, Mapping, NamedTuple, Sequence, Tuple

from ..errors import FerryError, InputError
from . import sender_control
from .daemon import RunLock, find_holder, spawn, take_lock
from .digests import calibrate
from .disks import size_of
from .export import Export
from .governor import Governor, check_limit, read_limit
from .indexed import IndexOrder, read_index_order
from .limits import PORT
from .messages import View
from .priority import give_way
from .sender_control import LEASE_FILE, LIMIT_FILE, RUN_FILE, read_run, required, write
from .server import Lease, Server, listen
from .source_view import SourceView, open_view
from .tls import Identity, TlsEnd, source_end

LOG_FILE = "sender.log"

# A sender without a connection leaves after this, in seconds, if nobody renews its lease.
LEASE = 1800.0


def start(document: Mapping[str, Any]) -> Dict[str, Any]:
    """Start a sender; it listens when this returns. What can be wrong is found out before."""
    order = _read_order(document)
    end = source_end(order.run, order.identity)
    lock = take_lock(order.directory)
    try:
        return _start_locked(order, end, lock)
    except FerryError:
        shutil.rmtree(order.directory)
        raise
    finally:
        lock.close()


def _start_locked(order: "_Order", end: TlsEnd, lock: RunLock) -> Dict[str, Any]:
    """Under the lock: opening a view removes what snapshots the migration has, a sender's at work too."""
    _refuse_second(order)
    view = open_view(order.view, order.migration, order.disks)
    try:
        disks = [
            {"name": name, "path": path, "size": size_of(view.disks[name])}
            for name, path in order.disks.items()
        ]
        port, pid = _start_daemon(order, end, view, lock)
    except FerryError:
        view.close()
        raise
    told = {"view": view.view.word, "reason": view.reason}
    return dict(told, pid=pid, port=port, disks=disks)


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
    identity: Identity
    lease: float
    bandwidth_limit: int
    gives_way: bool


def _read_order(document: Mapping[str, Any]) -> _Order:
    texts = ("certificate", "key", "peer_certificate")
    run = required(document, "run")
    if not re.match(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", run):
        raise InputError("Run {!r} is no host name label: a-z, 0-9 and -.".format(run))
    return _Order(
        run,
        required(document, "migration"),
        required(document, "directory"),
        document.get("bind") or "",
        int(document.get("port", PORT)),
        {disk["name"]: disk["path"] for disk in required(document, "disks")},
        {
            disk["name"]: read_index_order(disk["index"])
            for disk in document["disks"]
            if disk.get("index")
        },
        document.get("view", View.MOVING.word),
        Identity(*(required(document, text) for text in texts)),
        float(document.get("lease") or LEASE),
        check_limit(int(document.get("bandwidth_limit") or 0)),
        bool(document.get("gives_way")),
    )


def _start_daemon(order: _Order, end: TlsEnd, view: SourceView, lock: RunLock) -> Tuple[int, int]:
    """Return port and process id of a sender that listens."""
    listener = listen(order.bind, order.port)
    port = int(listener.getsockname()[1])
    lease = Lease(os.path.join(order.directory, LEASE_FILE), order.lease)
    limit_path = os.path.join(order.directory, LIMIT_FILE)
    write(lease.path, "")
    write(limit_path, str(order.bandwidth_limit))
    write(os.path.join(order.directory, RUN_FILE), json.dumps({"run": order.run, "port": port}))
    governor = Governor(partial(read_limit, limit_path))
    export = Export(
        view.disks,
        calibrate(),
        view=view.view,
        governor=governor,
        check_view=view.check,
        indexes=order.indexes,
    )
    server = Server(listener, end, export, lease)
    log_path = os.path.join(order.directory, LOG_FILE)
    pid = spawn(log_path, lock, lambda: _serve(server, order, view, export), [listener.fileno()])
    listener.close()
    return port, pid


def _serve(server: Server, order: _Order, view: SourceView, export: Export) -> int:
    """The daemon: serves until it is stopped or its lease ends, and leaves nothing."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: server.stop())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if order.gives_way:
        give_way()
    server.serve()
    export.close()
    view.close()
    shutil.rmtree(order.directory, ignore_errors=True)
    return 0


def _refuse_second(order: _Order) -> None:
    """One sender per port: name the run that has it. Senders lie side by side in one folder."""
    parent, own = os.path.split(os.path.abspath(order.directory))
    for directory in (os.path.join(parent, name) for name in os.listdir(parent) if name != own):
        known, pid = read_run(directory), find_holder(directory)
        if known and pid and order.port == known["port"]:
            raise InputError(
                "Port {}/TCP belongs to the sender of run {} (process {}).".format(
                    order.port, known["run"], pid
                ),
                hint="Wait for that run to end, or stop its sender in {}.".format(directory),
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
