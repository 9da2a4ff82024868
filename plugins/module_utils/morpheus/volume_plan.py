# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Where a volume is, where it shall be, and the steps between. PRIVATE to the collection. Pure.

attached:  [detach here, if its role or unit differs] -> attach
detached:  detach
absent:    delete, only if no server holds it
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

from ..change_plan import Plan
from .errors import NoSuchObjectError, NotAllowedNowError
from .machines import Machine
from .servers import Server
from .volumes import Volume


@dataclass(frozen=True)
class Place:
    """What is asked of an attached volume. Without `unit` its present one, or the lowest free."""

    is_root: bool
    unit: Optional[int] = None


@dataclass(frozen=True)
class VolumeSeen:
    """What was observed. `holder` is the machine that has the volume, `machine` the one named."""

    volume: Optional[Volume]
    holder: Optional[Machine] = None
    machine: Optional[Machine] = None
    called: str = ""

    def as_result(self) -> Optional[Dict[str, Any]]:
        """Return what modules show of the volume and its place, None if there is no such volume."""
        if self.volume is None:
            return None
        held = _held_by(self.holder, self.volume) or self.volume
        return {
            **held.as_result(),
            "status": self.volume.status,
            "instance": self.holder.instance.name if self.holder else None,
            "server_id": self.holder.instance.server_id if self.holder else None,
        }


class Detach(NamedTuple):
    """Take the volume from the machine that has it."""

    machine: Machine
    server: Server
    volume: Volume


class Attach(NamedTuple):
    """Give the volume, attached nowhere, to the machine."""

    machine: Machine
    server: Server
    volume: Volume
    controller_id: int
    unit: int
    as_root: bool


class Delete(NamedTuple):
    """Delete the volume, attached nowhere, with its data."""

    volume: Volume


VolumeStep = Union[Detach, Attach, Delete]
VolumePlan = Plan[VolumeStep]


def plan_attached(seen: VolumeSeen, place: Place) -> VolumePlan:
    """Plan for the volume to be attached to the machine in this place. Raises what forbids it."""
    volume, machine = _need_volume(seen), _need_machine(seen)
    held = _held_by(seen.holder, volume)
    is_here = seen.holder is not None and seen.holder.instance.id == machine.instance.id
    if is_here and held is not None and _fits(held, place):
        return Plan((), _state(seen), _state(seen))
    if seen.holder is not None and not is_here:
        raise NotAllowedNowError(
            f"The {volume} is attached to {seen.holder}, not to {machine}.",
            hint="Detach it there first.",
        )
    _need(machine.is_still, machine, volume, "attached")
    if place.is_root:
        _refuse_second_root(machine, volume)
    present = held.unit if held is not None else None
    server = _need_server(machine)
    controller_id, unit = choose_place(
        server, volume, present if place.unit is None else place.unit
    )
    steps: List[VolumeStep] = [Detach(machine, server, volume)] if is_here else []
    steps.append(Attach(machine, server, volume, controller_id, unit, place.is_root))
    after = {"attached_to": machine.instance.name, "root": place.is_root, "unit": unit}
    return Plan(tuple(steps), _state(seen), after)


def plan_detached(seen: VolumeSeen) -> VolumePlan:
    """Plan for the volume to be attached to nothing, or, if a machine was named, not to that one.

    A volume that does not exist is attached to nothing.
    """
    volume, holder = seen.volume, seen.holder
    is_elsewhere = (
        holder is not None
        and seen.machine is not None
        and holder.instance.id != seen.machine.instance.id
    )
    if volume is None or holder is None or is_elsewhere:
        return Plan((), _state(seen), _state(seen))
    _need(holder.is_still, holder, volume, "detached")
    return Plan((Detach(holder, _need_server(holder), volume),), _state(seen), _nowhere())


