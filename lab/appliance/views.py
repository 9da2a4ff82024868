# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records as the API writes them: the fields of the vendor's schemas that a migration can need.

A field that the schema does not allow to be null is left out while there is nothing to say.
"""

from __future__ import annotations

from typing import Any

from . import catalog
from .records import Image, Instance, Interface, Process, Records, Snapshot, SnapshotDisk, Volume
from .rules import MOVING
from .settings import GIB

Json = dict[str, Any]

OWNER = {"id": 1, "username": "operator"}

# What all instances of the lab have in common.
_INSTANCE_KIND = {
    "instanceType": catalog.INSTANCE_TYPE,
    "layout": {
        **catalog.LAYOUT,
        "provisionTypeId": catalog.PROVISION_TYPE["id"],
        "provisionTypeCode": catalog.PROVISION_TYPE["code"],
    },
    "group": catalog.GROUP,
    "cloud": {**catalog.ZONE, "type": "standard"},
    "cluster": catalog.CLUSTER,
}
# And their volumes, whose files all lie in the one datastore.
_VOLUME_KIND = {
    "account": catalog.ACCOUNT,
    "owner": catalog.ACCOUNT,
    "category": "disk",
    "configurableIOPS": False,
    "datastore": catalog.DATASTORE,
    "diskMode": "virtio",
    "diskType": "file",
    "imageType": "qcow2",
    "isMultiAttach": False,
    "online": True,
    "readOnly": False,
    "resizeable": True,
    "refId": catalog.CLUSTER["id"],
    "refType": "ComputeServerGroup",
    "type": catalog.VOLUME_TYPE,
    "typeId": catalog.VOLUME_TYPE["id"],
    "volumeType": "disk",
    "zone": catalog.ZONE,
    "zoneId": catalog.ZONE["id"],
}


def tags(pairs: dict[str, str]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in pairs.items()]


def image(record: Image) -> Json:
    return {
        **record.attributes,
        "id": record.id,
        "name": record.name,
        "imageType": record.image_type,
        "status": record.status,
        "rawSize": sum(record.files.values()) or None,
        "labels": record.labels,
        "tags": tags(record.tags),
        "ownerId": catalog.ACCOUNT["id"],
        "tenant": catalog.ACCOUNT,
        "systemImage": False,
        "userUploaded": bool(record.files),
        "userDefined": False,
        "dateCreated": record.created,
        "lastUpdated": record.created,
    }


def cloud_files(record: Image) -> list[Json]:
    """`size` is a number of GiB with a fraction; `contentLength` is what a client can rely on."""
    return [
        {"name": name, "size": length / GIB, "contentLength": length}
        for name, length in record.files.items()
    ]


def volume(record: Volume, records: Records) -> Json:
    """A storage volume. It does not say which server has it: the server's volumes do."""
    holder = None if record.instance is None else records.instances[record.instance]
    return {
        **_VOLUME_KIND,
        **_place(record, holder),
        "id": record.id,
        "uuid": record.uuid,
        "name": record.name,
        "active": True,
        "datastoreId": record.datastore,
        "externalId": f"{record.origin}/{record.uuid}.qcow2",
        "maxStorage": record.size,
        "usedStorage": 0,
        "removable": not record.root,
        "sourceImage": record.source_image,
        "status": record.status,
        "statusMessage": None,
        "uniqueId": f"morpheus-vol-{record.origin}",
        "volumeName": f"{record.uuid}.qcow2",
    }


def instance(record: Instance, records: Records) -> Json:
    return {
        "id": record.id,
        "uuid": record.uuid,
        "accountId": catalog.ACCOUNT["id"],
        "tenant": catalog.ACCOUNT,
        "name": record.name,
        "displayName": record.name,
        "description": record.description,
        "hostName": record.name,
        "status": record.status.value,
        "statusMessage": record.message,
        "errorMessage": record.message,
        "isBusy": record.busy or record.status in MOVING,
        "locked": record.locked,
        **_INSTANCE_KIND,
        **_capacity(record, records),
        "config": record.config,
        "tags": tags(record.tags),
        "labels": record.labels,
        "containers": [record.container],
        "servers": [record.server],
        "controllers": _controllers(record),
        "volumes": [_instance_volume(each, record) for each in records.volumes_of(record)],
        "interfaces": [_instance_interface(each) for each in record.interfaces],
        "connectionInfo": [
            {"ip": each.address, "port": 22, "name": record.name}
            for each in record.interfaces
            if each.address
        ],
        "createdBy": OWNER,
        "owner": OWNER,
        "dateCreated": record.created,
        "lastUpdated": record.created,
    }


def container(record: Instance, records: Records) -> Json:
    """An entry of `containerDetails`."""
    return {
        "id": record.container,
        "name": f"{record.name}_{record.container}",
        "instance": {"id": record.id, "name": record.name},
        "server": server(record, records),
    }


def server(record: Instance, records: Records) -> Json:
    return {
        "id": record.server,
        "uuid": record.server_uuid,
        "accountId": catalog.ACCOUNT["id"],
        "account": catalog.ACCOUNT,
        "name": record.name,
        "hostname": record.name,
        "status": "provisioning" if record.status == "provisioning" else "provisioned",
        "statusMessage": record.message,
        "errorMessage": record.message,
        "powerState": record.power.value,
        "agentInstalled": False,
        "instance": {"id": record.id, "name": record.name, "displayName": record.name},
        "containers": [record.container],
        "controllers": _controllers(record),
        "volumes": [volume(each, records) for each in records.volumes_of(record)],
        "interfaces": [
            _server_interface(number, each) for number, each in enumerate(record.interfaces)
        ],
        "internalIp": next((each.address for each in record.interfaces if each.address), None),
        "labels": record.labels,
        "tags": tags(record.tags),
        **_capacity(record, records),
        "resourcePoolId": catalog.POOL["id"],
        "siteId": catalog.GROUP["id"],
        "zone": catalog.ZONE,
        "zoneId": catalog.ZONE["id"],
        "dateCreated": record.created,
    }


