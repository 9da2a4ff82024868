# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What is asked of a server and its senders beside `start`. PRIVATE to the collection. Python 3.6.

Apart from sender_main.py, because of what that imports: on a slow server reading and compiling it takes
longer than all that is done here.
"""

import json
import os
import shutil
import sys
from typing import Any, Callable, Dict, Mapping

from ..errors import InputError
from .block_devices import list_disks
from .daemon import find_holder, stop_holder
from .governor import check_limit, read_limit
from .source_view import choose_view, discard_snapshots, list_snapshots

# The files of a sender, in its directory.
RUN_FILE = "run.json"
LEASE_FILE = "lease"
LIMIT_FILE = "limit"


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
    return {"view": view.word, "reason": reason}


def status(document: Mapping[str, Any]) -> Dict[str, Any]:
    """Tell whether the directory's sender lives; asking renews its lease."""
    directory = required(document, "directory")
    pid = find_holder(directory)
    if pid is None:
        return {"running": False}
    os.utime(os.path.join(directory, LEASE_FILE))
    limit = read_limit(os.path.join(directory, LIMIT_FILE))
    return dict(read_run(directory), running=True, pid=pid, bandwidth_limit=limit)


def limit(document: Mapping[str, Any]) -> Dict[str, Any]:
    """Set how many bytes a second the directory's sender may send, from the next second on; 0 for no limit."""
    directory = required(document, "directory")
    wanted = check_limit(int(document.get("bandwidth_limit") or 0))
    if find_holder(directory) is None:
        raise InputError(
            "No sender runs in {}.".format(directory), hint="A limit is for a sync that runs."
        )
    path = os.path.join(directory, LIMIT_FILE)
    write(path + ".new", str(wanted))
    os.replace(path + ".new", path)
    return {"bandwidth_limit": wanted}


def stop(document: Mapping[str, Any]) -> Dict[str, Any]:
    """End the directory's sender, remove the directory and the migration's snapshots."""
    directory = required(document, "directory")
    was_running = stop_holder(directory)
    discard_snapshots(required(document, "migration"))
    shutil.rmtree(directory, ignore_errors=True)
    return {"running": False, "stopped": was_running}


COMMANDS: Dict[str, Callable[[Mapping[str, Any]], Dict[str, Any]]] = {
    "list": list_command,
    "view": view_command,
    "status": status,
    "stop": stop,
    "limit": limit,
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
