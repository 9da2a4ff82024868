# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What is kept of a disk between two syncs, and when it may not be believed. PRIVATE to the collection. Pure.

A change id names a moment of one disk's change map: "<uuid of the map>/<counter>". It is opaque to all
but this file. The rule: any doubt means that the whole disk is compared, which is always right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, Dict, NamedTuple, Optional, Tuple

from .disks import Disk

_CHANGE_ID = re.compile(r"(.+)/(\d+)")

# Up to here ESXi 6.0 lost changes that were made while a snapshot was merged (VMware KB 2136854); the
# patch ESXi600-201511001 has this build.
FIRST_RIGHT_BUILD_OF_6_0 = 3247720


class DeltaReason(Enum):
    """Why changed extents are not trusted, in the words of a module's result."""

    NO_BASELINE = "no_baseline"
    DISK_REPLACED = "disk_replaced"
    DISK_UNIDENTIFIED = "disk_unidentified"
    CAPACITY_CHANGED = "capacity_changed"
    NO_CHANGE_ID = "no_change_id"
    CHANGE_ID_UNKNOWN = "change_id_unknown"
    CHANGE_ID_RESET = "change_id_reset"
    COUNTER_WENT_BACK = "counter_went_back"
    HOST_LOSES_CHANGES = "host_loses_changes"
    QUERY_FAILED = "query_failed"
    ANSWER_INVALID = "answer_invalid"


class Doubt(NamedTuple):
    """A reason, and what was seen."""

    reason: DeltaReason
    detail: str


class ChangeId(NamedTuple):
    """The two halves of a change id."""

    map: str
    counter: int


@dataclass(frozen=True)
class Baseline:
    """A disk in the snapshot of the last sync that was verified. `capacity` in bytes."""

    key: int
    uuid: str
    capacity: int
    change_id: str

    def as_result(self) -> Dict[str, Any]:
        """Return what is to be kept until the next sync."""
        return {
            "key": self.key,
            "uuid": self.uuid,
            "capacity": self.capacity,
            "change_id": self.change_id,
        }


def baseline_of(disk: Disk) -> Optional[Baseline]:
    """Return what to keep of a disk of a snapshot, None if a delta cannot begin there."""
    if not disk.uuid or parse_change_id(disk.change_id) is None:
        return None
    return Baseline(disk.key, disk.uuid, disk.capacity, disk.change_id)


def parse_change_id(text: str) -> Optional[ChangeId]:
    """Return the change id's halves, None for text that is none ("*" asks for all, and names no moment)."""
    match = _CHANGE_ID.fullmatch(text)
    return ChangeId(match.group(1), int(match.group(2))) if match else None


def doubt(baseline: Optional[Baseline], disk: Disk, host: Tuple[str, int]) -> Optional[Doubt]:
    """Return why the areas that changed since `baseline` would not be trusted, None if they would.

    `disk` is that of the new snapshot, `host` version and build of its ESXi.
    """
    if baseline is None:
        return Doubt(DeltaReason.NO_BASELINE, "nothing is known of an earlier sync")
    return (
        _doubt_of_disk(baseline, disk)
        or _doubt_of_host(host)
        or _doubt_of_change_ids(baseline.change_id, disk.change_id)
    )


def _doubt_of_disk(baseline: Baseline, disk: Disk) -> Optional[Doubt]:
    if baseline.uuid != disk.uuid or baseline.key != disk.key:
        return Doubt(
            DeltaReason.DISK_REPLACED,
            f"it was {baseline.key} with uuid {baseline.uuid or 'none'}, now it is {disk.key} with"
            f" {disk.uuid or 'none'}",
        )
    if not disk.uuid:
        return Doubt(DeltaReason.DISK_UNIDENTIFIED, "its backing has no uuid")
    if baseline.capacity != disk.capacity:
        return Doubt(
            DeltaReason.CAPACITY_CHANGED, f"from {baseline.capacity} to {disk.capacity} bytes"
        )
    return None


def _doubt_of_host(host: Tuple[str, int]) -> Optional[Doubt]:
    version, build = host
    if version.startswith("6.0") and build < FIRST_RIGHT_BUILD_OF_6_0:
        return Doubt(DeltaReason.HOST_LOSES_CHANGES, f"ESXi {version} build {build}")
    return None


def _doubt_of_change_ids(old: str, new: str) -> Optional[Doubt]:
    then, now = parse_change_id(old), parse_change_id(new)
    if not new:
        return Doubt(DeltaReason.NO_CHANGE_ID, "the snapshot has none: changes are not tracked")
    if then is None or now is None:
        return Doubt(DeltaReason.CHANGE_ID_UNKNOWN, f'"{old}" or "{new}" is no change id')
    if then.map != now.map:
        return Doubt(DeltaReason.CHANGE_ID_RESET, f'from "{old}" to "{new}"')
    if now.counter < then.counter:
        return Doubt(DeltaReason.COUNTER_WENT_BACK, f'from "{old}" to "{new}"')
    return None