def snapshot(record: Snapshot, records: Records) -> Json:
    parent = records.snapshots.get(record.parent or 0)
    return {
        "id": record.id,
        "name": record.name,
        "description": record.description,
        "externalId": f"snapshot-{record.id}",
        "status": "complete",
        "state": None,
        "snapshotType": "vm",
        "snapshotCreated": record.created,
        "dateCreated": record.created,
        "zone": {"id": catalog.ZONE["id"], "name": catalog.ZONE["name"]},
        "datastore": None,
        "parentSnapshot": parent.name if parent else None,
        "snapshotFiles": [_snapshot_file(record, each, records) for each in record.disks],
        "currentlyActive": records.instances[record.instance].snapshot == record.id,
        "memorySnapshot": False,
        "forExport": False,
        "forBackup": False,
    }


def process(record: Process) -> Json:
    shown: Json = {
        "id": record.id,
        "uniqueId": f"lab-process-{record.id}",
        "accountId": catalog.ACCOUNT["id"],
        "instanceId": record.instance,
        "serverId": record.server,
        "zoneId": catalog.ZONE["id"],
        "processType": {"code": record.kind, "name": record.kind},
        "status": record.status.value,
        "percent": 100 if record.ended else 0,
        "error": record.error,
        "message": record.error,
        "startDate": record.started,
        "dateCreated": record.started,
        "events": [],
    }
    if record.ended:
        shown["endDate"] = record.ended
    return shown


def mount_point(record: Volume, holder: Instance) -> str:
    """`controller:bus:type:unit`, as the API names a place on a controller."""
    return f"{holder.controller}:0:{catalog.CONTROLLER_TYPE['id']}:{record.unit}"


def _capacity(record: Instance, records: Records) -> Json:
    plan = catalog.pick(catalog.PLANS, record.plan, "plan")
    cores, memory = catalog.size_of(record.plan, record.cores, record.memory)
    return {
        "plan": {"id": plan["id"], "code": plan["code"], "name": plan["name"]},
        "maxCores": cores,
        "maxMemory": memory,
        "maxStorage": sum(each.size for each in records.volumes_of(record)),
    }


def _place(record: Volume, holder: Instance | None) -> Json:
    if holder is None or record.unit is None:
        return {
            "rootVolume": False,
            "controller": None,
            "controllerId": None,
            "controllerMountPoint": None,
            "unitNumber": None,
        }
    return {
        "rootVolume": record.root,
        "displayOrder": record.unit,
        "controller": {"id": holder.controller, "name": "Virtio 0"},
        "controllerId": holder.controller,
        "controllerMountPoint": mount_point(record, holder),
        "unitNumber": str(record.unit),
    }


def _instance_volume(record: Volume, holder: Instance) -> Json:
    """Here the datastore's id is a string and the size whole GiB; nowhere else."""
    return {
        "id": record.id,
        "uuid": record.uuid,
        "name": record.name,
        "size": record.size // GIB,
        "maxStorage": record.size,
        "rootVolume": record.root,
        "storageType": catalog.VOLUME_TYPE["id"],
        "datastoreId": str(record.datastore),
        "displayOrder": record.unit,
        "unitNumber": str(record.unit),
        "controllerId": holder.controller,
        "controllerMountPoint": mount_point(record, holder),
        "resizeable": True,
        "createForMultiAttach": False,
    }


def _snapshot_file(record: Snapshot, disk: SnapshotDisk, records: Records) -> Json:
    volume = records.volumes[disk.volume]
    layer = f"{volume.uuid}.{record.id}.qcow2"
    return {
        "id": disk.volume,
        "name": volume.name,
        "type": "file",
        "externalId": f"{volume.origin}/{layer}",
        "path": layer,
        "exportPath": layer,
        "volume": {"id": disk.volume},
        "diskIndex": disk.unit,
    }


def _controllers(record: Instance) -> list[Json]:
    controller = {
        "id": record.controller,
        "name": "Virtio 0",
        "type": catalog.CONTROLLER_TYPE,
        "maxDevices": 22,
        "reservedUnitNumber": -1,
    }
    return [controller]


def _network(number: int) -> Json:
    entry = catalog.pick(catalog.NETWORKS, number, "network")
    return {"id": entry["id"], "name": entry["name"], "dhcpServer": entry["dhcpServer"]}


def _instance_interface(record: Interface) -> Json:
    return {
        "id": record.id,
        "network": _network(record.network),
        "ipAddress": record.address,
        "ipMode": "dhcp",
    }


def _server_interface(number: int, record: Interface) -> Json:
    shown: Json = {
        "id": record.id,
        "name": f"eth{number}",
        "active": True,
        "dhcp": True,
        "ipMode": "dhcp",
        "macAddress": record.mac,
        "network": {"id": record.network, "name": _network(record.network)["name"]},
        "primaryInterface": number == 0,
    }
    return {**shown, "ipAddress": record.address} if record.address else shown
