# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which snapshots there are, which there shall be, and the steps between. PRIVATE. Pure.

present:   [delete those of the name that failed] -> take, unless one is whole
absent:    delete all of the name, the latest first
reverted:  revert, whenever it is asked for: nobody sees whether the disks were written since
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple, Union

from ..change_plan import Plan
from .errors import AmbiguousNameError, NoSuchObjectError, NotAllowedNowError
from .machines import Machine
from .snapshots import READY, Snapshot


@dataclass(frozen=True)
class SnapshotSeen:
    """What was observed: the machine, and its snapshots of the name, the oldest first."""

    machine: Machine
    name: str
    found: Tuple[Snapshot, ...] = ()


class Take(NamedTuple):
    """Take a snapshot of all volumes of the machine."""

    machine: Machine
    name: str
    description: str


class Drop(NamedTuple):
    """Delete the snapshot; the volumes keep what they hold."""

    machine: Machine
    snapshot: Snapshot


class Revert(NamedTuple):
    """Give the machine's volumes back what they held at the snapshot."""

    machine: Machine
    snapshot: Snapshot


SnapshotStep = Union[Take, Drop, Revert]
SnapshotPlan = Plan[SnapshotStep]


def plan_present(seen: SnapshotSeen, description: str) -> SnapshotPlan:
    """Plan for a whole snapshot of the name to exist; one that exists is not taken anew."""
    if any(each.status == READY for each in seen.found):
        return Plan((), _state(seen.found), _state(seen.found))
    take = Take(seen.machine, seen.name, description)
    after = {"snapshots": [{"name": seen.name, "status": READY}]}
    return Plan((*_drops(seen), take), _state(seen.found), after)


def plan_absent(seen: SnapshotSeen) -> SnapshotPlan:
    """Plan for no snapshot of the name to exist."""
    return Plan(tuple(_drops(seen)), _state(seen.found), _state(()))


def plan_reverted(seen: SnapshotSeen, *, must_exist: bool) -> SnapshotPlan:
    """Plan for the machine's disks to be as they were at the snapshot; no steps if it may be missing.

    Raises `NotAllowedNowError` for a machine that is not off: what it writes meanwhile would be lost
    in part.
    """
    if not seen.found and not must_exist:
        return Plan((), {}, {})
    snapshot = _the_one(seen)
    if not seen.machine.is_still:
        raise NotAllowedNowError(
            f"The {seen.machine} cannot return to {snapshot}: it is not off"
            f" ({seen.machine.describe()}).",
            hint="Stop the instance first.",
        )
    before = {"disks": "as they are"}
    after = {"disks": f'as they were at "{snapshot.name}", {snapshot.created}'}
    return Plan((Revert(seen.machine, snapshot),), before, after)


def tell_moved(before: Machine, after: Machine) -> str:
    """Return how a revert changed the set of volumes, for a warning; "" if it did not."""
    if _places(before) == _places(after):
        return ""
    return (
        f"The revert moved volumes of {after}: it had {_told(before)}, and has {_told(after)}."
        " What left it was not deleted."
    )


def _the_one(seen: SnapshotSeen) -> Snapshot:
    whole = [each for each in seen.found if each.status == READY]
    if len(whole) > 1:
        raise AmbiguousNameError(
            f'{len(whole)} snapshots of {seen.machine} are called "{seen.name}".',
            hint="Delete all but one on the appliance.",
        )
    if not whole:
        raise NoSuchObjectError(
            f'The {seen.machine} has no whole snapshot "{seen.name}".',
            hint="Check the name; a snapshot that failed is none to return to.",
        )
    return whole[0]


def _drops(seen: SnapshotSeen) -> List[SnapshotStep]:
    """A later one leans on the earlier: the other way round more data would be moved."""
    return [Drop(seen.machine, each) for each in reversed(seen.found)]


def _state(found: Sequence[Snapshot]) -> Dict[str, Any]:
    return {"snapshots": [{"name": each.name, "status": each.status} for each in found]}


def _places(machine: Machine) -> List[Tuple[int, bool, int]]:
    return sorted((each.id, each.is_root, each.unit or 0) for each in machine.volumes)


def _told(machine: Machine) -> str:
    told = [f"{each}{' as root' if each.is_root else ''}" for each in machine.volumes]
    return ", ".join(told) or "none"
