# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Carry out an instance's plan and look again after each step. PRIVATE to the collection."""

from __future__ import annotations

from typing import Any, List, Mapping, Sequence

from ..errors import TransientError
from ..waiting import Waiter
from . import instances, machines, volumes
from .client import MorpheusClient
from .creation import Creation, interface_request
from .errors import NotAsAskedError
from .instance_plan import (
    Create,
    InstancePlan,
    InstanceStep,
    Label,
    Remove,
    Rewire,
    Start,
    Stop,
    Tag,
    are_wired,
)
from .instances import LEAVING
from .machines import Machine


def apply(client: MorpheusClient, plan: InstancePlan, waiter: Waiter) -> None:
    """Carry out the steps; each is true on the appliance before the next one starts."""
    for step in plan.steps:
        _take(client, step, waiter)


def _take(client: MorpheusClient, step: InstanceStep, waiter: Waiter) -> None:
    if isinstance(step, Create):
        _create(client, step, waiter)
    elif isinstance(step, Tag):
        _tag(client, step, waiter)
    elif isinstance(step, Label):
        _label(client, step, waiter)
    elif isinstance(step, Rewire):
        _rewire(client, step, waiter)
    elif isinstance(step, Start):
        _start(client, step.machine, waiter)
    elif isinstance(step, Stop):
        _stop(client, step.machine, waiter)
    else:
        _remove(client, step, waiter)


def _create(client: MorpheusClient, step: Create, waiter: Waiter) -> None:
    """The instance is provisioned, in the wanted power state, with disks and cards as asked for."""
    machine = _ask_to_create(client, step, waiter)
    powered_off = step.creation.profile.is_powered_off
    wait = machines.wait_until_off if powered_off else machines.wait_until_on
    machine = wait(client, machine, waiter)
    for volume in machine.volumes:
        volumes.wait_until_ready(client, volume.id, waiter)
    _verify_created(machine, step.creation)


def _ask_to_create(client: MorpheusClient, step: Create, waiter: Waiter) -> Machine:
    """Ask for the instance; where the answer is lost, look whether it was heard before failing."""
    request = step.creation.as_request(step.marks.tags, step.marks.labels)
    try:
        return Machine(instances.create_instance(client, request), None)
    except TransientError:
        found = machines.find_machine(client, step.creation.profile.name)
        if found is None:
            raise
        return machines.settle(client, found, waiter)


def _tag(client: MorpheusClient, step: Tag, waiter: Waiter) -> None:
    machines.insist(
        client,
        step.machine,
        lambda: instances.merge_tags(client, step.machine.instance, step.tags),
        is_done=lambda seen: step.tags.items() <= seen.instance.tags.items(),
        waiter=waiter,
    )


def _label(client: MorpheusClient, step: Label, waiter: Waiter) -> None:
    machines.insist(
        client,
        step.machine,
        lambda: instances.set_labels(client, step.machine.instance, step.labels),
        is_done=lambda seen: seen.instance.labels == step.labels,
        waiter=waiter,
    )


def _start(client: MorpheusClient, machine: Machine, waiter: Waiter) -> None:
    """The machine runs."""
    machines.insist(
        client,
        machine,
        lambda: instances.start_instance(client, machine.instance),
        is_done=lambda seen: seen.is_on,
        waiter=waiter,
    )
    machines.wait_until_on(client, machine, waiter)


def _stop(client: MorpheusClient, machine: Machine, waiter: Waiter) -> None:
    """The machine is off."""
    machines.insist(
        client,
        machine,
        lambda: instances.stop_instance(client, machine.instance),
        is_done=lambda seen: seen.is_off,
        waiter=waiter,
    )
    machines.wait_until_off(client, machine, waiter)


def _verify_created(machine: Machine, creation: Creation) -> None:
    problems = [
        *_size_problems(machine, creation),
        *_volume_problems(machine, creation),
        *_interface_problems(machine, creation),
    ]
    if problems:
        raise NotAsAskedError(
            f"The {machine} was made, but not as asked: {'; '.join(problems)}.",
            hint="Remove it (state: absent) and look at the layout's and plan's own settings.",
        )


