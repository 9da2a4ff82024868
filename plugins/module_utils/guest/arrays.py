# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Mirrors of Linux's software RAID (md, level 1), assembled from overlays of all their members.

A mirror that is written to while a member is away leaves that member behind: the guest would come up
degraded, or from the old half. So only a whole one is opened. Arrays end with the overlays (`overlays.py`).
"""

from __future__ import annotations

import os
import re
from typing import Dict, List, Mapping, Sequence, Tuple

from .commands import ENVIRONMENT, run
from .errors import PlanError
from .facts import FileSystem
from .overlays import MAPPER

MEMBER = "linux_raid_member"
_HANDLED_LEVEL = "raid1"
# Their superblock lies at the end of the member, and is lost on a larger volume.
_AT_THE_END = ("0.90", "1.0")
# Arrays without a number of their own count down from here, as mdadm does it.
_LAST_NUMBER = 127
_OWN_ENVIRONMENT = {**ENVIRONMENT, "MDADM_NO_UDEV": "1"}


def assemble_arrays(members: Sequence[FileSystem]) -> List[Tuple[str, Tuple[str, ...]]]:
    """Return (device, the guest's names of it) of each array, which runs and is writable.

    The device has a node among the overlays, so that LVM sees it. A resync that the source had begun
    stays frozen: it would copy whole disks. Raises PlanError for what cannot be assembled whole.
    """
    if not members:
        return []
    run(("modprobe", "raid1"))
    by_array: Dict[str, List[FileSystem]] = {}
    for each in members:
        by_array.setdefault(each.uuid, []).append(each)
    return [_assemble(group, _LAST_NUMBER - index) for index, group in enumerate(by_array.values())]


def read_description(exported: str) -> Dict[str, str]:
    """Return what `mdadm --examine --export` says, by its names (`MD_LEVEL`)."""
    return dict(re.findall(r"^(MD_\w+)=(.*)$", exported, re.MULTILINE))


def check_array(found: Mapping[str, str], members: Sequence[FileSystem]) -> None:
    """Raise PlanError unless the array is a mirror, all of whose members are given, and can grow."""
    title = f"The array {found.get('MD_NAME') or found.get('MD_UUID')}"
    given = ", ".join(each.title for each in members)
    if found.get("MD_LEVEL") != _HANDLED_LEVEL:
        raise PlanError([f"{title} ({given}) is {found.get('MD_LEVEL')}; handled are mirrors."])
    if int(found["MD_DEVICES"]) != len(members):
        raise PlanError(
            [f"{title} has {found['MD_DEVICES']} members, given are {given}: give all its disks."]
        )
    version = found.get("MD_METADATA", "")
    whole = [each.title for each in members if each.partition == 0 and each.disk]
    if whole and version in _AT_THE_END:
        where = f"at the end of the disk {', '.join(whole)}"
        raise PlanError(
            [f"{title} keeps its metadata {where}, and a larger volume has another end."]
        )


def array_names(number: str, found: Mapping[str, str]) -> Tuple[str, ...]:
    """Return what the guest calls the array that `mdadm` describes so; its name is that of its superblock (`host:0`)."""
    own = _short(found.get("MD_NAME", ""))
    known = [(kind, found.get(f"MD_{kind.upper()}")) for kind in ("name", "uuid")]
    by_id = (f"/dev/disk/by-id/md-{kind}-{value}" for kind, value in known if value)
    return tuple(dict.fromkeys((f"/dev/md{number}", f"/dev/md/{own or number}", *by_id)))


def _short(name: str) -> str:
    return name.rsplit(":", maxsplit=1)[-1]


def _assemble(members: Sequence[FileSystem], spare: int) -> Tuple[str, Tuple[str, ...]]:
    exported = run(("mdadm", "--examine", "--export", members[0].device)).decode()
    found = read_description(exported)
    check_array(found, members)
    name = found.get("MD_NAME", "")
    own = _short(name)
    number = own if own.isdigit() else str(spare)
    device = f"/dev/md{number}"
    devices = (each.device for each in members)
    assemble = ("mdadm", "--assemble", "--config=/dev/null", device, *devices)
    run(assemble, environment=_OWN_ENVIRONMENT)
    _freeze(number, name)
    os.mknod(f"{MAPPER}/ov-md{number}", 0o60600, os.stat(device).st_rdev)
    return device, array_names(number, found)


def _freeze(number: str, name: str) -> None:
    folder = f"/sys/block/md{number}/md"
    with open(f"{folder}/sync_action", "w") as action:
        action.write("frozen")
    with open(f"{folder}/degraded") as degraded:
        if int(degraded.read()):
            raise PlanError(
                [f"The array {name} is degraded: let it rebuild on the source, then sync again."]
            )
