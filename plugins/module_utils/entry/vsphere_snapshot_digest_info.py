# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From the options of vsphere_snapshot_digest_info to digests of what a reader reads. PRIVATE to the collection."""

from __future__ import annotations

import hashlib
import tempfile
import time
from typing import Any, Callable, Dict, List, Mapping

from ..replication.disks import Disk, aligned_buffer
from ..replication.limits import CHUNK
from ..replication.source_view import SourceView
from .names import check_slug
from .run import Outcome
from .vcenter import Params, need_called, need_connection
from .vm_snapshot import VM_SNAPSHOT, with_authorities
from .vm_snapshot_view import open_vm_snapshot

# As `b2sum -l 256` prints it of an image of the disk.
_DIGEST_SIZE = 32


def work_snapshot_digest_info(params: Params, _check_mode: bool) -> Outcome:
    """Return for each disk of the migration's snapshot the digest of all its bytes, as the reader reads them."""
    check_slug("migration_id", params["migration_id"])
    need_called(params)
    need_connection(params)
    # A folder without indexes: there is nothing to be remembered of earlier syncs, and nothing is kept.
    with tempfile.TemporaryDirectory(prefix="ferry-digest-") as folder:
        view = open_vm_snapshot(_document(params, folder))
        try:
            disks = _read_all(view)
        finally:
            view.close()
    return Outcome(False, {"disks": disks})


def _document(params: Params, folder: str) -> Dict[str, Any]:
    """As a sender is told of a snapshot; what the module has no option for is as source_export's default."""
    usual = {name: option.get("default") for name, option in VM_SNAPSHOT.options.items()}
    wanted = {**usual, **with_authorities(params), "reads_all": True, "index_directory": folder}
    return {"migration": params["migration_id"], "vm_snapshot": wanted}


def _read_all(view: SourceView) -> List[Dict[str, Any]]:
    found = [
        {"key": int(name.rpartition("-")[2]), **_told(view.told[name]), **_read(lend)}
        for name, lend in view.disks.items()
    ]
    # While it was read the snapshot was there: else the bytes would be of no moment.
    view.check()
    return found


def _told(told: Mapping[str, Any]) -> Dict[str, Any]:
    return {name: told[name] for name in ("reader", "reader_reason")}


def _read(lend: Callable[[], Disk]) -> Dict[str, Any]:
    begun = time.monotonic()
    disk = lend()
    try:
        opened = time.monotonic()
        digest = _digest(disk)
    finally:
        disk.close()
    return {
        "size": disk.size,
        "digest": digest,
        "open_seconds": round(opened - begun, 3),
        "read_seconds": round(time.monotonic() - opened, 3),
    }


def _digest(disk: Disk) -> str:
    digest, buffer = hashlib.blake2b(digest_size=_DIGEST_SIZE), aligned_buffer()
    for start in range(0, disk.size, CHUNK):
        digest.update(disk.read(start, min(CHUNK, disk.size - start), buffer))
    return digest.hexdigest()
