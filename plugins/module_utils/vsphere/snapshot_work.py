# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Observe a VM's snapshots, carry out their plan, look again after each step. PRIVATE to the collection."""

from __future__ import annotations

from typing import Any, Optional, Tuple

from ..waiting import Waiter
from . import machines, properties, tasks
from .disks import Disk, parse_disks
from .errors import GoneError, NotAllowedNowError, NotAsAskedError, QuiesceError
from .machines import OFF
from .sdk import vim
from .session import Session
from .snapshot_plan import (
    Consolidate,
    EnableTracking,
    Remove,
    SnapshotPlan,
    SnapshotSeen,
    SnapshotStep,
    StartTracking,
    Take,
    WantedSnapshot,
    check_consistency,
    tracked_disks,
)
from .snapshots import OF_A_STOPPED_VM, Snapshot, name_for


def read_disks(session: Session, snapshot: Snapshot) -> Tuple[Disk, ...]:
    """Return the disks as they are in the snapshot's own configuration, with their change ids."""
    found = session.object(vim.vm.Snapshot, snapshot.moid)
    seen = properties.read(session, found, ["config.hardware.device"])
    return parse_disks(seen.get("config.hardware.device", ()))


class SnapshotWork:
    """One migration's snapshot of one VM."""

    def __init__(self, session: Session, vm: Any, migration_id: str, waiter: Waiter) -> None:
        self._session = session
        self._vm = vm
        self._id = migration_id
        self._waiter = waiter

    def observe(self) -> SnapshotSeen:
        """Return the VM and its snapshots, once nothing is at work on them any more.

        A killed run may have left a removal at work, which ends the snapshot before it ends itself.
        """
        tasks.finish_running(self._session, self._vm, self._waiter)
        return SnapshotSeen(machines.observe(self._session, self._vm), self._id)

    def apply(self, plan: SnapshotPlan, wanted: WantedSnapshot) -> None:
        """Carry out the steps; each is true on the vCenter before the next one starts.

        Where tracking was asked for and the new snapshot has no change ids, it is taken once more: it
        was itself what let the tracking start.
        """
        for step in plan.steps:
            self._carry_out(step, wanted)
            if isinstance(step, Take) and self._lacks_change_ids(wanted):
                self._remove_all()
                self._carry_out(step, wanted)

    def _carry_out(self, step: SnapshotStep, wanted: WantedSnapshot) -> None:
        if isinstance(step, EnableTracking):
            self._enable_tracking()
        elif isinstance(step, StartTracking):
            self._create(step.description, is_quiesced=False)
            self._remove_all()
        elif isinstance(step, Take):
            self._take(step, wanted)
        elif isinstance(step, Remove):
            self._remove(step.snapshot)
            self._consolidate()
        elif isinstance(step, Consolidate):
            self._consolidate()

    def _take(self, step: Take, wanted: WantedSnapshot) -> None:
        try:
            taken = self._create(step.description, is_quiesced=step.is_quiesced)
        except QuiesceError:
            # A host may leave the failed one behind, in the tree or as files to be merged.
            self._remove_all()
            if not step.may_fall_back:
                raise
            taken = self._create(step.description, is_quiesced=False)
        try:
            self._check(taken, wanted)
        except (NotAllowedNowError, NotAsAskedError):
            self._remove_all()
            raise

    def _check(self, taken: Snapshot, wanted: WantedSnapshot) -> None:
        """A VM that was powered on meanwhile makes the claim of its snapshot's state a false one."""
        machine = self.observe().machine
        if OF_A_STOPPED_VM in taken.description and machine.power_state != OFF:
            raise NotAsAskedError(
                f"{machine} was powered on while its snapshot was taken.", hint="Run again."
            )
        check_consistency(machine, taken, wanted)

    def _create(self, description: str, *, is_quiesced: bool) -> Snapshot:
        what = f"a snapshot of {self._vm._moId}"

        def ask() -> str:
            task = self._session.change(
                what,
                lambda: self._vm.CreateSnapshot_Task(
                    name_for(self._id), description, memory=False, quiesce=is_quiesced
                ),
            )
            made = tasks.finish(self._session, task, self._waiter, what=what)
            return str(made._moId)

        def look() -> Optional[str]:
            return next((each.moid for each in self.observe().ours), None)

        moid = tasks.insist(ask, look, self._waiter, what=what)
        made = [each for each in self.observe().ours if each.moid == moid]
        if not made:
            raise NotAsAskedError(
                f"The vCenter took {what}, {moid}, and does not list it.",
                hint="Look at the VM's snapshots; somebody else may have removed it.",
            )
        return made[0]

    def _remove_all(self) -> None:
        for each in reversed(self.observe().ours):
            self._remove(each)
        self._consolidate()

    def _remove(self, snapshot: Snapshot) -> None:
        """The snapshot is gone; one that is gone already is one."""
        what = f"the removal of snapshot {snapshot}"
        found = self._session.object(vim.vm.Snapshot, snapshot.moid)

        def ask() -> bool:
            task = self._session.change(
                what, lambda: found.RemoveSnapshot_Task(removeChildren=False, consolidate=True)
            )
            tasks.finish(self._session, task, self._waiter, what=what)
            return True

        def look() -> Optional[bool]:
            is_there = any(each.moid == snapshot.moid for each in self.observe().ours)
            return None if is_there else True

        try:
            tasks.insist(ask, look, self._waiter, what=what)
        except GoneError:
            return

    def _consolidate(self) -> None:
        """No disk of the VM waits to be merged. Raises `NotAsAskedError` where one still does."""
        if not self.observe().machine.needs_consolidation:
            return
        what = f"the consolidation of the disks of {self._vm._moId}"

        def ask() -> bool:
            task = self._session.change(what, self._vm.ConsolidateVMDisks_Task)
            tasks.finish(self._session, task, self._waiter, what=what)
            return True

        def look() -> Optional[bool]:
            return None if self.observe().machine.needs_consolidation else True

        tasks.insist(ask, look, self._waiter, what=what)
        machine = self.observe().machine
        if machine.needs_consolidation:
            raise NotAsAskedError(
                f"The disks of {machine} were consolidated, and still need it.",
                hint="Another program may hold one of their files; see the VM's events.",
            )

    def _enable_tracking(self) -> None:
        what = f"change tracking of {self._vm._moId}"

        def ask() -> bool:
            spec = vim.vm.ConfigSpec(changeTrackingEnabled=True)
            task = self._session.change(what, lambda: self._vm.ReconfigVM_Task(spec))
            tasks.finish(self._session, task, self._waiter, what=what)
            return True

        def look() -> Optional[bool]:
            return self.observe().machine.is_tracking_changes or None

        tasks.insist(ask, look, self._waiter, what=what)
        if not self.observe().machine.is_tracking_changes:
            raise NotAsAskedError(
                f"The vCenter enabled {what}, and it is off.", hint="See the VM's events."
            )

    def _lacks_change_ids(self, wanted: WantedSnapshot) -> bool:
        if not wanted.enables_tracking:
            return False
        disks = read_disks(self._session, self.observe().of_sync[0])
        return not all(each.change_id for each in tracked_disks(disks, wanted.left_out))
