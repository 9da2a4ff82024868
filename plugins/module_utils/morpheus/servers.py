# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Servers: the virtual machines under instances, where volumes are attached. PRIVATE.

An instance's own lists of volumes and interfaces may lag behind its server's (a server-level verb
changed them), so everything about hardware is read here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .client import MorpheusClient
from .parse import Json, child, children, maybe_int, need_child, need_id, text
from .volumes import Volume, parse_volume


@dataclass(frozen=True)
class Interface:
    """A network card. `mac` is in lower case; `address` is as the appliance knows it, or ""."""

    id: Optional[int]
    network_id: Optional[int]
    network: str
    mac: str
    address: str

    def as_result(self) -> Dict[str, Any]:
        """Return what modules show of an interface."""
        return {
            "id": self.id,
            "network": self.network,
            "mac": self.mac,
            "address": self.address,
        }


@dataclass(frozen=True)
class Controller:
    """A disk controller. `max_devices` is without the reserved unit (its own place on the bus)."""

    id: int
    name: str
    max_devices: int
    reserved_unit: Optional[int]

    @property
    def units(self) -> Sequence[int]:
        """The units that a volume can have."""
        end = self.max_devices + (self.reserved_unit is not None)
        return [unit for unit in range(end) if unit != self.reserved_unit]


@dataclass(frozen=True)
class Server:
    """One virtual machine. `power_state` is on, off, paused or unknown; `memory` is in bytes."""

    id: int
    uuid: str
    name: str
    status: str
    power_state: str
    instance_id: Optional[int]
    instance_name: str
    volumes: Tuple[Volume, ...]
    interfaces: Tuple[Interface, ...]
    controllers: Tuple[Controller, ...]
    cpus: Optional[int] = None
    memory: Optional[int] = None
    cores_per_socket: Optional[int] = None

    @property
    def plan_options(self) -> Dict[str, int]:
        """Return its CPUs and memory as requests name them (`servicePlanOptions`), as far as they are told."""
        told = {
            "maxCores": self.cpus,
            "maxMemory": self.memory,
            "coresPerSocket": self.cores_per_socket,
        }
        return {name: value for name, value in told.items() if value}

    def volume(self, volume_id: int) -> Optional[Volume]:
        """Return the attached volume with this id, None if it is not attached here."""
        return next((each for each in self.volumes if each.id == volume_id), None)


def parse_server(thing: Json) -> Server:
    """Return the server that the API describes; the root volume first, then by unit."""
    volumes = sorted(
        map(parse_volume, children(thing, "volumes")),
        key=lambda each: (not each.is_root, each.unit is None, each.unit or 0, each.id),
    )
    instance = child(thing, "instance")
    return Server(
        id=need_id(thing, "server"),
        uuid=text(thing.get("uuid")),
        name=text(thing.get("name")),
        status=text(thing.get("status")).lower(),
        power_state=text(thing.get("powerState")).lower(),
        instance_id=maybe_int(instance.get("id")),
        instance_name=text(instance.get("name")),
        volumes=tuple(volumes),
        interfaces=tuple(map(_parse_interface, children(thing, "interfaces"))),
        controllers=tuple(map(_parse_controller, children(thing, "controllers"))),
        cpus=maybe_int(thing.get("maxCores")),
        memory=maybe_int(thing.get("maxMemory")),
        cores_per_socket=maybe_int(thing.get("coresPerSocket")),
    )


def find_server(client: MorpheusClient, server_id: int) -> Optional[Server]:
    """Return the server, None if there is none."""
    answer = client.find(f"/api/servers/{server_id}")
    return parse_server(need_child(answer, "server")) if answer is not None else None


def list_servers(client: MorpheusClient) -> List[Server]:
    """Return every virtual machine that the user may see, with its volumes."""
    return [
        parse_server(each)
        for each in client.list_all("/api/servers", "servers", {"vm": "true", "stats": "false"})
    ]


def find_holder(client: MorpheusClient, volume_id: int) -> Optional[Server]:
    """Return the server that the volume is attached to, None if it is attached nowhere."""
    return next((each for each in list_servers(client) if each.volume(volume_id)), None)


def attach_volume(
    client: MorpheusClient,
    server: Server,
    volume_id: int,
    *,
    controller_id: int,
    unit: int,
    as_root: bool,
) -> None:
    """Ask to attach; what came of it is seen on the server. The unit goes as a string (API)."""
    client.request(
        "PUT",
        f"/api/servers/{server.id}/volumes/{volume_id}/attach",
        body={
            "mountPoint": {"controller": {"id": controller_id}, "unitNumber": str(unit)},
            "rootVolume": as_root,
        },
    )


def detach_volume(client: MorpheusClient, server: Server, volume_id: int) -> None:
    """Ask to detach; what came of it is seen on the server."""
    client.request("PUT", f"/api/servers/{server.id}/volumes/{volume_id}/detach")


def _parse_interface(thing: Json) -> Interface:
    network = child(thing, "network")
    return Interface(
        id=maybe_int(thing.get("id")),
        network_id=maybe_int(network.get("id")),
        network=text(network.get("name")),
        mac=text(thing.get("macAddress")).lower(),
        address=text(thing.get("ipAddress")) or text(thing.get("ipv6Address")),
    )


def _parse_controller(thing: Json) -> Controller:
    reserved = maybe_int(thing.get("reservedUnitNumber"))
    return Controller(
        id=need_id(thing, "controller"),
        name=text(thing.get("name")),
        max_devices=maybe_int(thing.get("maxDevices")) or 0,
        reserved_unit=reserved if reserved is not None and reserved >= 0 else None,
    )
