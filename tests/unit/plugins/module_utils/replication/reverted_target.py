# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that is synced, prepared and kept in a snapshot, again and again, as a source worker and an appliance do it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.ferry.hvm.plugins.module_utils.replication.indexed import IndexOrder
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.plan import DiskReport
from ansible_collections.ferry.hvm.plugins.module_utils.replication.target_index import (
    TargetSnapshot,
    note_disk,
    take_targets,
)

from tests.unit.plugins.module_utils.replication.rig import Rig, patched

IDENTITY = {"machine": "4203-9f", "disk": "2000", "backing": "6000-c2"}
AT = TargetSnapshot("1002", "1044", "1007")
TOLD = {"instance": "1002", "snapshot": "1044", "volumes": {"sda": "1007"}}

Changes = list[tuple[int, bytes]]


class Migration:
    """One disk that is synced, prepared, kept in a snapshot, used, and reverted for the next sync."""

    def __init__(self, rig: Rig, folder: Path, content: bytes) -> None:
        self.rig = rig
        self.path = folder / "sda.index"
        self.note = folder / "sda.index.target"
        self.source = MemoryDisk(content)
        self.target = MemoryDisk(bytes(len(content)))
        self.count = 0
        self.root = ""
        self.doubts: dict[str, str] = {}
        self._extents: list[tuple[int, int]] = []

    def change(self, *changes: tuple[int, bytes]) -> None:
        """Change the source, and have its change tracking tell of it at the next sync."""
        self.source.content[:] = patched(self.source.content, *changes)
        self._extents += [(start, len(piece)) for start, piece in changes]

    def order(self, **other: Any) -> IndexOrder:
        """What a source worker is told of the next sync."""
        self.count += 1
        since = f"52/{self.count - 1}" if self.count > 1 else ""
        usual = {
            "path": str(self.path),
            "identity": IDENTITY,
            "generation": self.count,
            "change_id": f"52/{self.count}",
            "since": since,
            "extents": self._extents,
        }
        self._extents = []
        return IndexOrder(**{**usual, **other})

    def sync(self, order: IndexOrder, **plan: Any) -> DiskReport:
        """Sync once; the counters of the target are of this sync only."""
        self.target.bytes_read = self.target.bytes_written = 0
        self.rig.put_key()
        source = self.rig.source(self.source, indexes={"sda": order})
        try:
            report = self.rig.sync(source, self.target, **plan).disks[0]
        finally:
            source.export.close()
        self.root = report.claim.root
        return report

    def prepare_and_keep(self, *changes: tuple[int, bytes]) -> bytes:
        """Prepare the guest, take a snapshot, have the source worker note it; return what the snapshot holds."""
        self.target.content[:] = patched(self.target.content, *changes)
        extents = [(start, len(piece)) for start, piece in changes]
        note_disk(str(self.path), AT, root=self.root, extents=extents)
        return bytes(self.target.content)

    def delta(
        self, told: dict[str, Any] | None = None, *, recalls: bool = True, **other: Any
    ) -> DiskReport:
        """Begin a sync as the sender's `start` does, and sync."""
        taken, self.doubts = take_targets({"sda": self.order(**other)}, told or TOLD)
        assert not self.note.exists()
        return self.sync(taken["sda"], told={"target_index": recalls})

    @property
    def is_right(self) -> bool:
        """Whether the target is the source's equal."""
        return bytes(self.target.content) == bytes(self.source.content)
