# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A VM as the source of a migration, in the words for a source server. PRIVATE to the collection. Pure.

So every judgement, pairing and volume is made once, whatever the source is. What a vCenter cannot know
(mount points, file systems, names of interfaces) is empty.
"""

from __future__ import annotations

import re
from typing import Any, Collection, Mapping

VIEW = "vcenter_snapshot"

# Of the guest ids of vSphere (vim.vm.GuestOsDescriptor.GuestOsIdentifier) those that name one release.
_RELEASE = re.compile(r"(?P<id>debian)(?P<version>\d+)(_64)?Guest")

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
        "firmware": vm["firmware"],
        "cpus": vm["cpus"],
        "memory": vm["memory"],
        "interfaces": [_interface(each) for each in vm["interfaces"]],
        "disks": [_disk(each, left_out) for each in vm["disks"]],
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
        "is_physical": True,
        "addresses": list(card["addresses"] or ()),
    }


def _disk(disk: Mapping[str, Any], left_out: Collection[int]) -> dict[str, Any]:
    return {
        "name": disk_name(disk["key"]),
        "path": disk["file"],
        "size": disk["capacity"],
        "serial": disk["uuid"],
        "removable": disk["key"] in left_out,
        "obstacle": "" if disk["key"] in left_out else disk["snapshot_obstacle"] or "",
        "mounted": [],
    }
