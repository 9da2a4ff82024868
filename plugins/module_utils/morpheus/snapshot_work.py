# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Observe snapshots, carry out their plan, look again after each step. PRIVATE to the collection."""

from __future__ import annotations

from typing import Callable, List, Sequence

from ..waiting import Waiter
from . import machines, moves, snapshots
from .client import MorpheusClient
from .errors import NotAllowedNowError, RefusedError
from .machines import Machine
from .snapshot_plan import Drop, Revert, SnapshotPlan, SnapshotSeen, SnapshotStep, Take
from .snapshots import Snapshot


def observe(client: MorpheusClient, instance_name: str, name: str, waiter: Waiter) -> SnapshotSeen:
    """Return the machine and its snapshots of this name.

    What the appliance works on is waited for: a killed run may have left it at work.
    """
    machine = machines.settle(client, machines.get_machine(client, instance_name), waiter)
    found = waiter.until(
        lambda: snapshots.list_named(client, machine.instance, name),
        lambda seen: not any(each.is_passing for each in seen),
        what=f'snapshot "{name}" of {machine} to be "{snapshots.READY}"',
        describe=_describe,
    )
    return SnapshotSeen(machine, name, tuple(found))


def apply(client: MorpheusClient, plan: SnapshotPlan, waiter: Waiter) -> None:
    """Carry out the steps; each is true on the appliance before the next one starts."""
    for step in plan.steps:
        _take_step(client, step, waiter)


def change_volumes(
    client: MorpheusClient,
    machine: Machine,
    change: Callable[[], None],
    *,
    yielding: Sequence[str],
    waiter: Waiter,
) -> List[Snapshot]:
    """Carry out a change of the machine's volumes; snapshots named in `yielding` make way for it.

    Returns those that were deleted: where the appliance refuses, they go, and it is asked once more.
    """
    try:
        change()
    except RefusedError as refusal:
        if not yielding:
            raise
        gone = _make_way(client, machine, yielding=yielding, refusal=refusal, waiter=waiter)
        change()
        return gone
    return []


def tell_gone(gone: Sequence[Snapshot]) -> List[str]:
    """Return what an operator must know of snapshots that made way."""
    why = "the appliance refused to change the volumes while there was one"
    return [f"Deleted {each}: {why}." for each in gone]


def _make_way(
    client: MorpheusClient,
    machine: Machine,
    *,
    yielding: Sequence[str],
    refusal: RefusedError,
    waiter: Waiter,
) -> List[Snapshot]:
    """Delete the machine's snapshots, all of which may yield, and return them.

    `refusal` is what the appliance said to a change of the volumes. Its words for "not while there
    are snapshots" are not documented, so any refusal is taken for that while there are some. Raises
    it where there is no snapshot, and `NotAllowedNowError` with its words, deleting nothing, where
    there is one that is not ours to delete.
    """
    found = snapshots.list_snapshots(client, machine.instance)
    if not found:
        raise refusal
    others = [str(each) for each in found if each.name not in yielding]
    if others:
        raise NotAllowedNowError(
            f"{refusal.what} The {machine} has {', '.join(others)}.",
            hint="Delete them, if the appliance changes no volumes under them; Ferry does not.",
        ) from refusal
    for each in reversed(found):
        _drop(client, Drop(machine, each), waiter)
    return found


def _take_step(client: MorpheusClient, step: SnapshotStep, waiter: Waiter) -> None:
    if isinstance(step, Take):
        _take(client, step, waiter)
    elif isinstance(step, Drop):
        _drop(client, step, waiter)
    else:
        _revert(client, step, waiter)


def _take(client: MorpheusClient, step: Take, waiter: Waiter) -> None:
    """A whole snapshot of the name exists."""

    def found() -> List[Snapshot]:
        return snapshots.list_named(client, step.machine.instance, step.name)

    moves.ask_and_wait(
        client,
        step.machine,
        lambda: snapshots.take_snapshot(
            client, step.machine.instance, name=step.name, description=step.description
        ),
        is_done=lambda _seen: any(each.status == snapshots.READY for each in found()),
        is_heard=lambda _seen: bool(found()),
        waiter=waiter,
        what=f'snapshot "{step.name}" of {step.machine} to be "{snapshots.READY}"',
    )


def _drop(client: MorpheusClient, step: Drop, waiter: Waiter) -> None:
    """The snapshot is gone."""

    def is_gone(_seen: Machine) -> bool:
        return snapshots.find_snapshot(client, step.snapshot.id) is None

    moves.ask_and_wait(
        client,
        step.machine,
        lambda: snapshots.remove_snapshot(client, step.snapshot),
        is_done=is_gone,
        is_heard=is_gone,
        waiter=waiter,
        what=f"{step.snapshot} of {step.machine} to be gone",
    )


def _revert(client: MorpheusClient, step: Revert, waiter: Waiter) -> None:
    """The appliance has ended the revert.

    Whether it was heard is not seen on the snapshot, which mostly was the active one before. A
    second revert of a machine that is off changes nothing, so a lost answer is asked for again.
    """
    moves.ask_and_wait(
        client,
        step.machine,
        lambda: snapshots.revert(client, step.machine.instance, step.snapshot),
        is_done=lambda _seen: True,
        is_heard=lambda _seen: False,
        waiter=waiter,
        what=f"{step.machine} to return to {step.snapshot}",
    )


def _describe(found: Sequence[Snapshot]) -> str:
    return ", ".join(f'{each} is "{each.status}"' for each in found)
