# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of instances: taken, returned to and deleted over all volumes at once.

The layers are the storage's; what a snapshot is made of, and which volumes a revert brings back, is
here. The caller has asked the rules, and the instance is off meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable

from .records import Instance, Records, Snapshot, SnapshotDisk, Volume
from .storage import Storage


def draw_up(records: Records, instance: Instance, name: str, description: str | None) -> Snapshot:
    """The snapshot that would be taken of the instance as it is; nothing is recorded."""
    return Snapshot(
        id=records.new_id(),
        name=name,
        instance=instance.id,
        disks=[
            SnapshotDisk(each.id, each.unit or 0, each.root)
            for each in records.volumes_of(instance)
        ],
        description=description,
        parent=instance.snapshot,
    )


async def take(snapshot: Snapshot, records: Records, storage: Storage) -> None:
    """The snapshot is recorded, and holds what its volumes hold."""
    for volume in _volumes(snapshot, records):
        await storage.keep_layer(volume, snapshot.id)
    records.snapshots[snapshot.id] = snapshot
    records.instances[snapshot.instance].snapshot = snapshot.id


async def revert(
    snapshot: Snapshot, records: Records, storage: Storage, *, undoes_moves: bool
) -> None:
    """The instance's volumes hold what they held at the snapshot.

    With `undoes_moves` they are also those that it had, where they were; without, one that left
    since is left alone, and one that came since stays as it is.
    """
    instance = records.instances[snapshot.instance]
    if undoes_moves:
        _undo_moves(snapshot, instance, records)
    for volume in _volumes(snapshot, records):
        if volume.instance == instance.id:
            await storage.return_to_layer(volume, snapshot.id)
    instance.snapshot = snapshot.id


async def delete(snapshot: Snapshot, records: Records, storage: Storage) -> None:
    """There is no such snapshot any more; volumes and other snapshots hold what they held."""
    for volume in _volumes(snapshot, records):
        await storage.drop_layer(volume, snapshot.id)
    del records.snapshots[snapshot.id]
    instance = records.instances[snapshot.instance]
    if instance.snapshot == snapshot.id:
        instance.snapshot = snapshot.parent
    for other in records.snapshots_of(instance):
        if other.parent == snapshot.id:
            other.parent = snapshot.parent


def _undo_moves(snapshot: Snapshot, instance: Instance, records: Records) -> None:
    for volume in records.volumes_of(instance):
        volume.release()
    for disk in snapshot.disks:
        volume = records.volumes[disk.volume]
        volume.instance, volume.unit, volume.root = instance.id, disk.unit, disk.root


def _volumes(snapshot: Snapshot, records: Records) -> Iterable[Volume]:
    return [records.volumes[disk.volume] for disk in snapshot.disks]
