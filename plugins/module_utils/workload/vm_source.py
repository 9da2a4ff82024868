# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A VM as the source of a migration, in the words for a source server. PRIVATE to the collection. Pure.

So every judgement, pairing and volume is made once, whatever the source is. What a vCenter cannot know
(mount points, file systems, names of interfaces) is empty.
"""

from __future__ import annotations

import re
import string
from typing import Any, Collection, Mapping, Sequence

VIEW = "vcenter_snapshot"

# Of the guest ids of vSphere (vim.vm.GuestOsDescriptor.GuestOsIdentifier) those that name one release.
_RELEASE = re.compile(r"(?P<id>debian)(?P<version>\d+)(_64)?Guest")

# Controllers whose disks Linux calls sda, sdb and so on, by their types as `vsphere_vm_info` names them.
_SD_CONTROLLERS = ("ParaVirtualSCSI", "LsiLogic", "LsiLogicSAS", "BusLogic", "AHCI")

# Of what VMware Tools tell (guestFullName): "Debian GNU/Linux 12 (64-bit)".
_FULL_NAME = re.compile(r"(?P<id>Debian) GNU/Linux (?P<version>\d+)")


def vm_as_source(
    vm: Mapping[str, Any], worker: Mapping[str, Any], left_out: Collection[int] = ()
) -> dict[str, Any]:
    """Return a VM (as `vsphere_vm_info` shows it) as `source_info` would show a server.

    `worker` is what `source_info` returned of the source worker, which has the port and the rights. Disks
    whose keys are in `left_out` are not carried, as a server's removable ones are not.
    """
    guest = vm["guest"]
    return {
        "hostname": guest["hostname"] or vm["name"],
        "os": _release(guest),
        # A vCenter makes VMs with a BIOS unless it is told otherwise.
        "firmware": vm["firmware"] or "bios",
        "secure_boot": vm["secure_boot"],
        "tpm": vm["tpm"],
        "cpus": vm["cpus"],
        "memory": vm["memory"],
        "interfaces": [_interface(each) for each in vm["interfaces"]],
        "disks": [_disk(each, left_out, _devices(vm["disks"])) for each in vm["disks"]],
        "file_systems": [],
        "view": {"view": VIEW, "reason": ""},
        "is_shared": True,
        **{name: worker[name] for name in ("exports", "port_free", "is_root", "python")},
    }


def disk_name(key: int) -> str:
    """Return the name of the disk with this key: in exports, claims, and of its volume."""
    return f"disk-{key}"


def _release(guest: Mapping[str, Any]) -> dict[str, Any]:
    """The running guest knows better than what the VM was made for."""
    told = _FULL_NAME.match(guest["full_name"] or "") or _RELEASE.fullmatch(guest["id"] or "")
    return {
        "id": told["id"].lower() if told else "",
        "version": told["version"] if told else "",
        "name": guest["full_name"] or guest["id"] or "",
    }


def _interface(card: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": "",
        "mac": card["mac"],
        "network": card["network"],
        "is_physical": True,
        "addresses": list(card["addresses"] or ()),
    }


def _devices(disks: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Return what the guest calls its disks, by key, where that follows from the hardware.

    Linux scans the targets of one SCSI or SATA controller by their numbers; over several controllers the
    order is its drivers'. A disk whose name is not known gets none that a guest could use.
    """
    places = [disk["controller"] or {"type": "", "bus": 0} for disk in disks]
    buses = {(place["type"], place["bus"]) for place in places}
    is_sure = len(buses) == 1 and next(iter(buses))[0] in _SD_CONTROLLERS
    ordered = sorted(disks, key=lambda disk: disk["unit"] or 0)
    names = [f"sd{letter}" for letter in string.ascii_lowercase]
    if not is_sure or len(ordered) > len(names):
        return {disk["key"]: disk_name(disk["key"]) for disk in disks}
    return {disk["key"]: name for disk, name in zip(ordered, names)}


def _disk(
    disk: Mapping[str, Any], left_out: Collection[int], devices: Mapping[int, str]
) -> dict[str, Any]:
    return {
        "name": disk_name(disk["key"]),
        "device": devices[disk["key"]],
        "path": disk["file"],
        "size": disk["capacity"],
        "serial": disk["uuid"],
        "removable": disk["key"] in left_out,
        "obstacle": "" if disk["key"] in left_out else disk["snapshot_obstacle"] or "",
        "mounted": [],
    }
