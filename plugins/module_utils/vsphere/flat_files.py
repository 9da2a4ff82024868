# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which file of a datastore holds a snapshot's disk, if one does. PRIVATE. Pure; part of the sender.

    VM --writes--> X-000001.vmdk --parent--> X.vmdk + X-flat.vmdk    frozen: this is the snapshot

Only the oldest snapshot of a chain is one file; each later one is that file and what changed since.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple, Tuple
from urllib.parse import quote

from ..errors import InputError

# The only backing whose bytes lie in one plain file ("-flat.vmdk") as the guest sees them.
FLAT = "FlatVer2"

_DATASTORE_PATH = re.compile(r"\[(?P<datastore>.+?)\] (?P<stem>.+)\.vmdk")


class SnapshotDisk(NamedTuple):
    """A disk as the snapshot's own configuration shows it; `capacity` in bytes.

    `backing` is the API's kind of it ("FlatVer2"), `file` its datastore path, `place` where it is
    attached, as nfc_lease.find_device wants it.
    """

    key: int
    file: str
    backing: str
    has_parent: bool
    is_encrypted: bool
    capacity: int
    place: str


@dataclass(frozen=True)
class FlatFile:
    """A file of a datastore. `datacenter` is the inventory path, "ha-datacenter" on an ESXi host."""

    datacenter: str
    datastore: str
    path: str

    def __str__(self) -> str:
        return f"[{self.datastore}] {self.path}"

    @property
    def targets(self) -> Tuple[str, ...]:
        """What to ask the host for: names quoted twice, as libvirt does, then once, as govmomi does.

        Both were found to be right, for other versions it seems; the wrong one names nothing. Most
        names need no quotes.
        """
        once = _target(self.path, quote(self.datacenter, safe=""), quote(self.datastore, safe=""))
        twice = _target(self.path, _quote_twice(self.datacenter), _quote_twice(self.datastore))
        return tuple(dict.fromkeys((twice, once)))


def datastore_of(file: str) -> str:
    """Return the datastore that a disk's `file` names, "" if it names none."""
    match = _DATASTORE_PATH.fullmatch(file)
    return match["datastore"] if match else ""


def flat_obstacle(disk: SnapshotDisk) -> str:
    """Return why no flat file holds this disk as it was at the snapshot, "" if one does."""
    if disk.has_parent:
        return (
            f"{disk.file} holds only what changed since an older snapshot; remove the VM's older"
            " snapshots"
        )
    if disk.backing != FLAT:
        return f"its backing is {disk.backing or 'unknown'}, not one flat file"
    if disk.is_encrypted:
        return "its file is encrypted"
    if not _DATASTORE_PATH.fullmatch(disk.file):
        return f'"{disk.file}" is not the datastore path of a disk'
    return ""


def flat_file(disk: SnapshotDisk, datacenter: str) -> FlatFile:
    """Return the file that holds the disk. Raises InputError where there is an obstacle."""
    obstacle = flat_obstacle(disk)
    match = _DATASTORE_PATH.fullmatch(disk.file)
    if obstacle or match is None:
        raise InputError(
            f"Disk {disk.key} cannot be read from its datastore: {obstacle}.",
            hint="Use the reader vddk or export.",
        )
    return FlatFile(datacenter, match["datastore"], f"{match['stem']}-flat.vmdk")


def _target(path: str, datacenter: str, datastore: str) -> str:
    return f"/folder/{quote(path)}?dcPath={datacenter}&dsName={datastore}"


def _quote_twice(name: str) -> str:
    return quote(quote(name, safe=""), safe="")
