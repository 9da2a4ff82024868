# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which moves are legal. Pure: looks at records, changes nothing, raises RefusedError.

The real appliance leaves several of these undocumented; the lab is the stricter judge, so that a
client which passes here has not relied on luck (facts: what a second root or a detach from a running
machine does is unknown).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..hardware import VIRTIO_UNITS
from .records import Image, Instance, InstanceStatus, PowerState, Records, Snapshot, Volume
from .refusals import RefusedError, invalid, not_found
from .settings import GIB

# The name of an instance is also part of file names here.
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

# States in which the appliance itself is at work on an instance.
MOVING = frozenset(
    {
        InstanceStatus.PROVISIONING,
        InstanceStatus.RESIZING,
        InstanceStatus.REMOVING,
        InstanceStatus.STOPPING,
        InstanceStatus.STARTING,
        InstanceStatus.RESTORING,
    }
)


def size_text(size: int) -> str:
    return f"{size / GIB:.1f} GiB ({size})"


def check_idle(instance: Instance) -> None:
    """Nothing else is being done to the instance."""
    if instance.busy or instance.status in MOVING:
        raise RefusedError(
            f"Instance {instance.name} is busy ({instance.status.value}); try again when it is done"
        )


def check_off(instance: Instance) -> None:
    """The instance is idle, and its machine is off."""
    check_idle(instance)
    if instance.power is not PowerState.OFF or instance.status is InstanceStatus.RUNNING:
        raise RefusedError(
            f"Instance {instance.name} must be stopped first: it is {instance.status.value},"
            f" power {instance.power.value}"
        )


def check_start(instance: Instance, volumes: Iterable[Volume]) -> None:
    """The instance may be started: it is idle and has a root to boot from."""
    check_idle(instance)
    if not any(volume.root for volume in volumes):
        raise RefusedError(f"Instance {instance.name} has no root volume to boot from")


def check_detach(instance: Instance, volume: Volume) -> None:
    """The volume may leave the instance."""
    if volume.instance != instance.id:
        raise RefusedError(f"Volume {volume.name} is not attached to server {instance.name}")
    check_off(instance)


def check_attach(
    records: Records, instance: Instance, volume: Volume, *, unit: int, root: bool
) -> None:
    """The volume may join the instance at this unit, as its root or not."""
    if volume.instance is not None:
        holder = records.instances[volume.instance].name
        raise RefusedError(f"Volume {volume.name} is attached to {holder}; detach it there first")
    if volume.status != "provisioned":
        raise RefusedError(f"Volume {volume.name} cannot be attached: it is {volume.status}")
    check_off(instance)
    others = records.volumes_of(instance)
    check_unit(unit, {other.unit for other in others})
    if root and any(other.root for other in others):
        present = next(other.name for other in others if other.root)
        raise RefusedError(f"Instance {instance.name} has a root volume already: {present}")


def check_move(records: Records, instance: Instance, *, under_snapshot: bool) -> None:
    """The instance's set of volumes may change: it has no snapshot, or that is no hindrance."""
    taken = records.snapshots_of(instance)
    if taken and not under_snapshot:
        raise RefusedError(
            f"Volumes of instance {instance.name} cannot be attached or detached while it has"
            f" snapshots: {', '.join(each.name for each in taken)}"
        )


def check_revert(
    records: Records, instance: Instance, snapshot: Snapshot, *, undoes_moves: bool
) -> None:
    """The instance may return to the snapshot: it is off, and nobody else has what comes back."""
    check_off(instance)
    if snapshot.instance != instance.id:
        raise not_found("Snapshot", snapshot.id)
    for disk in snapshot.disks if undoes_moves else ():
        volume = records.volumes[disk.volume]
        if volume.instance not in {None, instance.id}:
            holder = records.instances[volume.instance or 0].name
            raise RefusedError(f"Volume {volume.name} of the snapshot is attached to {holder}")


def check_unit(unit: int, taken: Iterable[int | None]) -> None:
    """The unit exists and is free."""
    if unit not in VIRTIO_UNITS:
        raise RefusedError(f"Unit {unit} does not exist: 0 to {VIRTIO_UNITS[-1]} do")
    if unit in set(taken):
        raise RefusedError(f"Unit {unit} is taken", errors={"unitNumber": "is taken"})


def check_volume_removal(records: Records, volume: Volume) -> None:
    """The volume may be deleted: it belongs to no instance, whatever force is used."""
    if volume.instance is not None:
        holder = records.instances[volume.instance].name
        raise RefusedError(f"Volume {volume.name} is attached to {holder} and cannot be deleted")


def check_instance_removal(instance: Instance, *, force: bool) -> None:
    """The instance may be removed; force passes over a move that got stuck, never over a lock."""
    if instance.locked:
        raise RefusedError(f"Instance {instance.name} is locked")
    if not force:
        check_idle(instance)


def check_name(records: Records, name: str) -> None:
    """The name is one that a new instance may have."""
    if not NAME_PATTERN.fullmatch(name):
        raise invalid(
            "name", f"{name!r} is not a name: letters, digits, dots, hyphens, underscores"
        )
    if any(instance.name == name for instance in records.instances.values()):
        raise invalid("name", f"must be unique: an instance {name} exists")


def check_space(wanted: int, free: int) -> None:
    """The datastore has room for so many bytes more."""
    if wanted > free:
        raise invalid(
            "volumes",
            f"not enough space on the datastore: {size_text(wanted)} wanted, {size_text(free)} free",
        )


def check_growth(records: Records, volume: Volume, size: int) -> None:
    """The volume may get this size: volumes grow or stay, and stay while a snapshot has them."""
    if size < volume.size:
        raise invalid(
            "volumes",
            f"volume {volume.name} cannot shrink from {size_text(volume.size)} to {size_text(size)}",
        )
    holding = [
        snapshot.name
        for snapshot in records.snapshots.values()
        if volume.id in {disk.volume for disk in snapshot.disks}
    ]
    if holding and size > volume.size:
        raise invalid(
            "volumes", f"volume {volume.name} cannot grow: snapshots have it ({', '.join(holding)})"
        )


def check_image(image: Image) -> None:
    """The image can be provisioned from: it is complete and has exactly one file."""
    if image.status != "Active":
        raise invalid("imageId", f"image {image.name} is not ready: {image.status}")
    if len(image.files) != 1:
        raise invalid("imageId", f"image {image.name} has {len(image.files)} files, not one")


def check_image_fits(image: Image, virtual_size: int, root_size: int) -> None:
    """The root volume has room for the image's content."""
    if virtual_size > root_size:
        raise invalid(
            "volumes",
            f"image {image.name} needs {size_text(virtual_size)},"
            f" the root volume has {size_text(root_size)}",
        )
