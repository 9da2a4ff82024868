# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What the volumes of a target need before a sync, since its source's disks are others now. PRIVATE. Pure.

    disk added      a volume of its name is made
    disk grown      its volume grows, to whole GiB; none is ever shrunk
    disk removed    its volume stays, and the operator says whether it is deleted

A disk and its volume know each other by the operator's map or by name. Where neither is so, they pair by
their order: then nothing is added or removed, for that would be a guess.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Collection, Mapping, Sequence

from ..errors import InputError
from ..units import show_exact_size, up_to_gib
from .pairing import Disk, Volume, choose_volumes, guest_volumes


@dataclass(frozen=True)
class Change:
    """A volume that is made (`old_size` 0) or grows. Sizes are bytes; `size` is whole GiB."""

    name: str
    disk: str
    size: int
    old_size: int
    datastore: str

    def tell(self) -> str:
        """Return the change for an operator."""
        now = show_exact_size(self.size)
        if not self.old_size:
            return f"volume {self.name} of {now} is made on {self.datastore} for disk {self.disk}"
        return f"volume {self.name} grows from {show_exact_size(self.old_size)} to {now}"


@dataclass(frozen=True)
class VolumeChanges:
    """All that becomes of a target's volumes. `kept` take no disk any more; `deleted` go with their data."""

    changes: Sequence[Change] = ()
    kept: Sequence[str] = ()
    deleted: Sequence[str] = ()

    def tell(self) -> list[str]:
        """Return what will happen, a sentence without its end for each volume."""
        gone = [f"volume {name} is deleted with its data" for name in self.deleted]
        return [*(each.tell() for each in self.changes), *gone]

    def as_options(self) -> dict[str, Any]:
        """Return the changes as options of `morpheus_volume_set`, and what they say."""
        volumes = [
            {"name": each.name, "size": each.size, "datastore": each.datastore}
            for each in self.changes
        ]
        return {"volumes": volumes, "absent": list(self.deleted), "told": self.tell()}


@dataclass(frozen=True)
class Wishes:
    """What the operator said of the volumes. `deletable` may go; `datastores` are by disk."""

    disk_map: Mapping[str, str] = field(default_factory=dict)
    datastore: str = ""
    datastores: Mapping[str, str] = field(default_factory=dict)
    deletable: Collection[str] = ()

    def datastore_of(self, disk: str) -> str:
        """Return the datastore for the volume of this disk."""
        return self.datastores.get(disk, self.datastore)


def plan_changes(disks: Sequence[Disk], volumes: Sequence[Volume], wishes: Wishes) -> VolumeChanges:
    """Return what the guest's volumes, its root first, need so that each disk has one that holds it.

    Raises InputError where that would be a guess, where a volume that has a disk is to be deleted, and
    where the root volume has lost its disk.
    """
    chosen = choose_volumes(disks, volumes, wishes.disk_map)
    present = {str(each["name"]): each for each in volumes}
    idle = [name for name in present if name not in chosen.values()]
    _refuse_used(chosen, wishes.deletable)
    if idle and volumes[0]["name"] in idle:
        raise InputError(
            f"The target's root volume {volumes[0]['name']} takes no disk of the source: it would boot what the "
            f"source has no more. Disks: {', '.join(chosen)}; volumes: {', '.join(present)}.",
            hint="Name the root volume's disk in ferry_disk_map, or begin anew with another ferry_instance.",
        )
    return VolumeChanges(
        changes=[
            change
            for disk in disks
            for change in _change(disk, present.get(chosen[disk["name"]]), chosen, wishes)
        ],
        kept=[name for name in idle if name not in wishes.deletable],
        deleted=[name for name in idle if name in wishes.deletable],
    )


def held_volumes(instance: Mapping[str, Any], *, worker: str) -> list[Volume]:
    """Return the guest's volumes that the instance has, its root first.

    Raises InputError while the guest's root is attached nowhere, as a run that was killed may leave it: what
    an instance does not have cannot be told from what is missing.
    """
    root = int(instance["tags"].get("ferry_guest_root") or 0)
    if root and root not in {int(each["id"]) for each in instance["volumes"]}:
        raise InputError(
            f"The guest's root volume (id {root}) is not attached to {instance['name']}.",
            hint="Put it back first: ferry.hvm.remove_helpers does.",
        )
    return guest_volumes(instance, worker=worker)


def _refuse_used(chosen: Mapping[str, str], deletable: Collection[str]) -> None:
    used = [f"{volume} (disk {disk})" for disk, volume in chosen.items() if volume in deletable]
    if used:
        raise InputError(
            f"ferry_delete_volumes names volumes that take a disk of the source: {', '.join(used)}.",
            hint="Remove them from ferry_delete_volumes; only volumes without a disk are deleted.",
        )


def _change(
    disk: Disk, volume: Volume | None, chosen: Mapping[str, str], wishes: Wishes
) -> list[Change]:
    old_size = int(volume["size"]) if volume else 0
    if volume and old_size >= int(disk["size"]):
        return []
    name = str(disk["name"])
    size = up_to_gib(int(disk["size"]))
    return [Change(chosen[name], name, size, old_size, wishes.datastore_of(name))]
