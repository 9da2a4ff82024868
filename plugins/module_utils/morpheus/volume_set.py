# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The volumes that an instance has, those that it shall have, and the one resize between. PRIVATE.

A volume is known by its name. It is made or grown, never shrunk, and deleted only if it was named.
The resize names every volume, because the appliance deletes what it is not told of; so the new set is
compared with the old one, volume by volume, when it is there.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from ..change_plan import Plan
from ..errors import InputError
from ..units import show_exact_size, up_to_gib
from ..waiting import Waiter
from . import instances, machines, moves, snapshot_work, volumes
from .client import MorpheusClient
from .creation import WantedVolume, volume_request
from .errors import NotAllowedNowError
from .machines import Machine
from .snapshots import Snapshot
from .volumes import Volume


class Resize(NamedTuple):
    """Make, grow and delete volumes of the machine. `grown` is the new size in bytes by id."""

    machine: Machine
    added: Tuple[WantedVolume, ...]
    grown: Mapping[int, int]
    removed: Tuple[Volume, ...]

    @property
    def kept(self) -> List[Volume]:
        """Volumes that the machine has and keeps, grown or as they are."""
        removed = {each.id for each in self.removed}
        return [each for each in self.machine.volumes if each.id not in removed]

    def size_of(self, volume: Volume) -> int:
        """The size in bytes that a kept volume shall have."""
        return self.grown.get(volume.id, volume.size)


VolumeSetPlan = Plan[Resize]


def plan_volume_set(
    machine: Machine, wanted: Sequence[WantedVolume], unwanted: Sequence[str]
) -> VolumeSetPlan:
    """Plan for the wanted volumes to be there, at least as large, and the unwanted ones not.

    Volumes that neither names stay. Raises `NotAllowedNowError` for what the machine forbids.
    """
    present = _by_name(machine)
    _check_names(machine, wanted, unwanted)
    resize = Resize(
        machine=machine,
        added=tuple(each for each in wanted if each.name not in present),
        grown={
            present[each.name].id: up_to_gib(each.size)
            for each in wanted
            if each.name in present and present[each.name].size < each.size
        },
        removed=tuple(volume for name, volume in present.items() if name in unwanted),
    )
    before, after = _before(resize), _after(resize)
    if before == after:
        return Plan((), before, after)
    if not machine.is_off:
        raise NotAllowedNowError(
            f"The volumes of {machine} cannot be changed: {machine.describe()}.",
            hint="Stop the instance first.",
        )
    return Plan((resize,), before, after)


def apply(
    client: MorpheusClient,
    plan: VolumeSetPlan,
    datastore_ids: Mapping[str, int],
    waiter: Waiter,
    *,
    yielding: Sequence[str] = (),
) -> List[Snapshot]:
    """Carry out the plan; the machine has the volumes, ready for use, when it returns.

    `datastore_ids` are those of the new volumes' datastores, by name. Snapshots named in `yielding`
    are deleted where the appliance refuses; returns those.
    """
    gone: List[Snapshot] = []
    for step in plan.steps:
        requests = _requests(step, datastore_ids)
        resize = partial(_resize, client, step, requests, waiter)
        gone += snapshot_work.change_volumes(
            client, step.machine, resize, yielding=yielding, waiter=waiter
        )
    return gone


def _resize(
    client: MorpheusClient, step: Resize, requests: Sequence[Mapping[str, Any]], waiter: Waiter
) -> None:
    """The new set is there and ready; of the old one nothing is missing but what was unwanted."""
    machines.refuse_stale_volumes(step.machine)

    def is_done(seen: Machine) -> bool:
        instances.refuse_failed(client, seen.instance)
        return not _problems(seen, step)

    moves.ask_and_wait(
        client,
        step.machine,
        lambda: instances.reconfigure(
            client,
            step.machine.instance,
            volumes=requests,
            plan_options=step.machine.plan_options,
        ),
        is_done=is_done,
        is_heard=is_done,
        waiter=waiter,
        what=f"{step.machine} to have its volumes changed",
        describe=lambda seen: "; ".join([*_problems(seen, step), seen.describe()]),
    )
    resized = machines.reread(client, step.machine)
    machines.refuse_other_size(step.machine, resized)
    for volume in resized.volumes:
        volumes.wait_until_ready(client, volume.id, waiter)


def _problems(seen: Machine, step: Resize) -> List[str]:
    here = {each.id: each for each in seen.volumes}
    names = [each.name for each in seen.volumes]
    return [
        *(f"{each} is still there" for each in step.removed if each.id in here),
        *(f"{each} is missing" for each in step.kept if each.id not in here),
        *(
            f"{each} has {show_exact_size(here[each.id].size)}"
            for each in step.kept
            if each.id in here and here[each.id].size < step.size_of(each)
        ),
        *(
            f'it has {names.count(each.name)} volumes called "{each.name}"'
            for each in step.added
            if names.count(each.name) != 1
        ),
    ]


def _requests(step: Resize, datastore_ids: Mapping[str, int]) -> List[Dict[str, Any]]:
    return [
        *(instances.echo_volume(each, step.size_of(each)) for each in step.kept),
        *(volume_request(each, datastore_ids.get(each.datastore)) for each in step.added),
    ]


def _by_name(machine: Machine) -> Dict[str, Volume]:
    found = {each.name: each for each in machine.volumes}
    if len(found) != len(machine.volumes):
        names = ", ".join(sorted(each.name for each in machine.volumes))
        raise NotAllowedNowError(
            f"Two volumes of {machine} have one name: {names}.", hint="Rename one of them."
        )
    return found


def _check_names(
    machine: Machine,
    wanted: Sequence[WantedVolume],
    unwanted: Sequence[str],
) -> None:
    both = sorted({each.name for each in wanted} & set(unwanted))
    if both:
        raise InputError(
            f"Volumes of {machine} are both wanted and to be deleted: {', '.join(both)}.",
            hint="Name each of them once.",
        )
    roots = [each for each in machine.volumes if each.is_root and each.name in unwanted]
    if roots:
        raise NotAllowedNowError(
            f"The {roots[0]} is the root of {machine} and is not deleted.",
            hint="An instance without a root cannot boot; make a new instance instead.",
        )


def _before(resize: Resize) -> Dict[str, Any]:
    return {"volumes": [_state(each.name, each.size) for each in resize.machine.volumes]}


def _after(resize: Resize) -> Dict[str, Any]:
    kept = [_state(each.name, resize.size_of(each)) for each in resize.kept]
    added = [
        {
            **_state(each.name, up_to_gib(each.size)),
            "datastore": each.datastore or "chosen by the appliance",
        }
        for each in resize.added
    ]
    return {"volumes": kept + added}


def _state(name: str, size: int) -> Dict[str, str]:
    return {"name": name, "size": show_exact_size(size)}
