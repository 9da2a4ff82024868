# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The sender's command: `sender.pyz start|list|status|stop`. PRIVATE to the collection. Python 3.6.

One JSON document on standard input, one line of JSON on standard output. Exit code 0, or 1 with
{"error": {"kind", "what", "hint"}}. The key comes on standard input and stays in memory.

    start   run, migration, bind, port, directory, key, certificate, peer_certificate, disks, lease [, view]
            -> pid, port, disks, view, reason; answers when it listens
    list    -> disks, python, snapshots
    view    disks, view -> view, reason: what `start` would choose
    status  directory [, renew] -> running, pid, run, port
    stop    directory, migration -> running: false; the directory and the migration's snapshots are removed
"""

import json
import logging
import os
import platform
import re
import shutil
import signal
import sys
from functools import partial
from typing import Any, Callable, Dict, Mapping, NamedTuple, Sequence, Tuple

from ..errors import FerryError, InputError
from .block_devices import list_disks
from .daemon import RunLock, find_holder, spawn, stop_holder, take_lock
from .digests import calibrate
from .disks import size_of
from .export import Export
from .governor import Governor, check_limit, read_limit
from .limits import PORT
from .messages import View
from .priority import give_way
from .server import Lease, Server, listen
from .source_view import SourceView, choose_view, discard_snapshots, list_snapshots, open_view
from .tls import Identity, TlsEnd, source_end

RUN_FILE = "run.json"
LOG_FILE = "sender.log"
LEASE_FILE = "lease"
LIMIT_FILE = "limit"

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
    view: str
    identity: Identity
    lease: float
    bandwidth_limit: int
    gives_way: bool


def _read_order(document: Mapping[str, Any]) -> _Order:
    texts = ("certificate", "key", "peer_certificate")
    run = _required(document, "run")
    if not re.match(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", run):
        raise InputError("Run {!r} is no host name label: a-z, 0-9 and -.".format(run))
    return _Order(
        run,
        _required(document, "migration"),
        _required(document, "directory"),
        document.get("bind") or "",
        int(document.get("port", PORT)),
        {disk["name"]: disk["path"] for disk in _required(document, "disks")},
        document.get("view", View.MOVING.word),
        Identity(*(_required(document, text) for text in texts)),
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
    _write(lease.path, "")
    _write(limit_path, str(order.bandwidth_limit))
    _write(os.path.join(order.directory, RUN_FILE), json.dumps({"run": order.run, "port": port}))
    governor = Governor(partial(read_limit, limit_path))
    export = Export(
        view.disks,
        calibrate(),
        view=view.view,
        governor=governor,
        check_view=view.check,
    )
    server = Server(listener, end, export, lease)
    log_path = os.path.join(order.directory, LOG_FILE)
    pid = spawn(log_path, lock, lambda: _serve(server, order, view), [listener.fileno()])
    listener.close()
    return port, pid


def _serve(server: Server, order: _Order, view: SourceView) -> int:
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
    view.close()
    shutil.rmtree(order.directory, ignore_errors=True)
    return 0


def _refuse_second(order: _Order) -> None:
    """One sender per port: name the run that has it. Senders lie side by side in one folder."""
    parent, own = os.path.split(os.path.abspath(order.directory))
    for directory in (os.path.join(parent, name) for name in os.listdir(parent) if name != own):
        known, pid = _read_run(directory), find_holder(directory)
        if known and pid and order.port == known["port"]:
            raise InputError(
                "Port {}/TCP belongs to the sender of run {} (process {}).".format(
                    order.port, known["run"], pid
                ),
                hint="Wait for that run to end, or stop its sender in {}.".format(directory),
            )


def list_command(_document: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the disks of this server, the Python that would read them, and Ferry's snapshots.

    LVM tells root only.
    """
    snapshots = [
        {"name": each.name, "migration_id": each.migration, "full": each.full}
        for each in (list_snapshots() if os.geteuid() == 0 else [])
    ]
    return {"disks": list_disks(), "python": platform.python_version(), "snapshots": snapshots}


def view_command(document: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the view that `start` would choose for the same disks, and why it is no better."""
    paths = {disk["name"]: disk["path"] for disk in _required(document, "disks")}
    view, reason = choose_view(_required(document, "view"), paths)
    return {"view": view.word, "reason": reason}


def status(document: Mapping[str, Any]) -> Dict[str, Any]:
    """Tell whether the directory's sender lives; asking renews its lease."""
    directory = _required(document, "directory")
    pid = find_holder(directory)
    if pid is None:
        return {"running": False}
    os.utime(os.path.join(directory, LEASE_FILE))
    limit = read_limit(os.path.join(directory, LIMIT_FILE))
    return dict(_read_run(directory), running=True, pid=pid, bandwidth_limit=limit)


def limit(document: Mapping[str, Any]) -> Dict[str, Any]:
    """Set how many bytes a second the directory's sender may send, from the next second on; 0 for no limit."""
    directory = _required(document, "directory")
    wanted = check_limit(int(document.get("bandwidth_limit") or 0))
    if find_holder(directory) is None:
        raise InputError(
            "No sender runs in {}.".format(directory), hint="A limit is for a sync that runs."
        )
    path = os.path.join(directory, LIMIT_FILE)
    _write(path + ".new", str(wanted))
    os.replace(path + ".new", path)
    return {"bandwidth_limit": wanted}


def stop(document: Mapping[str, Any]) -> Dict[str, Any]:
    """End the directory's sender, remove the directory and the migration's snapshots."""
    directory = _required(document, "directory")
    was_running = stop_holder(directory)
    discard_snapshots(_required(document, "migration"))
    shutil.rmtree(directory, ignore_errors=True)
    return {"running": False, "stopped": was_running}


COMMANDS: Dict[str, Callable[[Mapping[str, Any]], Dict[str, Any]]] = {
    "start": start,
    "list": list_command,
    "view": view_command,
    "status": status,
    "stop": stop,
    "limit": limit,
}


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


def _required(document: Mapping[str, Any], name: str) -> Any:
    if not document.get(name):
        raise InputError("The document lacks {!r}.".format(name))
    return document[name]


def _read_run(directory: str) -> Dict[str, Any]:
    try:
        with open(os.path.join(directory, RUN_FILE)) as stream:
            return dict(json.load(stream))
    except (OSError, ValueError):
        return {}


def _write(path: str, text: str) -> None:
    with open(path, "w") as stream:
        stream.write(text)
