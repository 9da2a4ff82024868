# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients send, as values: instance creations, resizes, mount points. Raises RefusedError for nonsense.

The bodies follow the vendor's specification and what its real clients were seen to send.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import catalog, rules
from .records import Image, Instance, Interface, Records, Volume, new_uuid
from .refusals import RefusedError, invalid
from .settings import GIB

Body = Mapping[str, Any]

MAC_PATTERN = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
# QEMU's own prefix, as KVM hosts use it; locally administered.
MAC_PREFIX = "52:54:00"
# The words for "any datastore" of the vendor's specification; the lab has one.
ANY_DATASTORE = {"auto", "autoCluster", "", None}


@dataclass(frozen=True)
class Creation:
    """A wanted instance, checked as far as it can be without looking into the image."""

    instance: Instance
    volumes: Sequence[Volume]
    # What the root's content comes from; None: the root is empty.
    content: Image | None
    start: bool


def read_creation(body: Body, records: Records) -> Creation:
    """The instance that `POST /api/instances` asks for, with ids of its own; nothing is recorded."""
    wanted, config = part(body, "instance"), part(body, "config")
    name = str(wanted.get("name", "")).strip()
    rules.check_name(records, name)
    _check_place(body, wanted, config)
    image = _image(config, records)
    instance = Instance(
        id=records.new_id(),
        container=records.new_id(),
        server=records.new_id(),
        controller=records.new_id(),
        name=name,
        plan=_known(catalog.PLANS, wanted, "plan"),
        config=dict(config),
        is_uefi=bool(image and image.attributes.get("uefi")),
        medium=image.id if image and image.image_type == "iso" else None,
        tags=read_tags(body.get("tags") or body.get("metadata")),
        labels=[str(label) for label in body.get("labels") or []],
        description=wanted.get("description"),
        uuid=str(wanted.get("uuid") or new_uuid()),
    )
    instance.interfaces = read_interfaces(body, instance, records)
    instance.cores, instance.memory = read_own_size(body, instance.plan)
    content = None if instance.medium else image
    return Creation(
        instance=instance,
        volumes=_new_volumes(body, instance, records, content),
        content=content,
        start=not config.get("provisionPoweredOff"),
    )


def read_interfaces(body: Body, instance: Instance, records: Records) -> list[Interface]:
    """The NICs of `networkInterfaces`: those with an id of the instance's own are kept."""
    present = {interface.id: interface for interface in instance.interfaces}
    return [
        _interface(entry, present.get(_number(entry.get("id"), "id") or 0), instance, records)
        for entry in entries(body, "networkInterfaces")
    ]


def read_volume(entry: Body, instance: Instance, unit: int, records: Records) -> Volume:
    """A new volume of an instance, from an entry of `volumes`; its size there is in GiB."""
    datastore = entry.get("datastoreId")
    if datastore not in ANY_DATASTORE and str(datastore) != str(catalog.DATASTORE["id"]):
        raise invalid("volumes", f"Datastore not found with id {datastore}")
    return Volume(
        id=records.new_id(),
        name=str(entry.get("name") or f"disk-{unit}"),
        size=read_size(entry),
        datastore=catalog.DATASTORE["id"],
        origin=f"{instance.id}-{instance.container}-{unit}",
        instance=instance.id,
        unit=unit,
        root=bool(entry.get("rootVolume")),
        uuid=str(entry.get("uuid") or new_uuid()),
    )


def read_size(entry: Body) -> int:
    """The size of an entry of `volumes` in bytes; there it is whole GiB."""
    size = _number(entry.get("size"), "volumes") or 0
    if size < 1:
        raise invalid("volumes", f"a size is a whole number of GiB, not {entry.get('size')!r}")
    return size * GIB


def read_own_size(body: Body, plan: int) -> tuple[int | None, int | None]:
    """Cores and bytes of memory that `servicePlanOptions` asks for; None: the plan's."""
    cores = _own_size(body, plan, "maxCores", allowed="customCores")
    return cores, _own_size(body, plan, "maxMemory", allowed="customMaxMemory")


def wanted_unit(entry: Body, taken: set[int | None]) -> int:
    """The unit at the end of the entry's `controllerMountPoint`, else the first free one."""
    mount_point = entry.get("controllerMountPoint")
    if mount_point:
        return _number(str(mount_point).rsplit(":", 1)[-1], "controllerMountPoint") or 0
    return next(unit for unit in range(len(taken) + 1) if unit not in taken)


def read_mount_point(body: Body, instance: Instance) -> int:
    """The unit that an attach asks for. Raises RefusedError unless it names the server's controller."""
    mount_point = body.get("mountPoint")
    if not isinstance(mount_point, Mapping):
        raise RefusedError("mountPoint is required", errors={"mountPoint": "is required"})
    controller = part(mount_point, "controller").get("id")
    if controller != instance.controller:
        raise RefusedError(
            f"Server {instance.name} has no controller {controller}: it has {instance.controller}",
            errors={"mountPoint.controller.id": "not found"},
        )
    unit = mount_point.get("unitNumber")
    if not isinstance(unit, str) or not unit.isdigit():
        raise RefusedError(
            f"unitNumber must be a string of digits, not {unit!r}",
            errors={"mountPoint.unitNumber": "must be a string of digits"},
        )
    return int(unit)


