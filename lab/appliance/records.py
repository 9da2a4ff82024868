# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the appliance knows: its objects as dataclasses, and the file that holds them.

Ids are unique over all kinds, so that an id of the wrong kind (an instance's where a server's is
wanted) is a 404 and not somebody else's server. Sizes are bytes.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Any

FIRST_ID = 1001


class InstanceStatus(str, Enum):
    """The words of plugin-core's Instance.Status that a migration can meet here."""

    PROVISIONING = "provisioning"
    FAILED = "failed"
    RESIZING = "resizing"
    RUNNING = "running"
    STOPPED = "stopped"
    REMOVING = "removing"
    STOPPING = "stopping"
    STARTING = "starting"
    RESTORING = "restoring"


class PowerState(str, Enum):
    ON = "on"
    OFF = "off"


class ProcessStatus(str, Enum):
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


def now() -> str:
    """The time as the API writes it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_uuid() -> str:
    return str(uuid.uuid4())


@dataclass
class Image:
    """A virtual image: what it is said to be, and its files."""

    id: int
    name: str
    image_type: str
    # What the creator said of the image (`isCloudInit`, `uefi`, ...), under the API's own names.
    attributes: dict[str, Any]
    tags: dict[str, str] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    # Name and length of each file that was uploaded whole.
    files: dict[str, int] = field(default_factory=dict)
    status: str = "Active"
    created: str = field(default_factory=now)


@dataclass
class Volume:
    """A storage volume. It belongs to an instance, at a unit of it, or to none."""

    id: int
    name: str
    size: int
    datastore: int
    # Who made it: instance, container and number, as the API's `uniqueId` says for ever.
    origin: str
    instance: int | None = None
    unit: int | None = None
    root: bool = False
    status: str = "pending"
    source_image: str = ""
    uuid: str = field(default_factory=new_uuid)

    def release(self) -> None:
        """The volume belongs to no instance."""
        self.instance, self.unit, self.root = None, None, False


@dataclass
class Interface:
    """A NIC of an instance; `address` is what the guest's agent said last."""

    id: int
    network: int
    mac: str
    address: str | None = None


@dataclass
class Instance:
    """An instance, its one container, and its one server (the VM): three ids, one thing here."""

    id: int
    container: int
    server: int
    controller: int
    name: str
    plan: int
    config: dict[str, Any]
    # Of a plan that lets it have its own; None: the plan's.
    cores: int | None = None
    memory: int | None = None
    status: InstanceStatus = InstanceStatus.PROVISIONING
    power: PowerState = PowerState.OFF
    message: str | None = None
    # A volume is on its way to or from the instance, or a snapshot of it comes or goes.
    busy: bool = False
    locked: bool = False
    # Its removal leaves its volumes behind.
    keep_volumes: bool = False
    # As the image said that it was made from; one without an image has a BIOS.
    is_uefi: bool = False
    # The image in its CD drive.
    medium: int | None = None
    # The snapshot that its volumes have been written on since.
    snapshot: int | None = None
    interfaces: list[Interface] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    description: str | None = None
    uuid: str = field(default_factory=new_uuid)
    server_uuid: str = field(default_factory=new_uuid)
    created: str = field(default_factory=now)


@dataclass
class SnapshotDisk:
    """A volume as it was attached when the snapshot was taken."""

    volume: int
    unit: int
    root: bool


@dataclass
class Snapshot:
    """What all volumes of an instance held at one moment; `parent` is the snapshot before it."""

    id: int
    name: str
    instance: int
    disks: list[SnapshotDisk]
    description: str | None = None
    parent: int | None = None
    created: str = field(default_factory=now)


@dataclass
class Process:
    """Something that the appliance did to an instance, or is doing."""

    id: int
    kind: str
    instance: int
    server: int
    status: ProcessStatus = ProcessStatus.RUNNING
    error: str | None = None
    started: str = field(default_factory=now)
    ended: str | None = None

    def end(self, error: str | None = None) -> None:
        self.status = ProcessStatus.FAILED if error else ProcessStatus.COMPLETE
        self.error = error
        self.ended = now()


@dataclass(frozen=True)
class Launch:
    """A machine was started: from which root volume, on which networks, with which MACs."""

    instance: str
    root: str
    networks: list[int]
    macs: list[str]
    at: str = field(default_factory=now)


@dataclass
class Records:
    """All of it, in memory; `save` makes it durable."""

    path: Path
    next_id: int = FIRST_ID
    images: dict[int, Image] = field(default_factory=dict)
    volumes: dict[int, Volume] = field(default_factory=dict)
    instances: dict[int, Instance] = field(default_factory=dict)
    snapshots: dict[int, Snapshot] = field(default_factory=dict)
    processes: dict[int, Process] = field(default_factory=dict)
    launches: list[Launch] = field(default_factory=list)

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id - 1

    def volumes_of(self, instance: Instance) -> list[Volume]:
        """The instance's volumes, by unit."""
        attached = [each for each in self.volumes.values() if each.instance == instance.id]
        return sorted(attached, key=lambda volume: volume.unit or 0)

    def snapshots_of(self, instance: Instance) -> list[Snapshot]:
        """The instance's snapshots, the oldest first."""
        taken = [each for each in self.snapshots.values() if each.instance == instance.id]
        return sorted(taken, key=lambda snapshot: snapshot.id)

    def forget_volume(self, volume: Volume) -> None:
        """There is no such volume any more, in no snapshot either."""
        del self.volumes[volume.id]
        for snapshot in self.snapshots.values():
            snapshot.disks = [each for each in snapshot.disks if each.volume != volume.id]

    def save(self) -> None:
        """The file holds the present state: all of it or, after a crash, all of the one before."""
        content = {
            "next_id": self.next_id,
            "images": [asdict(each) for each in self.images.values()],
            "volumes": [asdict(each) for each in self.volumes.values()],
            "instances": [asdict(each) for each in self.instances.values()],
            "snapshots": [asdict(each) for each in self.snapshots.values()],
            "processes": [asdict(each) for each in self.processes.values()],
            "launches": [asdict(each) for each in self.launches],
        }
        aside = self.path.with_suffix(".new")
        with aside.open("w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.path)


def load_records(path: Path) -> Records:
    """What the file holds, or nothing yet."""
    records = Records(path)
    if path.exists():
        content = json.loads(path.read_text(encoding="utf-8"))
        records.next_id = content["next_id"]
        records.images = {each["id"]: Image(**each) for each in content["images"]}
        records.volumes = {each["id"]: Volume(**each) for each in content["volumes"]}
        records.instances = {each["id"]: _instance(each) for each in content["instances"]}
        # Records of a lab from before there were snapshots have none.
        records.snapshots = {each["id"]: _snapshot(each) for each in content.get("snapshots", [])}
        records.processes = {each["id"]: _process(each) for each in content["processes"]}
        records.launches = [Launch(**each) for each in content["launches"]]
    return records


def _instance(entry: Mapping[str, Any]) -> Instance:
    return Instance(
        **{
            **entry,
            "status": InstanceStatus(entry["status"]),
            "power": PowerState(entry["power"]),
            "interfaces": [Interface(**each) for each in entry["interfaces"]],
        }
    )


def _snapshot(entry: Mapping[str, Any]) -> Snapshot:
    return Snapshot(**{**entry, "disks": [SnapshotDisk(**each) for each in entry["disks"]]})


def _process(entry: Mapping[str, Any]) -> Process:
    return Process(**{**entry, "status": ProcessStatus(entry["status"])})
