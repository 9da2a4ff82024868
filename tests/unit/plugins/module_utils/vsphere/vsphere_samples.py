# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs, disks and snapshots as the vsphere room sees them."""

from __future__ import annotations

from typing import Any

from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.disks import Controller, Disk
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.machines import Machine
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.snapshots import (
    Snapshot,
    description_for,
    name_for,
)

MIB = 1 << 20
CHANGE_ID = "52 3c 9f 01 7a 88 11 0e-6d 1f 2b 3c 4d 5e 6f 70/4"


def disk(key: int = 2000, **other: Any) -> Disk:
    usual = {
        "label": f"Hard disk {key - 1999}",
        "uuid": f"6000C29-{key}",
        "capacity": 8 * MIB,
        "unit": key - 2000,
        "controller": Controller(1000, "ParaVirtualSCSI", 0),
        "change_id": CHANGE_ID,
    }
    return Disk(key=key, **{**usual, **other})


def machine(**other: Any) -> Machine:
    usual = {
        "moid": "vm-42",
        "name": "web01",
        "power_state": "poweredOn",
        "has_running_tools": True,
        "hardware_version": 19,
        "can_track_changes": True,
        "disks": (disk(2000), disk(2001)),
    }
    return Machine(**{**usual, **other})


def snapshot(*remarks: str, **other: Any) -> Snapshot:
    """A snapshot that Ferry took for the migration web01."""
    usual = {
        "moid": "snapshot-1",
        "name": name_for("web01"),
        "description": description_for("web01", *remarks),
        "is_quiesced": True,
    }
    return Snapshot(**{**usual, **other})