def _size_problems(machine: Machine, creation: Creation) -> List[str]:
    wanted, server = creation.profile, machine.server
    if server is None:
        return []
    sizes = (("CPUs", wanted.cpus, server.cpus), ("bytes of memory", wanted.memory, server.memory))
    return [
        f"it has {made} {what}, not {asked}"
        for what, asked, made in sizes
        if asked and made and asked != made
    ]


def _volume_problems(machine: Machine, creation: Creation) -> List[str]:
    made = {each.name: each for each in machine.volumes}
    problems = []
    for wanted in creation.profile.volumes:
        volume = made.get(wanted.name)
        if volume is None:
            problems.append(f'volume "{wanted.name}" is missing (it has {sorted(made) or "none"})')
        elif volume.size < wanted.size:
            problems.append(f"{volume} has {volume.size} bytes, not {wanted.size}")
        elif volume.is_root != wanted.is_root:
            problems.append(f"{volume} is {'' if volume.is_root else 'not '}the root")
        elif wanted.unit is not None and volume.unit not in (None, wanted.unit):
            problems.append(f"{volume} is at unit {volume.unit}, not {wanted.unit}")
    return problems


def _interface_problems(machine: Machine, creation: Creation) -> List[str]:
    if are_wired(machine.interfaces, creation.interfaces):
        return []
    seen = [f"{each.network} {each.mac}" for each in machine.interfaces]
    return [f"its network cards are {', '.join(seen) or 'none'}"]


def _rewire(client: MorpheusClient, step: Rewire, waiter: Waiter) -> None:
    """The network cards are as wanted, and everything else is as it was."""
    machines.refuse_stale_volumes(step.machine)
    machines.insist(
        client,
        step.machine,
        lambda: instances.reconfigure(
            client,
            step.machine.instance,
            volumes=[instances.echo_volume(each) for each in step.machine.volumes],
            plan_options=step.machine.plan_options,
            interfaces=_interface_requests(step),
        ),
        is_done=lambda seen: are_wired(seen.interfaces, step.interfaces),
        waiter=waiter,
    )
    rewired = waiter.until(
        lambda: machines.reread(client, step.machine),
        lambda seen: not seen.instance.is_passing and are_wired(seen.interfaces, step.interfaces),
        what=f"{step.machine} to have its network cards changed",
        describe=_describe_wires,
    )
    machines.refuse_other_size(step.machine, rewired)


def _interface_requests(step: Rewire) -> Sequence[Mapping[str, Any]]:
    """A card that keeps its place keeps its id, and its MAC where none is wanted."""
    present = [*step.machine.interfaces, *[None] * len(step.interfaces)]
    return [
        interface_request(
            wanted, interface_id=have.id if have else None, mac=have.mac if have else ""
        )
        for wanted, have in zip(step.interfaces, present)
    ]


def _describe_wires(machine: Machine) -> str:
    seen = ", ".join(f"{each.network} {each.mac}" for each in machine.interfaces)
    return f"it has {seen or 'none'}, and {machine.describe()}"


def _remove(client: MorpheusClient, step: Remove, waiter: Waiter) -> None:
    """The instance is gone; one that is on its way out already is only waited for."""
    if step.machine.instance.status not in LEAVING:
        try:
            _ask_to_remove(client, step)
        except TransientError:
            left = instances.find_instance(client, step.machine.instance.id)
            if left is not None and left.status not in LEAVING:
                _ask_to_remove(client, step)
    instances.wait_until_gone(client, step.machine.instance, waiter)


def _ask_to_remove(client: MorpheusClient, step: Remove) -> None:
    instances.remove_instance(
        client,
        step.machine.instance,
        preserve_volumes=step.preserve_volumes,
        force=step.force,
    )
