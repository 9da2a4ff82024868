# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Observe a volume, carry out its plan, look again after each step. PRIVATE to the collection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, List, Optional, Sequence, Union

from ..waiting import Waiter
from . import machines, servers, snapshot_work, volumes
from .client import MorpheusClient
from .errors import AmbiguousNameError, NotAllowedNowError
from .instances import get_instance
from .machines import Machine
from .snapshots import Snapshot
from .volume_plan import Attach, Delete, Detach, VolumePlan, VolumeSeen, VolumeStep
from .volumes import Volume


@dataclass(frozen=True)
class VolumeCalled:
    """How the operator calls the volume: by `id`, or by a name that only one has."""

    id: Optional[int] = None
    name: str = ""

    def __str__(self) -> str:
        return f'"{self.name}"' if self.id is None else f"with id {self.id}"


def observe(
    client: MorpheusClient, called: VolumeCalled, instance_name: str, waiter: Waiter
) -> VolumeSeen:
    """Return the volume, who has it, and the named machine ("" for none).

    What the appliance works on is waited for: a killed run may have left it at work. Raises
    `AmbiguousNameError` for a name that several have and the machine has not exactly once.
    """
    return _observe(client, called, instance_name, waiter, may_be_missing=False)


def observe_attached(
    client: MorpheusClient, called: VolumeCalled, instance_name: str, waiter: Waiter
) -> VolumeSeen:
    """Return the volume of that name on the named machine, which is waited for as by `observe`.

    Without one there, a name that several others have is nobody's: no volume is returned.
    """
    return _observe(client, called, instance_name, waiter, may_be_missing=bool(instance_name))


def find_holder(
    client: MorpheusClient, volume: Volume, likely: Optional[Machine] = None
) -> Optional[Machine]:
    """Return the machine that has the volume, None if none has; the `likely` one is asked first.

    Raises `NotAllowedNowError` for a volume of a server without instance: not ours to touch.
    """
    if likely is not None and _attached(likely, volume):
        return likely
    server = servers.find_holder(client, volume.id)
    if server is None:
        return None
    if server.instance_id is None:
        raise NotAllowedNowError(
            f'The {volume} is attached to server "{server.name}" (id {server.id}), which belongs'
            " to no instance.",
            hint="Ferry changes instances only; detach it on the appliance.",
        )
    return Machine(get_instance(client, server.instance_id), server)


def apply(
    client: MorpheusClient, plan: VolumePlan, waiter: Waiter, *, yielding: Sequence[str] = ()
) -> List[Snapshot]:
    """Carry out the steps; each is true on the appliance before the next one starts.

    Where the appliance refuses to move the volume, snapshots with a name in `yielding` are deleted
    and it is asked once more. Returns those.
    """
    return [snapshot for step in plan.steps for snapshot in _take(client, step, waiter, yielding)]


def _observe(
    client: MorpheusClient,
    called: VolumeCalled,
    instance_name: str,
    waiter: Waiter,
    *,
    may_be_missing: bool,
) -> VolumeSeen:
    machine = None
    if instance_name:
        # First of all: a machine that is being made gets its volumes only while we wait.
        machine = machines.settle(client, machines.get_machine(client, instance_name), waiter)
    volume = _find(client, called, machine, may_be_missing=may_be_missing)
    holder = find_holder(client, volume, machine) if volume else None
    if holder is not None:
        holder = machines.settle(client, holder, waiter)
    return VolumeSeen(volume=volume, holder=holder, machine=machine, called=str(called))


def _take(
    client: MorpheusClient, step: VolumeStep, waiter: Waiter, yielding: Sequence[str]
) -> List[Snapshot]:
    if isinstance(step, Delete):
        volumes.remove_volume(client, step.volume, waiter)
        return []
    move: Union[Detach, Attach] = step
    return snapshot_work.change_volumes(
        client,
        move.machine,
        lambda: _move(client, move, waiter),
        yielding=yielding,
        waiter=waiter,
    )


def _move(client: MorpheusClient, step: Union[Detach, Attach], waiter: Waiter) -> None:
    if isinstance(step, Detach):
        _detach(client, step, waiter)
    else:
        _attach(client, step, waiter)


def _detach(client: MorpheusClient, step: Detach, waiter: Waiter) -> None:
    """The volume is not on the server any more, and still exists, as ready as it was before."""

    def is_done(seen: Machine) -> bool:
        return _attached(seen, step.volume) is None

    machines.insist(
        client,
        step.machine,
        lambda: servers.detach_volume(client, step.server, step.volume.id),
        is_done=is_done,
        waiter=waiter,
    )
    what = f"{step.volume} to be detached from {step.machine}"
    _wait(client, step.machine, is_done, waiter=waiter, what=what)
    # One whose provisioning failed never gets ready, and shall be detached to be deleted.
    if step.volume.status == volumes.READY:
        volumes.wait_until_ready(client, step.volume.id, waiter)


def _attach(client: MorpheusClient, step: Attach, waiter: Waiter) -> None:
    """The volume is on the server in the asked place; as root it is the only one."""

    def is_done(seen: Machine) -> bool:
        return _is_in_place(seen, step)

    machines.insist(
        client,
        step.machine,
        lambda: servers.attach_volume(
            client,
            step.server,
            step.volume.id,
            controller_id=step.controller_id,
            unit=step.unit,
            as_root=step.as_root,
        ),
        is_done=is_done,
        waiter=waiter,
    )
    role = "as root" if step.as_root else "as data volume"
    what = f"{step.volume} to be attached to {step.machine} {role} at unit {step.unit}"
    _wait(client, step.machine, is_done, waiter=waiter, what=what)
    volumes.wait_until_ready(client, step.volume.id, waiter)


def _wait(
    client: MorpheusClient,
    machine: Machine,
    is_done: Callable[[Machine], bool],
    *,
    waiter: Waiter,
    what: str,
) -> None:
    waiter.until(
        lambda: machines.reread(client, machine),
        lambda seen: is_done(seen) and not seen.instance.is_passing,
        what=what,
        describe=_describe_volumes,
    )


def _is_in_place(machine: Machine, step: Attach) -> bool:
    held = _attached(machine, step.volume)
    if held is None or held.is_root != step.as_root or held.unit not in (None, step.unit):
        return False
    return not step.as_root or [each.id for each in machine.volumes if each.is_root] == [held.id]


def _attached(machine: Machine, volume: Volume) -> Optional[Volume]:
    return machine.server.volume(volume.id) if machine.server else None


def _describe_volumes(machine: Machine) -> str:
    held = [
        f"{each} at unit {each.unit}{', root' if each.is_root else ''}" for each in machine.volumes
    ]
    return f"it has {'; '.join(held) or 'no volumes'} and {machine.describe()}"


def _find(
    client: MorpheusClient,
    called: VolumeCalled,
    machine: Optional[Machine],
    *,
    may_be_missing: bool,
) -> Optional[Volume]:
    """Return the volume; a name that several have means the one on the named machine."""
    if called.id is not None:
        return volumes.find_volume(client, called.id)
    found = volumes.list_volumes(client, name=called.name)
    here = [each for each in found if machine and _attached(machine, each)]
    if len(here) == 1:
        return here[0]
    if len(found) > 1 and (here or not may_be_missing):
        raise AmbiguousNameError(
            f'{len(found)} volumes are called "{called.name}".',
            hint=f"Give the id: {', '.join(str(each.id) for each in found)}.",
        )
    return found[0] if len(found) == 1 else None
