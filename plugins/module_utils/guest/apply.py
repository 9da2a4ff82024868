# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Carry out a plan in a mounted guest, by the guest's own tools."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Callable, ContextManager, Iterator

from .changes import (
    Change,
    CopyFile,
    EditFile,
    InstallPackages,
    MoveBackupTable,
    PlaceScript,
    Plan,
    RemoveFile,
    RemovePackages,
    command_of,
    describe,
)
from .commands import run
from .errors import PreparationError
from .families import RPM
from .mounted import MountedGuest
from .rpm import read_packages

_POLICY = "/usr/sbin/policy-rc.d"

# Names a step for the timing of what is done inside.
Timer = Callable[[str], ContextManager[None]]


def apply_plan(plan: Plan, guest: MountedGuest, timer: Timer) -> None:
    """Every change of the plan is made, in its order. Raises PreparationError at the first failure."""
    for change in plan.changes:
        with timer(_step(change)):
            _apply(change, guest)


def verify(plan: Plan) -> None:
    """Nothing is left to do, by the plan made after all was done. Raises PreparationError that names what is."""
    if plan.changes:
        raise PreparationError(
            "After the preparation the guest is still not right: "
            + "; ".join(f"{describe(change)}" for change in plan.changes),
            hint="The disks are unchanged. Report it with the plan, unless an extension undid it.",
        )


def _step(change: Change) -> str:
    if isinstance(change, (EditFile, RemoveFile, CopyFile, PlaceScript)):
        return "edit files"
    if isinstance(change, MoveBackupTable):
        return "move backup tables"
    return " ".join(command_of(change)[:2])


def _apply(change: Change, guest: MountedGuest) -> None:
    if isinstance(change, EditFile):
        guest.tree.write(change.path, change.after)
    elif isinstance(change, RemoveFile):
        os.unlink(guest.tree.host_path(change.path))
    elif isinstance(change, PlaceScript):
        guest.tree.write(change.path, change.text)
        os.chmod(guest.tree.host_path(change.path), 0o600)
    elif isinstance(change, CopyFile):
        guest.tree.copy(change.source, change.target)
    elif isinstance(change, MoveBackupTable):
        # The kernel knows nothing of the table: partitions are mapped by us.
        quiet = ("--no-reread", "--no-tell-kernel")
        run(("sfdisk", *quiet, "--relocate", "gpt-bak-std", change.device))
    elif isinstance(change, RemovePackages):
        with services_stay_off(guest):
            _remove(change, guest)
    elif isinstance(change, InstallPackages):
        folder = os.path.dirname(change.files[0])
        with services_stay_off(guest), guest.lend_folder(folder) as place:
            files = [f"{place}/{os.path.basename(path)}" for path in change.files]
            guest.run((*change.manager, *files))
    else:
        guest.run(command_of(change))


def _remove(change: RemovePackages, guest: MountedGuest) -> None:
    """The packages are gone, also if a script of theirs cannot run in a guest that is not running.

    rpm keeps a package whose script fails, and says so only at the end; dpkg's scripts cope.
    """
    try:
        guest.run(command_of(change))
    except PreparationError:
        if change.manager != RPM.remove:
            raise
        installed = read_packages(guest.run)
        left = [name for name in change.names if name in installed]
        if left:
            guest.run((*change.manager, "--noscripts", *left))


@contextmanager
def services_stay_off(guest: MountedGuest) -> Iterator[None]:
    """Package scripts start and stop no service meanwhile (Debian's invoke-rc.d(8), policy-rc.d)."""
    before = guest.tree.read(_POLICY)
    guest.tree.write(_POLICY, "#!/bin/sh\nexit 101\n")
    path = guest.tree.host_path(_POLICY)
    mode = os.stat(path).st_mode
    os.chmod(path, 0o755)  # noqa: S103 - the guest's programs run it
    try:
        yield
    finally:
        if before is None:
            os.unlink(path)
        else:
            guest.tree.write(_POLICY, before)
            os.chmod(path, mode)