def plan_absent(seen: VolumeSeen) -> VolumePlan:
    """Plan for the volume not to exist. Raises `NotAllowedNowError` while a machine has it."""
    if seen.volume is None:
        return Plan((), {}, {})
    if seen.holder is not None:
        raise NotAllowedNowError(
            f"The {seen.volume} is attached to {seen.holder} and is not deleted.",
            hint="Detach it first; Ferry deletes only what no machine holds.",
        )
    return Plan((Delete(seen.volume),), {**_state(seen), "name": seen.volume.name}, {})


def choose_place(server: Server, volume: Volume, unit: Optional[int]) -> Tuple[int, int]:
    """Return controller and unit: the wanted unit, else the lowest free one.

    The controller is the one that the server's disks are on; a server without disks uses its first.
    Raises `NotAllowedNowError` when the unit is taken or does not exist.
    """
    others = [each for each in server.volumes if each.id != volume.id]
    used = [each.controller_id for each in others if each.controller_id is not None]
    controller = next((each for each in server.controllers if not used or each.id == used[0]), None)
    if controller is None:
        raise NotAllowedNowError(
            f'Server "{server.name}" (id {server.id}) has no disk controller.',
            hint="Look at its hardware on the appliance.",
        )
    taken = {each.unit: each for each in others if each.controller_id == controller.id}
    free = [each for each in controller.units if each not in taken]
    if unit in taken:
        raise NotAllowedNowError(
            f'Unit {unit} of server "{server.name}" is taken by {taken[unit]}.',
            hint=f"Detach that first, or use a free unit: {free[:8]}.",
        )
    if not free or (unit is not None and unit not in free):
        raise NotAllowedNowError(
            f'Controller "{controller.name}" of server "{server.name}" has no'
            f" {'free unit' if unit is None else f'unit {unit}'}.",
            hint=f"Free units: {free or 'none'}.",
        )
    return controller.id, free[0] if unit is None else unit


def _fits(held: Volume, place: Place) -> bool:
    return held.is_root == place.is_root and place.unit in (None, held.unit)


def _refuse_second_root(machine: Machine, volume: Volume) -> None:
    other = next((each for each in machine.volumes if each.is_root and each.id != volume.id), None)
    if other is not None:
        raise NotAllowedNowError(
            f"The {machine} already boots from {other}; {volume} would be a second root.",
            hint="Detach the present root first, and keep its id and unit to put it back.",
        )


def _need(is_still: bool, machine: Machine, volume: Volume, verb: str) -> None:
    if not is_still:
        raise NotAllowedNowError(
            f"The {volume} cannot be {verb}: {machine} is not off ({machine.describe()}).",
            hint="Stop the instance first.",
        )


def _need_volume(seen: VolumeSeen) -> Volume:
    if seen.volume is None:
        raise NoSuchObjectError(f"There is no volume {seen.called}.", hint="Check name or id.")
    return seen.volume


def _need_machine(seen: VolumeSeen) -> Machine:
    if seen.machine is None:
        raise NoSuchObjectError(
            f"The volume {seen.called} shall be attached, but to no instance.",
            hint="Give the option instance.",
        )
    return seen.machine


def _need_server(machine: Machine) -> Server:
    if machine.server is None:
        raise NotAllowedNowError(
            f"The {machine} has no server that a volume could be attached to.",
            hint="Its provisioning did not finish; look at it on the appliance.",
        )
    return machine.server


def _held_by(holder: Optional[Machine], volume: Volume) -> Optional[Volume]:
    return next((each for each in holder.volumes if each.id == volume.id), None) if holder else None


def _state(seen: VolumeSeen) -> Dict[str, Any]:
    if seen.volume is None:
        return {}
    held = _held_by(seen.holder, seen.volume)
    if seen.holder is None or held is None:
        return _nowhere()
    return {"attached_to": seen.holder.instance.name, "root": held.is_root, "unit": held.unit}


def _nowhere() -> Dict[str, Any]:
    return {"attached_to": None, "root": False, "unit": None}
