# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the appliance offers, fixed for the lab: cloud, group, cluster, plans, networks, datastore.

Written as the API answers it, so that a look at this table is a look at the API. The ids are small
and far from those of the records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..settings import ISOLATED, MIGRATION, PRODUCTION
from .refusals import RefusedError
from .settings import GIB

Entry = Mapping[str, Any]

ACCOUNT: Entry = {"id": 1, "name": "Ferry Lab"}
ZONE: Entry = {"id": 2, "name": "Lab Cloud"}
GROUP: Entry = {"id": 3, "name": "Lab Group"}
CLUSTER: Entry = {"id": 5, "name": "lab-cluster"}
DATASTORE: Entry = {"id": 12, "name": "lab-datastore"}
POOL: Entry = {"id": 7, "name": "lab-cluster"}
INSTANCE_TYPE: Entry = {"id": 41, "code": "mvm", "name": "HVM"}
LAYOUT: Entry = {"id": 301, "code": "mvm-1.0-single", "name": "Single HVM VM"}
PROVISION_TYPE: Entry = {"id": 31, "code": "kvm", "name": "KVM"}
VOLUME_TYPE: Entry = {"id": 1, "code": "standard", "name": "Disk"}
CONTROLLER_TYPE: Entry = {"id": 9, "code": "virtio", "name": "Virtio"}

ZONES: Sequence[Entry] = (
    {
        **ZONE,
        "accountId": ACCOUNT["id"],
        "code": "lab-cloud",
        "enabled": True,
        "status": "ok",
        "visibility": "private",
        "zoneType": {"id": 39, "code": "standard", "name": "HPE VM Essentials"},
        "zoneTypeId": 39,
        "groups": [{**GROUP, "accountId": ACCOUNT["id"]}],
    },
)

GROUPS: Sequence[Entry] = (
    {**GROUP, "accountId": ACCOUNT["id"], "active": True, "labels": [], "zones": [ZONE]},
)

CLUSTERS: Sequence[Entry] = (
    {
        **CLUSTER,
        "enabled": True,
        "managed": True,
        "status": "ok",
        "type": {"id": 17, "name": "HVM Cluster"},
        "site": GROUP,
        "zone": ZONE,
        "labels": [],
    },
)

RESOURCE_POOLS: Sequence[Entry] = (
    {
        **POOL,
        "active": True,
        "defaultPool": True,
        "externalId": "lab-cluster",
        "status": "available",
        "type": "mvm",
        "visibility": "private",
        "zone": ZONE,
    },
)

INSTANCE_TYPES: Sequence[Entry] = (
    {
        **INSTANCE_TYPE,
        "active": True,
        "category": "os",
        "featured": True,
        "provisionTypeCode": PROVISION_TYPE["code"],
        "visibility": "public",
        "instanceTypeLayouts": [
            {"id": LAYOUT["id"], "name": LAYOUT["name"], "provisionTypeCode": "kvm"}
        ],
    },
)

LAYOUTS: Sequence[Entry] = (
    {
        **LAYOUT,
        "creatable": True,
        "instanceVersion": "1.0",
        "instanceType": INSTANCE_TYPE,
        "provisionType": PROVISION_TYPE,
        "labels": [],
    },
)

PROVISION_TYPES: Sequence[Entry] = (
    {**PROVISION_TYPE, "hasVolumes": True, "hasDatastore": True, "hasNetworks": True},
)

VOLUME_TYPES: Sequence[Entry] = (
    {**VOLUME_TYPE, "category": "disk", "enabled": True, "defaultType": True, "displayOrder": 1},
)

OS_TYPES: Sequence[Entry] = (
    {"id": 61, "code": "debian.12.64", "name": "Debian 12 64-bit", "platform": "linux"},
    {"id": 62, "code": "other.linux.64", "name": "Linux 64-bit", "platform": "linux"},
)


def _plan(number: int, cores: int, memory: int, *, is_custom: bool = False) -> Entry:
    """A plan of this size; a custom one lets each instance have cores and memory of its own."""
    name = "lab-custom" if is_custom else f"lab-{cores}c-{memory / GIB:g}g"
    return {
        "id": number,
        "code": name,
        "name": name,
        "active": True,
        "addVolumes": True,
        "customCores": is_custom,
        "customMaxMemory": is_custom,
        "customMaxStorage": True,
        "description": f"{cores} cores, {memory / GIB:g} GiB of memory",
        "maxCores": cores,
        "maxMemory": memory,
        "maxStorage": 0,
        "provisionType": PROVISION_TYPE,
        "visibility": "public",
    }


PLANS: Sequence[Entry] = (
    _plan(71, 1, GIB // 2),
    _plan(72, 1, GIB),
    _plan(73, 2, 2 * GIB),
    _plan(74, 1, GIB, is_custom=True),
)


def size_of(plan: int, cores: int | None, memory: int | None) -> tuple[int, int]:
    """Cores and bytes of memory of an instance: its own where it has some, else its plan's."""
    entry = pick(PLANS, plan, "plan")
    return cores or entry["maxCores"], memory or entry["maxMemory"]


def _network(number: int, name: str, *, dhcp: bool) -> Entry:
    return {
        "id": number,
        "name": name,
        "displayName": name,
        "active": True,
        "bridgeName": name,
        "dhcpServer": dhcp,
        "externalType": "bridge",
        "labels": [],
        "status": "available",
        "type": {"id": 33, "code": "kvm-bridge", "name": "Bridge"},
        "visibility": "private",
        "zone": ZONE,
    }


NETWORKS: Sequence[Entry] = (
    _network(21, PRODUCTION, dhcp=False),
    _network(22, MIGRATION, dhcp=True),
    _network(23, ISOLATED, dhcp=False),
)


def datastore(capacity: int, free: int) -> Entry:
    """The lab's one datastore with its sizes of this moment, in bytes."""
    return {
        **DATASTORE,
        "active": True,
        "allowProvision": True,
        "allowRead": True,
        "allowWrite": True,
        "datastoreType": {"id": 4, "code": "mvm-directory", "name": "Directory"},
        "freeSpace": free,
        "online": True,
        "status": "provisioned",
        "statusMessage": "",
        "storageSize": capacity,
        "type": "generic",
        "visibility": "private",
        "zone": {"id": ZONE["id"]},
    }


def pick(entries: Sequence[Entry], number: object, kind: str) -> Entry:
    """The entry with this id, given as a number, as digits, or as `kind-number` (`network-21`).

    Raises RefusedError, status 404, if there is none.
    """
    digits = str(number).removeprefix(f"{kind}-")
    for entry in entries:
        if str(entry["id"]) == digits:
            return entry
    raise RefusedError(f"{kind} not found with id {number}", status=404)
