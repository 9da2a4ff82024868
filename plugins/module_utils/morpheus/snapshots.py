# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Snapshots of instances. PRIVATE to the collection.

The appliance takes, returns to and deletes them in its own time; a new one has no id until it is in
the list. They carry no tags: a name is all that marks one as ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from .client import MorpheusClient
from .instances import Instance
from .parse import Json, child, children, maybe_int, need_child, need_id, text

# The only status that the vendor's description shows; what it calls a failed one is not told.
READY = "complete"
FAILED = frozenset({"failed", "error"})


@dataclass(frozen=True)
class Snapshot:
    """One snapshot. `is_active` says that the disks were written on from it; `created` is UTC."""

    id: int
    name: str
    description: str
    status: str
    created: str
    is_active: bool
    volume_ids: Tuple[int, ...]

    def __str__(self) -> str:
        return f'snapshot "{self.name}" (id {self.id})'

    @property
    def is_passing(self) -> bool:
        """Whether it is neither whole nor failed: the appliance is still at work on it."""
        return self.status != READY and self.status not in FAILED

    def as_result(self) -> Dict[str, Any]:
        """Return what modules show of a snapshot."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "status": self.status,
            "created": self.created,
            "active": self.is_active,
            "volume_ids": list(self.volume_ids),
        }


def parse_snapshot(thing: Json) -> Snapshot:
    """Return the snapshot that the API describes."""
    files = children(thing, "snapshotFiles")
    volumes = (maybe_int(child(each, "volume").get("id")) for each in files)
    return Snapshot(
        id=need_id(thing, "snapshot"),
        name=text(thing.get("name")),
        description=text(thing.get("description")),
        status=text(thing.get("status")).lower(),
        created=text(thing.get("snapshotCreated")) or text(thing.get("dateCreated")),
        is_active=thing.get("currentlyActive") is True,
        volume_ids=tuple(number for number in volumes if number is not None),
    )


def list_snapshots(client: MorpheusClient, instance: Instance) -> List[Snapshot]:
    """Return the instance's snapshots, the oldest first. The list is not paged (API)."""
    answer = client.get(f"/api/instances/{instance.id}/snapshots")
    found = map(parse_snapshot, children(answer, "snapshots"))
    return sorted(found, key=lambda each: each.id)


def list_named(client: MorpheusClient, instance: Instance, name: str) -> List[Snapshot]:
    """Return the instance's snapshots with exactly this name, the oldest first."""
    return [each for each in list_snapshots(client, instance) if each.name == name]


def find_snapshot(client: MorpheusClient, snapshot_id: int) -> Optional[Snapshot]:
    """Return the snapshot, None if there is none."""
    answer = client.find(f"/api/snapshots/{snapshot_id}")
    return parse_snapshot(need_child(answer, "snapshot")) if answer is not None else None


def take_snapshot(
    client: MorpheusClient, instance: Instance, *, name: str, description: str
) -> None:
    """Ask for a snapshot of all volumes, without memory; what came of it is seen in the list."""
    wanted = {"name": name, "description": description, "memorySnapshot": False}
    client.request("PUT", f"/api/instances/{instance.id}/snapshot", body={"snapshot": wanted})


def revert(client: MorpheusClient, instance: Instance, snapshot: Snapshot) -> None:
    """Ask to bring the instance's volumes back to the snapshot."""
    client.request("PUT", f"/api/instances/{instance.id}/revert-snapshot/{snapshot.id}")


def remove_snapshot(client: MorpheusClient, snapshot: Snapshot) -> None:
    """Ask to delete the snapshot; the volumes keep what they hold."""
    client.remove(f"/api/snapshots/{snapshot.id}", once=True)
