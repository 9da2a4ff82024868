# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Logical volumes of a guest, active on its overlays.

LVM knows a disk by what is written on it, and origin and overlay carry the same. So every command here has
a configuration of its own, in the stage, that shows it overlays and nothing else: without it LVM found
each disk twice and activated nothing. Volumes are removed with the overlays (`overlays.py`).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Dict, List, Tuple

from .commands import ENVIRONMENT, run
from .errors import PlanError

MEMBER = "LVM2_member"
# Other kinds (thin, cached, mirrored by LVM) are shown in messages and stay closed: nobody tried them.
HANDLED_LAYOUTS = ("linear", "striped")

# Nodes are made by LVM itself: nothing of the worker's udev shall look into a guest. No AIO: the contexts
# of a kernel are few, and what is read here is little.
_CONFIGURATION = """\
devices {
    dir = "/dev"
    scan = [ "/dev/mapper" ]
    filter = [ "a|^/dev/mapper/ov-|", "r|.*|" ]
    global_filter = [ "a|^/dev/mapper/ov-|", "r|.*|" ]
    use_devicesfile = 0
    obtain_device_list_from_udev = 0
}
activation {
    udev_sync = 0
    udev_rules = 0
    monitoring = 0
}
backup {
    backup = 0
    archive = 0
}
global {
    use_lvmpolld = 0
    event_activation = 0
}
"""


@dataclass(frozen=True)
class LogicalVolume:
    """A volume: its group and name, its device (`/dev/mapper/vg0-root`), and LVM's word for its kind.

    `identity` is what device-mapper knows it by: LVM's identifiers of the group and of the volume.
    """

    group: str
    name: str
    device: str
    layout: str
    identity: str

    @property
    def is_handled(self) -> bool:
        """Whether it is of a kind that is activated."""
        return self.layout in HANDLED_LAYOUTS

    @property
    def names(self) -> Tuple[str, ...]:
        """What the guest calls it, its device first; Ubuntu's installer takes the last one for fstab."""
        by_id = "/dev/disk/by-id"
        return (
            self.device,
            f"/dev/{self.group}/{self.name}",
            f"{by_id}/dm-name-{os.path.basename(self.device)}",
            f"{by_id}/dm-uuid-LVM-{self.identity}",
        )


def read_volumes(report: str) -> List[LogicalVolume]:
    """Return the volumes of LVM's report in JSON (`lvs`).

    Raises PlanError for a group of which disks are missing: it would be written to without them.
    """
    rows: List[Dict[str, str]] = json.loads(report)["report"][0]["lv"]
    lacking = sorted({row["vg_name"] for row in rows if int(row["vg_missing_pv_count"])})
    if lacking:
        names = ", ".join(lacking)
        raise PlanError([f"Disks of the volume group {names} are missing: give all its disks."])
    return [
        LogicalVolume(
            group=row["vg_name"],
            name=row["lv_name"],
            device=row["lv_dm_path"],
            layout=row["lv_layout"],
            # Reports have hyphens in them, device-mapper has none (lvm2, lib/activate/dev_manager.c).
            identity=(row["vg_uuid"] + row["lv_uuid"]).replace("-", ""),
        )
        for row in rows
    ]


def activate_volumes(stage: str) -> List[LogicalVolume]:
    """Every handled volume on the overlays has its device; return all volumes, others as well."""
    environment = _environment(stage)
    columns = "vg_name,lv_name,lv_dm_path,lv_layout,vg_missing_pv_count,vg_uuid,lv_uuid"
    report = run(("lvm", "lvs", "--reportformat", "json", "-o", columns), environment=environment)
    volumes = read_volumes(report.decode())
    wanted = [f"{each.group}/{each.name}" for each in volumes if each.is_handled]
    if wanted:
        run(("lvm", "lvchange", "--activate", "y", *wanted), environment=environment)
    return volumes


def read_groups(report: str) -> Dict[str, str]:
    """Return the volume group of each device, by LVM's report in JSON (`pvs`)."""
    rows: List[Dict[str, str]] = json.loads(report)["report"][0]["pv"]
    return {row["pv_name"]: row["vg_name"] for row in rows}


def find_groups(stage: str) -> Dict[str, str]:
    """Return the volume group of each device that is a part of one."""
    command = ("lvm", "pvs", "--reportformat", "json", "-o", "pv_name,vg_name")
    return read_groups(run(command, environment=_environment(stage)).decode())


def _environment(stage: str) -> Dict[str, str]:
    folder = os.path.join(stage, "lvm")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lvm.conf"), "w") as file:
        file.write(_CONFIGURATION)
    return {**ENVIRONMENT, "LVM_SYSTEM_DIR": folder}
