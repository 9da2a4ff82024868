# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines and volumes for tests of plans, parsed from the appliance's own words."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Dict, Mapping, Sequence

from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.instances import parse_instance
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.machines import Machine
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.servers import parse_server
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.volumes import (
    Volume,
    parse_volume,
)

CONTROLLER = 5
GIB = 1 << 30


def volume_json(number: int, name: str, **changes: Any) -> Dict[str, Any]:
    """A volume as a server's list has it; attached to nothing unless `unitNumber` is given."""
    is_attached = changes.get("unitNumber") is not None
    return {
        "id": number,
        "uuid": f"uuid-{number}",
        "name": name,
        "maxStorage": 2 * GIB,
        "rootVolume": False,
        "unitNumber": None,
        "controllerId": CONTROLLER if is_attached else None,
        "status": "provisioned",
        "statusMessage": None,
        **changes,
    }


def volume(number: int, name: str, **changes: Any) -> Volume:
    return parse_volume(volume_json(number, name, **changes))


ROOT = volume_json(11, "root", rootVolume=True, unitNumber="0")
DATA = volume_json(12, "data", unitNumber="1")


def machine(
    name: str = "web01",
    *,
    number: int = 100,
    status: str = "stopped",
    power: str = "off",
    volumes: Sequence[Dict[str, Any]] = (ROOT, DATA),
    interfaces: Sequence[Dict[str, Any]] = (),
    controllers: Sequence[Dict[str, Any]] = (
        {"id": CONTROLLER, "name": "Virtio 0", "maxDevices": 4, "reservedUnitNumber": -1},
    ),
    server: Mapping[str, Any] = MappingProxyType({}),
    **instance: Any,
) -> Machine:
    """A machine whose instance is `number` and whose server is the next one."""
    return Machine(
        parse_instance(
            {
                "id": number,
                "uuid": f"uuid-{number}",
                "name": name,
                "status": status,
                "servers": [number + 1],
                "volumes": [{"id": each["id"]} for each in volumes],
                "tags": [{"id": 1, "name": "ferry", "value": "web01"}],
                "labels": ["ferry"],
                **instance,
            }
        ),
        parse_server(
            {
                "id": number + 1,
                "name": name,
                "powerState": power,
                "instance": {"id": number, "name": name},
                "volumes": list(volumes),
                "interfaces": list(interfaces),
                "controllers": list(controllers),
                **server,
            }
        ),
    )


def interface_json(number: int, network: int, mac: str) -> Dict[str, Any]:
    return {
        "id": number,
        "network": {"id": network, "name": f"network {network}"},
        "macAddress": mac,
        "ipAddress": None,
    }
