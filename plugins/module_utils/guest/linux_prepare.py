# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Prepare a Linux guest in its mounted tree: observe, plan, apply, observe again."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Optional, Sequence, Tuple

from .apply import Timer, apply_plan, verify
from .changes import Plan
from .extension_rules import usable
from .extension_run import Extensions, Place
from .extensions import AFTER, BEFORE
from .facts import Disk, GuestFacts
from .inspection import inspect
from .mounted import MountedGuest
from .overlays import need_room
from .package_files import find_packages
from .plan import make_plan, make_trial_plan
from .rules import Options, plan_of


class LinuxGuest:
    """A Linux guest, mounted from its overlays. `stage` is the folder of the worker with their stores."""

    def __init__(
        self,
        guest: MountedGuest,
        disks: Sequence[Disk],
        stage: str,
        packages_directory: Optional[str],
    ) -> None:
        self._guest, self._disks = guest, disks
        self._stage, self._packages_directory = stage, packages_directory

    def prepare(
        self, options: Options, extensions: Extensions, timer: Timer, *, apply: bool
    ) -> Tuple[GuestFacts, Plan]:
        """Return what was found and planned; with `apply` it is on the overlays, and was seen there.

        The plan is made after the extensions that come before it: they may clear an obstacle away.
        Raises PlanError if the guest cannot be made right, PreparationError if a step failed.
        """
        with timer("inspect"):
            facts = self._look()
        options = self._with_packages(options, facts)
        waiting = extensions.waiting(BEFORE)
        if waiting:
            # Raises with what the guest lacks, before anything runs.
            plan_of(usable(facts, options))
        if waiting and not apply:
            return facts, make_trial_plan(facts, options, waiting)
        if waiting:
            facts = self._run_before(extensions, facts, timer)
        plan = make_plan(facts, options)
        if apply and (plan.changes or extensions.have_run or extensions.waiting(AFTER)):
            need_room(self._stage)
            apply_plan(plan, self._guest, timer)
            extensions.run(AFTER, self._place(facts), timer)
            with timer("inspect again"):
                verify(make_plan(self._look(), options))
        return facts, plan

    def _run_before(self, extensions: Extensions, facts: GuestFacts, timer: Timer) -> GuestFacts:
        """Run the extensions that come before all else; return the facts as they are then."""
        need_room(self._stage)
        extensions.run(BEFORE, self._place(facts), timer)
        with timer("inspect"):
            return self._look()

    def _with_packages(self, options: Options, facts: GuestFacts) -> Options:
        packages = find_packages(self._packages_directory, facts.distribution)
        return replace(options, agent_packages=packages)

    def _place(self, facts: GuestFacts) -> Place:
        known = facts.distribution.identity, facts.distribution.version
        return Place(self._guest.tree.root, known, self._guest)

    def _look(self) -> GuestFacts:
        return inspect(
            self._guest.tree,
            disks=self._disks,
            file_systems=self._guest.file_systems,
            root=self._guest.root,
            decompress=self._guest.decompress,
            run=self._guest.run,
            # The target is made with its source's firmware, and the worker is booted by it.
            target_is_uefi=os.path.isdir("/sys/firmware/efi"),
        )
