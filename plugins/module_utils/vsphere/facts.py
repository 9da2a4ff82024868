# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""All that a migration wants to know of a VM. PRIVATE to the collection."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..units import MIB
from . import properties
from .interfaces import parse_interfaces, port_group_keys
from .machines import PATHS, Machine, parse_machine
from .properties import Properties
from .sdk import vim
from .session import Session

MORE_PATHS = (
    "parent",
    "config.uuid",
    "config.firmware",
    "config.bootOptions",
    "config.guestId",
    "config.guestFullName",
    "config.keyId",
    "config.hardware.numCPU",
    "config.hardware.numCoresPerSocket",
    "config.hardware.memoryMB",
    "guest.guestFullName",
    "guest.hostName",
    "guest.net",
    "guest.toolsVersionStatus2",
)


class FactReader:
    """Reads facts of several VMs; what they share (folders, hosts, port groups) is read once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._names: Dict[str, str] = {}
        self._places: Dict[str, Tuple[Tuple[str, bool], ...]] = {}
        self._hosts: Dict[str, Mapping[str, Any]] = {}

    def of(self, vm: Any) -> Dict[str, Any]:
        """Return the facts of one VM. Raises `GoneError`."""
        return self._facts(vm, properties.read(self._session, vm, [*PATHS, *MORE_PATHS]))

    def of_all(self, name: str = "") -> List[Dict[str, Any]]:
        """Return the facts of all VMs that the user may see, or of those with exactly this name."""
        found = properties.read_everywhere(self._session, vim.VirtualMachine, [*PATHS, *MORE_PATHS])
        return [self._facts(vm, seen) for vm, seen in found if not name or seen["name"] == name]

    def _facts(self, vm: Any, seen: Properties) -> Dict[str, Any]:
        machine = parse_machine(vm, seen)
        devices = seen.get("config.hardware.device", ())
        cards = parse_interfaces(devices, seen.get("guest.net", ()), self._port_groups(devices))
        return {
            **_identity(machine, seen),
            **self._place(seen),
            **_hardware(machine, seen, devices),
            "host": self._host(seen),
            "guest": _guest(machine, seen),
            "change_tracking": {
                "supported": machine.can_track_changes,
                "enabled": machine.is_tracking_changes,
            },
            "needs_consolidation": machine.needs_consolidation,
            "interfaces": [each.as_result() for each in cards],
            "disks": [each.as_result() for each in machine.disks],
            "snapshots": [each.as_result() for each in machine.snapshots],
        }

    def _port_groups(self, devices: Sequence[Any]) -> Mapping[str, str]:
        """A port group's key is its reference (API reference, DistributedVirtualPortgroup.key)."""
        for key in port_group_keys(devices):
            if key not in self._names:
                group = self._session.object(vim.dvs.DistributedVirtualPortgroup, key)
                self._names[key] = properties.read(self._session, group, ["name"])["name"]
        return self._names

    def _host(self, seen: Properties) -> Mapping[str, Any]:
        host = seen.get("runtime.host")
        if host is None:
            return {"name": None, "version": None, "build": None}
        if host._moId not in self._hosts:
            paths = ["name", "config.product.version", "config.product.build"]
            told = properties.read(self._session, host, paths)
            self._hosts[host._moId] = {
                "name": told.get("name"),
                "version": told.get("config.product.version"),
                "build": told.get("config.product.build"),
            }
        return self._hosts[host._moId]

    def _place(self, seen: Properties) -> Dict[str, Any]:
        """Return the VM's inventory path and that of its datacenter; a VM in a vApp has no folder."""
        folders = self._way_to(seen.get("parent"))
        until = next((n for n, (_name, is_center) in enumerate(folders) if is_center), None)
        names = [name for name, _is_center in folders]
        return {
            "path": "/".join(["", *names, seen["name"]]) if folders else None,
            "datacenter": "/".join(names[: until + 1]) if until is not None else None,
        }

    def _way_to(self, folder: Any) -> Tuple[Tuple[str, bool], ...]:
        """Return name and "is a datacenter" of each folder from below the root down to this one."""
        if folder is None:
            return ()
        if folder._moId not in self._places:
            told = properties.read(self._session, folder, ["name", "parent"])
            above = told.get("parent")
            step = (told["name"], isinstance(folder, vim.Datacenter))
            self._places[folder._moId] = (*self._way_to(above), step) if above else ()
        return self._places[folder._moId]


def _identity(machine: Machine, seen: Properties) -> Dict[str, Any]:
    return {
        "moid": machine.moid,
        "name": machine.name,
        "instance_uuid": machine.instance_uuid or None,
        "bios_uuid": seen.get("config.uuid"),
        "template": machine.is_template,
        "power_state": machine.power_state,
        "connection_state": machine.connection_state,
    }


def _hardware(machine: Machine, seen: Properties, devices: Sequence[Any]) -> Dict[str, Any]:
    boot = seen.get("config.bootOptions")
    return {
        "cpus": seen.get("config.hardware.numCPU"),
        "cores_per_socket": seen.get("config.hardware.numCoresPerSocket"),
        "memory": seen.get("config.hardware.memoryMB", 0) * MIB,
        "hardware_version": machine.hardware_version,
        "firmware": seen.get("config.firmware"),
        "secure_boot": bool(boot is not None and boot.efiSecureBootEnabled),
        "tpm": any(isinstance(each, vim.vm.device.VirtualTPM) for each in devices),
        "encrypted": seen.get("config.keyId") is not None,
    }


def _guest(machine: Machine, seen: Properties) -> Dict[str, Any]:
    return {
        "id": seen.get("config.guestId"),
        # The running guest knows better than what the VM was made for.
        "full_name": seen.get("guest.guestFullName") or seen.get("config.guestFullName"),
        "hostname": seen.get("guest.hostName"),
        "tools_running": machine.has_running_tools,
        "tools_version_status": seen.get("guest.toolsVersionStatus2"),
    }
