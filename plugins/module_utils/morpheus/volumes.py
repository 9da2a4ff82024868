# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Storage volumes of the appliance. PRIVATE to the collection.

A volume belongs to a server, or to none. Who holds it is only told reliably by the servers: the
volume's own reference names the cluster (`refType` ComputeServerGroup in the vendor's example).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from ..units import GIB, up_to_gib
from ..waiting import Waiter
from .client import MorpheusClient
from .errors import NoSuchObjectError
from .parse import Json, maybe_int, need_child, need_id, text

READY = "provisioned"


@dataclass(frozen=True)
class Volume:
    """One volume. `size` is in bytes; `unit` and `controller_id` are its place, None if not told.

    `mount_point` is the same place in the API's notation, "controller:bus:type:unit".
    """

    id: int
    uuid: str
    name: str
    size: int
    is_root: bool
    unit: Optional[int]
    controller_id: Optional[int]
    status: str
    status_message: str = ""
    type_id: Optional[int] = None
    datastore_id: Optional[int] = None
    mount_point: str = ""

    def __str__(self) -> str:
        return f'volume "{self.name}" (id {self.id})'

    def as_result(self) -> Dict[str, Any]:
        """Return what modules show of a volume."""
        return {
            "id": self.id,
            "uuid": self.uuid,
            "name": self.name,
            "size": self.size,
            "root": self.is_root,
            "unit": self.unit,
            "controller_id": self.controller_id,
        }


def parse_volume(thing: Json) -> Volume:
    """Return the volume that a server, or the list of volumes, describes."""
    return Volume(
        id=need_id(thing, "volume"),
        uuid=text(thing.get("uuid")),
        name=text(thing.get("name")),
        size=maybe_int(thing.get("maxStorage")) or 0,
        is_root=thing.get("rootVolume") is True,
        unit=maybe_int(thing.get("unitNumber")),
        controller_id=maybe_int(thing.get("controllerId")),
        status=text(thing.get("status")).lower(),
        status_message=text(thing.get("statusMessage")),
        type_id=maybe_int(thing.get("typeId")),
        datastore_id=maybe_int(thing.get("datastoreId")),
        mount_point=text(thing.get("controllerMountPoint")),
    )


def whole_gib(size: int) -> int:
    """Return the API's unit for sizes of volumes: `size` bytes in GiB, rounded up."""
    return up_to_gib(size) // GIB


def list_volumes(client: MorpheusClient, *, name: str = "") -> List[Volume]:
    """Return all volumes, or all that have exactly this name."""
    query = {"name": name} if name else {}
    found = map(parse_volume, client.list_all("/api/storage-volumes", "storageVolumes", query))
    return [each for each in found if not name or each.name == name]


def find_volume(client: MorpheusClient, volume_id: int) -> Optional[Volume]:
    """Return the volume, None if there is none."""
    answer = client.find(f"/api/storage-volumes/{volume_id}")
    return parse_volume(need_child(answer, "storageVolume")) if answer is not None else None


def get_volume(client: MorpheusClient, volume_id: int) -> Volume:
    """Return the volume. Raises `NoSuchObjectError`."""
    found = find_volume(client, volume_id)
    if found is None:
        raise NoSuchObjectError(
            f"There is no volume with id {volume_id}.", hint="It may have been deleted."
        )
    return found


def wait_until_ready(client: MorpheusClient, volume_id: int, waiter: Waiter) -> Volume:
    """Return the volume once the appliance has it ready for use."""
    return waiter.until(
        lambda: get_volume(client, volume_id),
        lambda volume: volume.status == READY,
        what=f'volume {volume_id} to be "{READY}"',
        describe=lambda volume: f'{volume} is "{volume.status}" {volume.status_message}'.strip(),
    )


def remove_volume(client: MorpheusClient, volume: Volume, waiter: Waiter) -> None:
    """Delete the volume and its data for good, and wait until the appliance has forgotten it.

    The caller has made sure that no server holds it; `force` only because the appliance may still
    count a former holder.
    """
    client.remove(f"/api/storage-volumes/{volume.id}", {"force": "on"})
    waiter.until(
        lambda: find_volume(client, volume.id),
        lambda seen: seen is None,
        what=f"{volume} to be gone",
        describe=lambda seen: (
            f'it is "{seen.status}" {seen.status_message}'.strip() if seen else ""
        ),
    )
