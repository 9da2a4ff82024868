# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which snapshot there is, which there shall be, and the steps between. PRIVATE to the collection. Pure.

present:  [remove what only started tracking] -> [enable tracking -> start it] -> take
absent:   remove each of ours, the youngest first -> [consolidate]

A snapshot is of all disks at once; those that it cannot hold stop the plan unless they are named.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Dict, FrozenSet, List, NamedTuple, Optional, Tuple, Union

from ..change_plan import Plan
from ..errors import InputError
from .disks import Disk, snapshot_obstacle
from .errors import NotAllowedNowError, NotOursError
from .machines import OFF, ON, Machine
from .snapshots import (
    CRASH_CONSISTENT,
    OF_A_STOPPED_VM,
    TO_START_TRACKING,
    Snapshot,
    description_for,
    name_for,
)

# Change tracking came with this virtual hardware (VDDK programming guide, "Enable Changed Block Tracking").
OLDEST_TRACKING_HARDWARE = 7


class Quiesce(Enum):
    """Whether the guest's file systems are brought to a consistent state first."""

    REQUIRED = "required"
    TRY = "try"
    NO = "no"


@dataclass(frozen=True)
class WantedSnapshot:
    """What is asked of a snapshot. `left_out` are keys of disks that are known not to be in it."""

    migration_id: str
    quiesce: Quiesce = Quiesce.TRY
    left_out: FrozenSet[int] = frozenset()
    enables_tracking: bool = False


@dataclass(frozen=True)
class SnapshotSeen:
    """A VM and the snapshots that carry the migration's mark."""

    machine: Machine
    migration_id: str

    @property
    def ours(self) -> Tuple[Snapshot, ...]:
        """All snapshots of this migration, parents first."""
        found = self.machine.snapshots
        return tuple(each for each in found if each.migration_id == self.migration_id)

    @property
    def of_sync(self) -> Tuple[Snapshot, ...]:
        """Those of this migration that a sync reads."""
        return tuple(each for each in self.ours if not each.is_for_tracking_only)


class EnableTracking(NamedTuple):
    """Let the host note which areas of the disks change."""


class StartTracking(NamedTuple):
    """Make and remove a snapshot: a running VM begins to track only then (the stun cycle)."""

    description: str


class Take(NamedTuple):
    """Take the snapshot; with `may_fall_back` once more without quiescing, if that fails."""

    description: str
    is_quiesced: bool
    may_fall_back: bool = False


class Remove(NamedTuple):
    """Remove one snapshot, not its children, and merge what it held."""

    snapshot: Snapshot


class Consolidate(NamedTuple):
    """Merge what a removal left behind."""


SnapshotStep = Union[EnableTracking, StartTracking, Take, Remove, Consolidate]
SnapshotPlan = Plan[SnapshotStep]


def plan_present(seen: SnapshotSeen, wanted: WantedSnapshot) -> SnapshotPlan:
    """Plan for one snapshot of the migration over all disks. Raises what forbids it."""
    machine = seen.machine
    _refuse_lost_disks(machine, wanted.left_out)
    if seen.of_sync:
        return _plan_kept(seen, wanted)
    _need_a_vm_to_snapshot(machine)
    _refuse_foreign(seen)
    steps: List[SnapshotStep] = [Remove(each) for each in reversed(seen.ours)]
    if wanted.enables_tracking and not machine.is_tracking_changes:
        steps += _tracking_steps(seen)
    steps.append(_take(machine, wanted))
    tracking = machine.is_tracking_changes or wanted.enables_tracking
    return Plan(tuple(steps), _state(seen), _state(seen, name_for(seen.migration_id), tracking))


def plan_absent(seen: SnapshotSeen) -> SnapshotPlan:
    """Plan for no snapshot of the migration, and for no disk that waits to be merged."""
    steps: List[SnapshotStep] = [Remove(each) for each in reversed(seen.ours)]
    if seen.machine.needs_consolidation:
        steps.append(Consolidate())
    after = {**_state(seen), "snapshot": None, "needs_consolidation": False}
    return Plan(tuple(steps), _state(seen), after)


def tracked_disks(disks: Tuple[Disk, ...], left_out: FrozenSet[int]) -> Tuple[Disk, ...]:
    """Return the disks that a snapshot holds and that were not left out."""
    return tuple(each for each in disks if each.key not in left_out and not snapshot_obstacle(each))


def check_consistency(machine: Machine, snapshot: Snapshot, wanted: WantedSnapshot) -> None:
    """Return if the snapshot is as consistent as is asked. Raises `NotAllowedNowError`."""
    if wanted.quiesce is Quiesce.REQUIRED and snapshot.consistency == CRASH_CONSISTENT:
        raise NotAllowedNowError(
            f"The snapshot {snapshot} of {machine} was not quiesced, and quiesce is required.",
            hint="Remove it with state=absent and run again.",
        )


