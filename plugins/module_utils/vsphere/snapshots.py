# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Snapshots of a VM as values, and Ferry's marks on them. PRIVATE to the collection. Pure.

A snapshot of ours has the name "ferry-<migration id>" and a description that begins with MADE_BY; both
are needed, because anybody may choose a name. The description also says what the snapshot is for, since
a killed run must tell the snapshot of a sync from one that was only to start change tracking.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timezone
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

PREFIX = "ferry-"
MADE_BY = "Made by Ferry for migration "
TO_START_TRACKING = "It only starts change tracking."
OF_A_STOPPED_VM = "The VM was powered off."

CRASH_CONSISTENT = "crash_consistent"
FILESYSTEM_CONSISTENT = "filesystem_consistent"
POWERED_OFF = "powered_off"


@dataclass(frozen=True)
class Snapshot:
    """One snapshot. `created` is UTC, ISO 8601; `parent` the reference of the one it was taken on."""

    moid: str
    name: str
    description: str = ""
    created: str = ""
    is_quiesced: bool = False
    is_current: bool = False
    parent: Optional[str] = None

    def __str__(self) -> str:
        return f'"{self.name}" ({self.moid})'

    @property
    def migration_id(self) -> Optional[str]:
        """The migration that Ferry made it for, None if it is not Ferry's."""
        if not self.name.startswith(PREFIX):
            return None
        id_ = self.name[len(PREFIX) :]
        return id_ if self.description.startswith(f"{MADE_BY}{id_}.") else None

    @property
    def is_for_tracking_only(self) -> bool:
        """Whether Ferry made it only so that change tracking starts: no sync reads it."""
        return self.migration_id is not None and TO_START_TRACKING in self.description

    @property
    def consistency(self) -> str:
        """What state the guest's file systems are in; no more than is known.

        vCenter tells only whether VMware Tools quiesced: whether applications took part is not known.
        """
        if self.is_quiesced:
            return FILESYSTEM_CONSISTENT
        if self.migration_id is not None and OF_A_STOPPED_VM in self.description:
            return POWERED_OFF
        return CRASH_CONSISTENT

    def as_result(self) -> Dict[str, Any]:
        """Return what modules show of a snapshot."""
        return {
            "moid": self.moid,
            "name": self.name,
            "description": self.description,
            "created": self.created,
            "quiesced": self.is_quiesced,
            "consistency": self.consistency,
            "current": self.is_current,
            "parent": self.parent,
            "migration_id": self.migration_id,
        }


def name_for(migration_id: str) -> str:
    """Return the name of the migration's snapshots."""
    return f"{PREFIX}{migration_id}"


def description_for(migration_id: str, *remarks: str) -> str:
    """Return the description of a snapshot of the migration."""
    return " ".join([f"{MADE_BY}{migration_id}.", *remarks, "It goes when the sync has ended."])


def parse_snapshots(info: Any) -> Tuple[Snapshot, ...]:
    """Return the snapshots of a VM's property `snapshot` (None without any), parents first."""
    if info is None:
        return ()
    current = info.currentSnapshot._moId if info.currentSnapshot is not None else None
    return tuple(_walk(info.rootSnapshotList, None, current))


def _walk(
    trees: Sequence[Any], parent: Optional[str], current: Optional[str]
) -> Iterator[Snapshot]:
    for tree in trees:
        moid = tree.snapshot._moId
        yield Snapshot(
            moid=moid,
            name=tree.name,
            description=tree.description or "",
            created=tree.createTime.astimezone(timezone.utc).isoformat(timespec="seconds"),
            is_quiesced=bool(tree.quiesced),
            is_current=moid == current,
            parent=parent,
        )
        yield from _walk(tree.childSnapshotList, moid, current)
