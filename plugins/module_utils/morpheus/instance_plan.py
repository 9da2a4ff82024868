# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What an instance is, what it shall be, and the steps between. PRIVATE to the collection. Pure.

Of an instance that exists only tags, labels and network cards are changed; how it was created, and
its volumes, are left alone (volumes come and go during a migration).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from ..change_plan import Plan
from .creation import Creation, WantedInterface
from .errors import NotAllowedNowError
from .instances import FAILED, LEAVING
from .machines import Machine
from .servers import Interface


@dataclass(frozen=True)
class WantedMarks:
    """Tags and labels that the instance shall have besides those it has."""

    tags: Mapping[str, str] = field(default_factory=dict)
    labels: Tuple[str, ...] = ()


class Create(NamedTuple):
    """Provision the instance."""

    creation: Creation
    marks: WantedMarks


class Tag(NamedTuple):
    """Add these tags or change their values."""

    machine: Machine
    tags: Mapping[str, str]


class Label(NamedTuple):
    """Give the instance these labels, all it shall have."""

    machine: Machine
    labels: Tuple[str, ...]


class Rewire(NamedTuple):
    """Give the instance these network cards, in this order, and no others."""

    machine: Machine
    interfaces: Tuple[WantedInterface, ...]


class Start(NamedTuple):
    """Start it."""

    machine: Machine


class Stop(NamedTuple):
    """Shut it down."""

    machine: Machine


class Remove(NamedTuple):
    """Remove it, with its volumes or without."""

    machine: Machine
    preserve_volumes: bool
    force: bool


InstanceStep = Union[Create, Tag, Label, Rewire, Start, Stop, Remove]
InstancePlan = Plan[InstanceStep]


def plan_created(creation: Creation, marks: WantedMarks) -> InstancePlan:
    """Plan for an instance that does not exist."""
    after = {
        **creation.as_state(),
        "tags": dict(marks.tags),
        "labels": sorted(marks.labels),
    }
    return Plan((Create(creation, marks),), {}, after)


def plan_present(
    machine: Machine,
    marks: WantedMarks,
    interfaces: Optional[Sequence[WantedInterface]],
) -> InstancePlan:
    """Plan for an instance that exists. `interfaces` None: leave the network cards as they are."""
    _refuse_unusable(machine)
    steps: List[InstanceStep] = []
    before: Dict[str, Any] = {}
    after: Dict[str, Any] = {}
    instance = machine.instance
    missing = {
        name: value for name, value in marks.tags.items() if instance.tags.get(name) != value
    }
    if missing:
        steps.append(Tag(machine, missing))
        before["tags"], after["tags"] = dict(instance.tags), {**instance.tags, **missing}
    labels = tuple(sorted({*instance.labels, *marks.labels}))
    if labels != instance.labels:
        steps.append(Label(machine, labels))
        before["labels"], after["labels"] = list(instance.labels), list(labels)
    if interfaces is not None and not are_wired(machine.interfaces, interfaces):
        _need_off(machine)
        steps.append(Rewire(machine, tuple(interfaces)))
        before["networks"] = [_wire(each.network, each.mac) for each in machine.interfaces]
        after["networks"] = _wires_after(machine.interfaces, interfaces)
    return Plan(tuple(steps), before, after)


def plan_started(machine: Machine) -> InstancePlan:
    """Plan for the instance to run."""
    _refuse_unusable(machine)
    return _power_plan(machine, () if machine.is_on else (Start(machine),), "on")


def plan_stopped(machine: Machine) -> InstancePlan:
    """Plan for the instance to be off. Of one that failed and does not run nothing is asked."""
    _refuse_leaving(machine)
    return _power_plan(machine, () if machine.is_still else (Stop(machine),), "off")


def plan_absent(machine: Optional[Machine], *, preserve_volumes: bool, force: bool) -> InstancePlan:
    """Plan for the instance not to exist.

    `preserve_volumes` is for a machine whose volumes were all detached before: with one left it is
    refused, because the volume would stay behind with nobody who knows of it.
    """
    if machine is None:
        return Plan((), {}, {})
    if machine.instance.is_locked:
        raise NotAllowedNowError(
            f"The {machine} is locked.", hint="Unlock it on the appliance if it really shall go."
        )
    if preserve_volumes and machine.volumes:
        raise NotAllowedNowError(
            f"The {machine} still has {', '.join(str(each) for each in machine.volumes)}, which"
            " would be left behind without an owner.",
            hint="Detach what shall be kept, or remove the instance with its volumes"
            " (preserve_volumes: false).",
        )
    before = {
        "name": machine.instance.name,
        "status": machine.instance.status,
        "volumes": [each.name for each in machine.volumes],
    }
    return Plan((Remove(machine, preserve_volumes, force),), before, {})


def are_wired(seen: Sequence[Interface], wanted: Sequence[WantedInterface]) -> bool:
    """Whether the network cards are the wanted ones, in the wanted order."""
    return len(seen) == len(wanted) and all(
        have.network_id == want.network_id and want.mac in ("", have.mac)
        for have, want in zip(seen, wanted)
    )


def _power_plan(machine: Machine, steps: Tuple[InstanceStep, ...], power: str) -> InstancePlan:
    before = {"status": machine.instance.status, "power_state": machine.power_state}
    status = {"on": "running", "off": "stopped"}[power]
    after = {"status": status, "power_state": power} if steps else before
    return Plan(steps, before, after)


def _refuse_unusable(machine: Machine) -> None:
    _refuse_leaving(machine)
    if machine.instance.status in FAILED:
        raise NotAllowedNowError(
            f"The {machine} exists, but is of no use: {machine.describe()}.",
            hint="Remove it (state: absent) when the cause is mended, and run again.",
        )


def _refuse_leaving(machine: Machine) -> None:
    if machine.instance.status in LEAVING:
        raise NotAllowedNowError(
            f"The {machine} is being removed: {machine.describe()}.",
            hint="Run again when it is gone.",
        )


def _need_off(machine: Machine) -> None:
    if not machine.is_off:
        raise NotAllowedNowError(
            f"The networks of {machine} cannot be changed: {machine.describe()}.",
            hint="Stop the instance first.",
        )


def _wires_after(
    seen: Sequence[Interface], wanted: Sequence[WantedInterface]
) -> List[Dict[str, str]]:
    """A card that keeps its place and is given no MAC keeps the one that it has."""
    macs = [each.mac for each in seen] + ["chosen by the appliance"] * len(wanted)
    return [_wire(each.network, each.mac or mac) for each, mac in zip(wanted, macs)]


def _wire(network: str, mac: str) -> Dict[str, str]:
    return {"network": network, "mac": mac}
