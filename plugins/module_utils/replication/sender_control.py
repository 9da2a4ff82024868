# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What is asked of a server and its senders beside `start`. PRIVATE to the collection. Python 3.6.

Apart from sender_main.py, because of what that imports: on a slow server reading and compiling it takes
longer than all that is done here.
"""

import contextlib
import json
import os
import shutil
import sys
import threading
from functools import partial
from typing import Any, Callable, Dict, List, Mapping

from ..errors import InputError, PermanentError
from .block_devices import list_disks
from .daemon import await_release, find_holder, stop_holder
from .governor import check_limit, read_limit
from .index import DoubtError, index_path
from .source_view import choose_view, discard_snapshots, list_snapshots, refuse_moving
from .target_index import TargetSnapshot, note_disk

# The files of a run, in its directory.
RUN_FILE = "run.json"
LEASE_FILE = "lease"

# In a run's directory and in its sender's.
LIMIT_FILE = "limit"

# Senders' directories, by port, lie beside those of their runs. No migration's id begins with a dot.
_HOME = ".sender-"


def home_of(directory: str, port: int) -> str:
    """Return the directory of the sender on `port`, for a run with this `directory`."""
    return os.path.join(os.path.dirname(os.path.abspath(directory)), _HOME + str(port))


def list_command(_document: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the disks of this server, the Python that would read them, and Ferry's snapshots.

    LVM tells root only.
    """
    snapshots = [
        {"name": each.name, "migration_id": each.migration, "full": each.full}
        for each in (list_snapshots() if os.geteuid() == 0 else [])
    ]
    python = "{}.{}.{}".format(*sys.version_info)
    return {"disks": list_disks(), "python": python, "snapshots": snapshots}


def view_command(document: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the view that `start` would choose for the same disks, and why it is no better."""
    paths = {disk["name"]: disk["path"] for disk in required(document, "disks")}
    view, reason = choose_view(required(document, "view"), paths)
    if document.get("used_blocks"):
        refuse_moving(view, reason)
    return {"view": view.word, "reason": reason}


def status(document: Mapping[str, Any]) -> Dict[str, Any]:
    """Tell whether the directory's run is served, by whom, and its limits; renews its lease if asked to."""
    directory = required(document, "directory")
    pid = find_holder(directory)
    if pid is None:
        return {"running": False}
    if document.get("renew"):
        with contextlib.suppress(FileNotFoundError):  # It is just coming, or ending.
            os.utime(os.path.join(directory, LEASE_FILE))
    limits = {name: read_limit(path) for name, path in _limit_paths(directory).items()}
    return dict(read_run(directory), running=True, pid=pid, **limits)


def limit(document: Mapping[str, Any]) -> Dict[str, Any]:
    """Set how many bytes a second the directory's run, or its sender over all runs, may send; 0 for no limit.

    It holds from the next second on; what the document does not name stays as it is. Returns both.
    """
    directory = required(document, "directory")
    if find_holder(directory) is None or not read_run(directory):
        raise InputError(
            "No sender runs in {}.".format(directory), hint="A limit is for a sync that runs."
        )
    paths = _limit_paths(directory)
    wanted = {name: check_limit(int(document[name])) for name in paths if name in document}
    for name, value in wanted.items():
        replace(paths[name], str(value))
    return {name: read_limit(path) for name, path in paths.items()}


def _limit_paths(directory: str) -> Dict[str, str]:
    home = home_of(directory, read_run(directory).get("port", 0))
    return {
        "bandwidth_limit": os.path.join(directory, LIMIT_FILE),
        "total_bandwidth_limit": os.path.join(home, LIMIT_FILE),
    }


def stop(document: Mapping[str, Any]) -> Dict[str, Any]:
    """End the directory's run, remove the directory and the migration's snapshots; leave other runs alone."""
    directory = required(document, "directory")
    was_running = _end_run(directory)
    discard_snapshots(required(document, "migration"))
    shutil.rmtree(directory, ignore_errors=True)
    _sweep(os.path.dirname(os.path.abspath(directory)))
    return {"running": False, "stopped": was_running}


def _end_run(directory: str) -> bool:
    """Return whether a run was served. A sender that cannot end its only run is ended itself."""
    pid = find_holder(directory)
    if pid is None:
        return False
    if not await_release(directory, pid, partial(_end_lease, directory)):
        others = other_runs(directory, pid)
        if others:
            raise PermanentError(
                "The sender (process {}) does not end its run in {}.".format(pid, directory),
                hint="It hangs, probably in a read of a disk: dmesg tells. It was not ended because of its "
                "other runs, in {}.".format(", ".join(others)),
            )
        stop_holder(directory)
    return True


def _end_lease(directory: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(directory, LEASE_FILE))


def other_runs(directory: str, pid: int) -> List[str]:
    """Return the directories beside this one whose runs the process serves."""
    parent, own = os.path.split(os.path.abspath(directory))
    names = (name for name in os.listdir(parent) if name != own and not name.startswith(_HOME))
    places = (os.path.join(parent, name) for name in names)
    return [place for place in places if find_holder(place) == pid]


def _sweep(parent: str) -> None:
    """Remove what killed senders left of theirs."""
    names = os.listdir(parent) if os.path.isdir(parent) else []
    for home in (os.path.join(parent, name) for name in names if name.startswith(_HOME)):
        if find_holder(home) is None:
            shutil.rmtree(home, ignore_errors=True)


def note_target(document: Mapping[str, Any]) -> Dict[str, Any]:
    """Note what the disks of a target hold at the snapshot that was just taken; return by disk why that cannot be."""
    doubts = {}
    for disk in required(document, "disks"):
        at = TargetSnapshot(document["instance"], document["snapshot"], disk["volume"])
        path = index_path(
            document["index_directory"], required(document, "migration"), disk["name"]
        )
        try:
            note_disk(path, at, root=disk["root"], extents=disk["extents"])
        except DoubtError as doubt:
            doubts[disk["name"]] = str(doubt)
        except OSError as error:
            doubts[disk["name"]] = "it cannot be written: {}".format(error.strerror)
    return {"doubts": doubts}


COMMANDS: Dict[str, Callable[[Mapping[str, Any]], Dict[str, Any]]] = {
    "list": list_command,
    "view": view_command,
    "status": status,
    "stop": stop,
    "limit": limit,
    "note_target": note_target,
}


def required(document: Mapping[str, Any], name: str) -> Any:
    """Return what the document says of `name`. Raises InputError where it says nothing."""
    if not document.get(name):
        raise InputError("The document lacks {!r}.".format(name))
    return document[name]


def read_run(directory: str) -> Dict[str, Any]:
    """Return run and port of the directory's sender; nothing where none has started."""
    try:
        with open(os.path.join(directory, RUN_FILE)) as stream:
            return dict(json.load(stream))
    except (OSError, ValueError):
        return {}


def write(path: str, text: str) -> None:
    """Make `text` the content of the file."""
    with open(path, "w") as stream:
        stream.write(text)


def replace(path: str, text: str) -> None:
    """Make `text` the content of the file for whoever reads it meanwhile: the old or the new, never a part.

    Several may do so at once; one of them is the last.
    """
    aside = "{}.{}.{}".format(path, os.getpid(), threading.get_ident())
    write(aside, text)
    os.replace(aside, path)