def read_tags(pairs: object) -> dict[str, str]:
    """Tags from the API's list of names and values."""
    if not isinstance(pairs, list):
        return {}
    return {str(pair["name"]): str(pair.get("value") or "") for pair in pairs if "name" in pair}


def part(body: Body, name: str) -> Body:
    """An object inside the body; an empty one where it is missing."""
    value = body.get(name)
    return value if isinstance(value, Mapping) else {}


def entries(body: Body, name: str) -> list[Body]:
    """A list of objects inside the body; an empty one where it is missing."""
    value = body.get(name)
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _check_place(body: Body, wanted: Body, config: Body) -> None:
    """Cloud, group, type, layout and pool exist. Raises RefusedError for the first that does not."""
    zone = body.get("zoneId", catalog.ZONE["id"])
    if str(zone) != str(catalog.ZONE["id"]):
        raise invalid("zoneId", f"Cloud not found with id {zone}")
    _known(catalog.GROUPS, wanted, "site")
    if part(wanted, "instanceType").get("code") != catalog.INSTANCE_TYPE["code"]:
        code = part(wanted, "instanceType").get("code")
        raise invalid("instanceType", f"Instance type not found with code {code}")
    _known(catalog.LAYOUTS, wanted, "layout")
    if config.get("poolProviderType", "mvm") != "mvm":
        raise invalid("poolProviderType", "must be mvm")
    pool = str(config.get("resourcePoolId", "")).removeprefix("pool-")
    if pool != str(catalog.POOL["id"]):
        raise invalid("resourcePoolId", f"Resource pool not found with id {pool or None}")


def _known(offered: Sequence[catalog.Entry], wanted: Body, name: str) -> int:
    number = part(wanted, name).get("id")
    if not any(str(entry["id"]) == str(number) for entry in offered):
        raise invalid(name, f"{name.capitalize()} not found with id {number}")
    return int(number or 0)


def _own_size(body: Body, plan: int, name: str, *, allowed: str) -> int | None:
    """What `servicePlanOptions` asks for, where the plan lets an instance have its own. What a real appliance
    does with a wish that its plan does not allow is not documented; the lab refuses it, unless it is the plan's.
    """
    wanted = _number(part(body, "servicePlanOptions").get(name), name)
    entry = catalog.pick(catalog.PLANS, plan, "plan")
    if wanted is not None and wanted != entry[name] and not entry[allowed]:
        raise invalid(name, f"the plan does not let an instance have its own {name}")
    return wanted


def _image(config: Body, records: Records) -> Image | None:
    number = _number(config.get("imageId"), "imageId")
    if number is None:
        return None
    image = records.images.get(number)
    if image is None:
        raise invalid("imageId", f"Virtual image not found with id {number}")
    rules.check_image(image)
    return image


def _new_volumes(
    body: Body, instance: Instance, records: Records, content: Image | None
) -> list[Volume]:
    volumes: list[Volume] = []
    for entry in entries(body, "volumes"):
        taken = {volume.unit for volume in volumes}
        unit = wanted_unit(entry, taken)
        rules.check_unit(unit, taken)
        volumes.append(read_volume(entry, instance, unit, records))
    roots = [volume for volume in volumes if volume.root]
    if len(roots) != 1:
        raise invalid("volumes", f"one volume must be the root, not {len(roots)}")
    roots[0].source_image = content.name if content else ""
    return volumes


def _interface(
    entry: Body, present: Interface | None, instance: Instance, records: Records
) -> Interface:
    network = catalog.pick(catalog.NETWORKS, part(entry, "network").get("id"), "network")
    mac = str(entry.get("macAddress") or (present.mac if present else _new_mac())).lower()
    if not MAC_PATTERN.fullmatch(mac):
        raise invalid("networkInterfaces", f"{mac!r} is no MAC address")
    others = (each for each in records.instances.values() if each.id != instance.id)
    holder = next((each for each in others if mac in {nic.mac for nic in each.interfaces}), None)
    if holder:
        raise invalid("networkInterfaces", f"MAC {mac} belongs to instance {holder.name}")
    return Interface(present.id if present else records.new_id(), network["id"], mac)


def _new_mac() -> str:
    return f"{MAC_PREFIX}:{secrets.token_bytes(3).hex(':')}"


def _number(value: object, field: str) -> int | None:
    """An integer given as one or as digits; None for nothing, or for the -1 of a new object."""
    if value in {None, "", -1, "-1"}:
        return None
    if isinstance(value, bool) or not str(value).isdigit():
        raise invalid(field, f"{value!r} is not a whole number")
    return int(str(value))
