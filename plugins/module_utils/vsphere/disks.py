# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The disks of a VM, or of a snapshot's configuration, as values. PRIVATE to the collection. Pure.

The border: pyvmomi's devices come in, frozen dataclasses go out. A disk is known by its key and by the
uuid of its backing; labels and the order of devices change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Sequence, Tuple

from ..units import KIB
from .sdk import vim


@dataclass(frozen=True)
class Controller:
    """What a disk is attached to. `shared_bus` is "noSharing" for a bus of one VM's own."""

    key: int
    kind: str
    bus: int
    shared_bus: str = "noSharing"


@dataclass(frozen=True)
class Disk:
    """One disk. `capacity` in bytes; `file` is its datastore path, "[store] folder/name.vmdk".

    `backing` is the API's kind (FlatVer2, SeSparse, RawDiskMappingVer1, ...); with `has_parent` the file
    holds only what was written since the parent was frozen. `change_id` is "" where nothing is tracked.
    """

    key: int
    label: str
    uuid: str
    capacity: int
    unit: Optional[int]
    controller: Optional[Controller]
    file: str = ""
    backing: str = ""
    mode: str = "persistent"
    sharing: str = ""
    raw_mapping: str = ""
    is_thin: bool = False
    has_parent: bool = False
    change_id: str = ""

    def __str__(self) -> str:
        return f'disk {self.key} "{self.label}"'

    def as_result(self) -> Dict[str, Any]:
        """Return what modules show of a disk."""
        return {
            "key": self.key,
            "label": self.label,
            "uuid": self.uuid or None,
            "capacity": self.capacity,
            "unit": self.unit,
            "controller": _controller_result(self.controller),
            "file": self.file,
            "backing": self.backing,
            "mode": self.mode,
            "thin": self.is_thin,
            "has_parent": self.has_parent,
            "change_id": self.change_id or None,
            "snapshot_obstacle": snapshot_obstacle(self) or None,
        }


def snapshot_obstacle(disk: Disk) -> str:
    """Return why a snapshot does not hold this disk, "" if it does."""
    if disk.mode.startswith("independent"):
        return "it is independent"
    if disk.raw_mapping == "physicalMode":
        return "it is a raw device mapping in physical mode"
    if disk.sharing == "sharingMultiWriter":
        return "several VMs write to it (multi-writer)"
    if disk.controller is not None and disk.controller.shared_bus != "noSharing":
        return f"its bus is shared with other VMs ({disk.controller.shared_bus})"
    return ""


def parse_disks(devices: Sequence[Any]) -> Tuple[Disk, ...]:
    """Return the disks among a configuration's devices, by key."""
    controllers = {
        each.key: _parse_controller(each)
        for each in devices
        if isinstance(each, vim.vm.device.VirtualController)
    }
    disks = (each for each in devices if isinstance(each, vim.vm.device.VirtualDisk))
    parsed = (_parse_disk(each, controllers.get(each.controllerKey)) for each in disks)
    return tuple(sorted(parsed, key=lambda disk: disk.key))


def kind_of(thing: Any, *, suffix: str = "") -> str:
    """Return the API's name of a pyvmomi object's class, without "Virtual" before and `suffix` behind."""
    name = str(type(thing).__name__.rpartition(".")[2])
    name = name[len("Virtual") :] if name.startswith("Virtual") else name
    return name[: -len(suffix)] if suffix and name.endswith(suffix) else name


def _parse_controller(device: Any) -> Controller:
    return Controller(
        key=device.key,
        kind=kind_of(device, suffix="Controller"),
        bus=device.busNumber,
        shared_bus=getattr(device, "sharedBus", None) or "noSharing",
    )


def _parse_disk(device: Any, controller: Optional[Controller]) -> Disk:
    backing = device.backing
    info = device.deviceInfo
    return Disk(
        key=device.key,
        label=(info.label if info else "") or "",
        uuid=_text(backing, "uuid"),
        # Bytes came with API 5.5, are unset on older servers, and are the exact ones where set.
        capacity=device.capacityInBytes or device.capacityInKB * KIB,
        unit=device.unitNumber,
        controller=controller,
        file=_text(backing, "fileName"),
        backing=kind_of(backing, suffix="BackingInfo"),
        mode=_text(backing, "diskMode") or "persistent",
        sharing=_text(backing, "sharing"),
        raw_mapping=_text(backing, "compatibilityMode"),
        is_thin=bool(getattr(backing, "thinProvisioned", False)),
        has_parent=getattr(backing, "parent", None) is not None,
        change_id=_text(backing, "changeId"),
    )


def _text(backing: Any, name: str) -> str:
    """Return a property that only some kinds of backing have, "" without it."""
    return str(getattr(backing, name, None) or "")


def _controller_result(controller: Optional[Controller]) -> Optional[Dict[str, Any]]:
    if controller is None:
        return None
    return {"key": controller.key, "type": controller.kind, "bus": controller.bus}
