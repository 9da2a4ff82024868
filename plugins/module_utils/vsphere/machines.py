# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""VMs: finding one, and what is known of it. PRIVATE to the collection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence, Tuple

from . import properties
from .disks import Disk, parse_disks
from .errors import AmbiguousNameError, NoSuchObjectError
from .properties import Properties
from .sdk import vim
from .session import Session
from .snapshots import Snapshot, parse_snapshots

PATHS = (
    "name",
    "config.template",
    "config.version",
    "config.instanceUuid",
    "config.changeTrackingEnabled",
    "config.hardware.device",
    "capability.changeTrackingSupported",
    "runtime.powerState",
    "runtime.connectionState",
    "runtime.consolidationNeeded",
    "runtime.host",
    "guest.toolsRunningStatus",
    "snapshot",
)

OFF = "poweredOff"
ON = "poweredOn"


@dataclass(frozen=True)
class MachineCalled:
    """How the operator calls a VM: by reference, by instance uuid, or by name or inventory path."""

    moid: str = ""
    uuid: str = ""
    name: str = ""

    def __str__(self) -> str:
        if self.moid:
            return self.moid
        return f"with instance uuid {self.uuid}" if self.uuid else f'"{self.name}"'


@dataclass(frozen=True)
class Machine:
    """A VM as it was seen. `hardware_version` is a number, 0 if it is not told."""

    moid: str
    name: str
    instance_uuid: str = ""
    power_state: str = ""
    connection_state: str = "connected"
    is_template: bool = False
    has_running_tools: bool = False
    hardware_version: int = 0
    can_track_changes: bool = False
    is_tracking_changes: bool = False
    needs_consolidation: bool = False
    host: str = ""
    disks: Tuple[Disk, ...] = ()
    snapshots: Tuple[Snapshot, ...] = ()

    def __str__(self) -> str:
        return f'VM "{self.name}" ({self.moid})'


def find(session: Session, called: MachineCalled) -> Any:
    """Return the managed object of the one VM that is called so.

    Raises `NoSuchObjectError`, and `AmbiguousNameError` for a name that several have. A reference is
    not looked up: whether there is such a VM shows at the first read.
    """
    if called.moid:
        return session.object(vim.VirtualMachine, called.moid)
    found = _find_all(session, called)
    if not found:
        raise NoSuchObjectError(
            f"There is no VM {called} on the {session}.",
            hint="Check it, and that the user may see the VM.",
        )
    if len(found) > 1:
        raise AmbiguousNameError(
            f"{len(found)} VMs are called {called}.",
            hint=f"Give the moid: {', '.join(sorted(each._moId for each in found))}.",
        )
    return found[0]


def observe(session: Session, vm: Any) -> Machine:
    """Return the VM as it is now. Raises `GoneError`."""
    return parse_machine(vm, properties.read(session, vm, PATHS))


def parse_machine(vm: Any, seen: Properties) -> Machine:
    """Return the VM that these properties (those of `PATHS` that are set) describe."""
    host = seen.get("runtime.host")
    version = str(seen.get("config.version", "")).rpartition("-")[2]
    return Machine(
        moid=vm._moId,
        name=seen["name"],
        instance_uuid=seen.get("config.instanceUuid", ""),
        power_state=seen.get("runtime.powerState", ""),
        connection_state=seen.get("runtime.connectionState", ""),
        is_template=seen.get("config.template", False),
        has_running_tools=seen.get("guest.toolsRunningStatus") == "guestToolsRunning",
        hardware_version=int(version) if version.isdigit() else 0,
        can_track_changes=seen.get("capability.changeTrackingSupported", False),
        is_tracking_changes=seen.get("config.changeTrackingEnabled", False),
        needs_consolidation=seen.get("runtime.consolidationNeeded", False),
        host=host._moId if host is not None else "",
        disks=parse_disks(seen.get("config.hardware.device", ())),
        snapshots=parse_snapshots(seen.get("snapshot")),
    )


def host_release(session: Session, machine: Machine) -> Tuple[str, int]:
    """Return version and build of the ESXi that has the VM: ("8.0.2", 22380479); ("", 0) if not told."""
    if not machine.host:
        return "", 0
    host = session.object(vim.HostSystem, machine.host)
    seen = properties.read(session, host, ["config.product.version", "config.product.build"])
    build = str(seen.get("config.product.build", ""))
    return seen.get("config.product.version", ""), int(build) if build.isdigit() else 0


def _find_all(session: Session, called: MachineCalled) -> Sequence[Any]:
    index = session.content.searchIndex
    if called.uuid:
        # vCenter keeps instance uuids unique among its VMs; the BIOS uuid of a copied VM is not.
        found = session.read(
            "a search by uuid", lambda: index.FindByUuid(None, called.uuid, True, True)
        )
        return [found] if found is not None else []
    if "/" in called.name:
        found = session.read(
            "a search by path", lambda: index.FindByInventoryPath(called.name.strip("/"))
        )
        return [found] if isinstance(found, vim.VirtualMachine) else []
    every = properties.read_everywhere(session, vim.VirtualMachine, ["name"])
    return [vm for vm, seen in every if seen["name"] == called.name]
