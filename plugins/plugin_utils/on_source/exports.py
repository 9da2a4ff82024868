# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exports of this source: which migrations are served here. Python 3.6. PRIVATE.

An export is a folder, named after its migration, and the run that a sender serves from it:

    /run/ferry/<migration id>/      0700
        sender.pyz                  the program
        export.json                 what was exported to whom: public facts, see `Record`
        (the run's own files)

The sender alone says whether the run is served; the record only says what it was started with. Several
exports that are shared have one sender.
"""

import fcntl
import json
import os
import shutil
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional

from .sender import Sender

BASE = "/run/ferry"
_RECORD = "export.json"
_PROGRAM = "sender.pyz"

Record = Dict[str, Any]


@contextmanager
def only_one(base: str) -> Iterator[None]:
    """Hold off every other controller's order on this host; two may come for the same migration.

    The lock is on the folder above, which stays: an empty `base` is removed at the end.
    """
    parent = os.open(os.path.dirname(base), os.O_RDONLY)
    try:
        fcntl.flock(parent, fcntl.LOCK_EX)
        yield
    finally:
        if os.path.isdir(base) and not os.listdir(base):
            os.rmdir(base)
        os.close(parent)


def folder_of(base: str, migration_id: str) -> str:
    """Return where the export of `migration_id` lives."""
    return os.path.join(base, migration_id)


def running_exports(base: str, sender: Sender, ours: str = "") -> List[Record]:
    """Return the records of all exports that are served now; the lease of the migration `ours` is renewed."""
    if not os.path.isdir(base):
        return []
    names = sorted(os.listdir(base))
    seen = (look(folder_of(base, name), sender, renew=name == ours) for name in names)
    return [record for record in seen if record is not None]


def look(folder: str, sender: Sender, *, renew: bool) -> Optional[Record]:
    """Return the record of the export in `folder` if it is served, else None.

    `renew` is for the export's own controller, whose being there is a reason for the run to stay.

    A folder without the program is a receiver's run: a worker may share this host with a source in a
    lab. A sender without a record is one whose controller was killed between start and note: it runs,
    so it counts, but nothing is known of it and it equals no wanted export.
    """
    if not os.path.exists(os.path.join(folder, _PROGRAM)):
        return None
    status = sender.call("status", {"directory": folder, "renew": renew})
    if not status["running"]:
        return None
    return {**status, **_read_record(folder), "migration_id": os.path.basename(folder)}


def _read_record(folder: str) -> Record:
    try:
        with open(os.path.join(folder, _RECORD)) as stream:
            return dict(json.load(stream))
    except (FileNotFoundError, ValueError):
        return {}


def write_record(folder: str, record: Record) -> None:
    """Note what the sender in `folder` was started with; appears whole or not at all."""
    aside = os.path.join(folder, _RECORD + ".new")
    with open(aside, "w") as stream:
        json.dump(record, stream)
    os.rename(aside, os.path.join(folder, _RECORD))


def make_folder(folder: str, program: bytes) -> str:
    """Make `folder` anew with the sender's program in it; return the program's path."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder, 0o700)
    path = os.path.join(folder, _PROGRAM)
    with open(path, "wb") as stream:
        stream.write(program)
    return path


def remove(folder: str, sender: Sender) -> None:
    """End the run in `folder`, if one is served, remove the folder and the migration's snapshots."""
    sender.call("stop", {"directory": folder, "migration": os.path.basename(folder)})
    shutil.rmtree(folder, ignore_errors=True)