def _plan_kept(seen: SnapshotSeen, wanted: WantedSnapshot) -> SnapshotPlan:
    if len(seen.of_sync) > 1:
        raise NotAllowedNowError(
            f"{seen.machine} has {len(seen.of_sync)} snapshots of migration"
            f" {seen.migration_id}: {_names(seen.of_sync)}.",
            hint="Remove them with state=absent and run again.",
        )
    if wanted.enables_tracking and not seen.machine.is_tracking_changes:
        _refuse_tracking_with_snapshots(seen.machine, seen.machine.snapshots)
    check_consistency(seen.machine, seen.of_sync[0], wanted)
    return Plan((), _state(seen), _state(seen))


def _take(machine: Machine, wanted: WantedSnapshot) -> Take:
    is_running = machine.power_state == ON
    remarks = () if is_running else (OF_A_STOPPED_VM,)
    description = description_for(wanted.migration_id, *remarks)
    if not is_running or wanted.quiesce is Quiesce.NO:
        return Take(description, is_quiesced=False)
    if wanted.quiesce is Quiesce.TRY:
        return Take(description, is_quiesced=machine.has_running_tools, may_fall_back=True)
    if not machine.has_running_tools:
        raise NotAllowedNowError(
            f"{machine} cannot be quiesced: VMware Tools do not run in it.",
            hint="Start them, power the VM off, or give quiesce=try for a crash-consistent snapshot.",
        )
    return Take(description, is_quiesced=True)


def _tracking_steps(seen: SnapshotSeen) -> List[SnapshotStep]:
    machine = seen.machine
    if not machine.can_track_changes or 0 < machine.hardware_version < OLDEST_TRACKING_HARDWARE:
        raise NotAllowedNowError(
            f"{machine} cannot track changes (virtual hardware {machine.hardware_version or '?'}).",
            hint="Run without change_tracking=enabled: each sync then reads all of its disks.",
        )
    others = tuple(each for each in machine.snapshots if each not in seen.ours)
    _refuse_tracking_with_snapshots(machine, others)
    start = StartTracking(description_for(seen.migration_id, TO_START_TRACKING))
    return [EnableTracking()] if machine.power_state == OFF else [EnableTracking(), start]


def _refuse_tracking_with_snapshots(machine: Machine, snapshots: Tuple[Snapshot, ...]) -> None:
    """Files of older snapshots would have no map beside them; others refuse this too (Azure 31453)."""
    if snapshots:
        raise NotAllowedNowError(
            f"Change tracking of {machine} cannot be enabled while it has snapshots:"
            f" {_names(snapshots)}.",
            hint="Remove them first, or run without change_tracking=enabled: each sync then reads"
            " all of its disks.",
        )


def _refuse_lost_disks(machine: Machine, left_out: FrozenSet[int]) -> None:
    unknown = sorted(left_out - {each.key for each in machine.disks})
    if unknown:
        raise InputError(
            f"{machine} has no disk with key {', '.join(map(str, unknown))}.",
            hint=f"Its disks: {', '.join(map(str, machine.disks)) or 'none'}.",
        )
    lost = [each for each in machine.disks if snapshot_obstacle(each) and each.key not in left_out]
    if lost:
        told = "; ".join(f"{each}: {snapshot_obstacle(each)}" for each in lost)
        raise NotAllowedNowError(
            f"A snapshot of {machine} does not hold all of its disks. {told}.",
            hint="Change that, or name them in left_out_disks"
            f" ({', '.join(str(each.key) for each in lost)}): they are not migrated then.",
        )


def _need_a_vm_to_snapshot(machine: Machine) -> None:
    if machine.is_template:
        raise NotAllowedNowError(f"{machine} is a template.", hint="Make a VM of it first.")
    if machine.connection_state != "connected":
        raise NotAllowedNowError(
            f"{machine} is {machine.connection_state}.", hint="Look at its host in the vCenter."
        )
    if machine.power_state not in (ON, OFF):
        # A snapshot of a suspended VM always holds its memory (API reference, CreateSnapshot_Task).
        raise NotAllowedNowError(
            f"{machine} is {machine.power_state}.", hint="Resume it, or power it off."
        )


def _refuse_foreign(seen: SnapshotSeen) -> None:
    name = name_for(seen.migration_id)
    for each in seen.machine.snapshots:
        if each.name == name and each.migration_id is None:
            raise NotOursError(
                f"{seen.machine} has a snapshot {each} that does not carry Ferry's mark.",
                hint="Rename or remove it.",
            )


def _names(snapshots: Tuple[Snapshot, ...]) -> str:
    return ", ".join(map(str, snapshots))


def _state(
    seen: SnapshotSeen, snapshot: Optional[str] = None, tracking: Optional[bool] = None
) -> Dict[str, Any]:
    machine = seen.machine
    return {
        "snapshot": snapshot or next((each.name for each in seen.of_sync), None),
        "change_tracking": machine.is_tracking_changes if tracking is None else tracking,
        "needs_consolidation": machine.needs_consolidation,
    }
