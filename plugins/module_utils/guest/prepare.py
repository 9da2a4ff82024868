# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Prepare a guest: observe, plan, apply, observe again; all on overlays, then onto the disks at once.

Killed at any moment, it leaves the disks as they were, or a record that the next run finishes.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Dict, Iterator, List, Optional, Sequence, Tuple, Union

from ..errors import TransientError
from . import commit, direct_io, syscalls
from .changes import Plan
from .extension_run import Extensions, Outcome
from .extensions import Extension
from .facts import GuestFacts
from .linux_prepare import LinuxGuest
from .mounted import mount_guest
from .overlays import Target, open_overlays, remove_overlays
from .rules import Options
from .storage import open_storage
from .store import join_ranges
from .windows_facts import WindowsFacts
from .windows_mounted import find_windows
from .windows_prepare import WindowsGuest


@dataclass(frozen=True)
class Request:
    """What to prepare. `disks` are (name at the source, path on the worker) in the guest's order.

    `generation` names the sync whose data the disks hold: an earlier, half-finished preparation is
    only finished for the same data. `packages_directory` may hold package files for the guest,
    `virtio_win` (a folder or an ISO) a Windows guest's drivers. `keys` are (UUID or name at the source, key)
    of encrypted devices; they are shown nowhere. `extensions` are all, whatever sync they are for.
    """

    disks: Tuple[Tuple[str, str], ...]
    stage: str
    generation: str
    packages_directory: Optional[str]
    options: Options
    virtio_win: Optional[str] = None
    keys: Tuple[Tuple[str, str], ...] = field(default=(), repr=False)
    extensions: Tuple[Extension, ...] = ()


@dataclass(frozen=True)
class Report:
    """What was found, planned and, unless it was a trial, done; with the extensions in their order.

    `facts` and `plan` are None if a trial met a committed preparation that is yet to be finished.
    `changed` maps a disk's name to its changed ranges, (start, length) in bytes.
    """

    facts: Union[GuestFacts, WindowsFacts, None]
    plan: Optional[Plan]
    finished_earlier: bool
    changed: Dict[str, List[Tuple[int, int]]]
    seconds: Dict[str, float]
    extensions: Tuple[Outcome, ...] = ()


@dataclass
class Stopwatch:
    """Seconds by step; a step that comes twice is added up."""

    seconds: Dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count the time of what is done inside towards `name`."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - begin


def prepare(request: Request, *, trial: bool) -> Report:
    """The guest on the disks is right for the target platform; in a trial, only say what would change.

    Raises PlanError if it cannot be made right, PreparationError or StoreError if a step failed: the
    disks are then as they were. StaleCommitError: see `commit.finish`.
    """
    os.makedirs(request.stage, mode=0o700, exist_ok=True)
    with _alone(request.stage):
        syscalls.enter_private_mounts()
        return _prepare_alone(request, trial)


def _prepare_alone(request: Request, trial: bool) -> Report:
    watch = Stopwatch()
    targets = [Target(name, path, direct_io.protect(path)) for name, path in request.disks]
    with watch.step("clean up"):
        remove_overlays()
    pending = _pending(request)
    if trial:
        return _try(request, targets, pending, watch)
    changed: Dict[str, List[Tuple[int, int]]] = {target.name: [] for target in targets}
    if pending:
        with watch.step("finish the earlier preparation"):
            _note_changes(changed, commit.finish(pending, targets, request.stage))
    commit.forget(request.stage)
    extensions = _extensions(request)
    facts, plan = _work_on_overlays(request, extensions, targets, watch, apply=True)
    if plan.changes or extensions.have_run:
        with watch.step("commit"):
            record = commit.commit(
                targets, request.stage, request.generation, extensions.identities
            )
        with watch.step("copy to the disks"):
            _note_changes(changed, commit.apply(record, targets, request.stage))
    commit.clear_stores(request.stage)
    return Report(facts, plan, pending is not None, changed, watch.seconds, extensions.outcomes)


def _extensions(request: Request) -> Extensions:
    done = commit.extensions_done(request.stage, request.generation)
    return Extensions(request.extensions, request.options.sync, done=done)


def _try(
    request: Request,
    targets: Sequence[Target],
    pending: Optional[commit.Record],
    watch: Stopwatch,
) -> Report:
    """Say what a preparation would do. The stage of a real one, and its record, are left alone."""
    changed: Dict[str, List[Tuple[int, int]]] = {}
    if pending:
        # Half of it may be on the disks already: there is no guest to look at before it is finished.
        _note_changes(changed, pending)
        return Report(None, None, True, changed, watch.seconds)
    extensions = _extensions(request)
    with tempfile.TemporaryDirectory(prefix="trial-", dir=request.stage) as stage:
        tried = replace(request, stage=stage)
        facts, plan = _work_on_overlays(tried, extensions, targets, watch, apply=False)
    return Report(facts, plan, False, changed, watch.seconds, extensions.outcomes)


def _note_changes(changed: Dict[str, List[Tuple[int, int]]], record: commit.Record) -> None:
    for disk in record.disks:
        changed[disk.name] = join_ranges([*changed.get(disk.name, []), *disk.ranges])


def _pending(request: Request) -> Optional[commit.Record]:
    """Return what an earlier run committed for this very data and did not finish."""
    record = commit.read_record(request.stage)
    if record and record.state == commit.COMMITTED and record.generation == request.generation:
        return record
    return None


def _work_on_overlays(
    request: Request,
    extensions: Extensions,
    targets: Sequence[Target],
    watch: Stopwatch,
    *,
    apply: bool,
) -> Tuple[Union[GuestFacts, WindowsFacts], Plan]:
    """Observe and plan; with `apply` also change the overlays, and observe that all is right then."""
    with ExitStack() as stack:
        with watch.step("open overlays"):
            disks, plain = stack.enter_context(open_overlays(targets, request.stage))
        with watch.step("look for Windows"):
            windows = find_windows(disks, plain, request.stage)
        if windows is not None:
            system = WindowsGuest(
                disks=disks,
                file_systems=plain,
                root=windows,
                stage=request.stage,
                virtio_win=request.virtio_win,
            )
            return system.prepare(request.options, extensions, watch.step, apply=apply)
        with watch.step("open storage"):
            file_systems = open_storage(plain, request.stage, dict(request.keys))
        with watch.step("mount"):
            mounted = stack.enter_context(mount_guest(file_systems, request.stage))
        guest = LinuxGuest(mounted, disks, request.stage, request.packages_directory)
        facts, plan = guest.prepare(request.options, extensions, watch.step, apply=apply)
        with watch.step("close overlays"):
            stack.close()
    return facts, plan


@contextmanager
def _alone(stage: str) -> Iterator[None]:
    """No other preparation runs on this worker meanwhile. Raises TransientError if one does."""
    descriptor = os.open(os.path.join(stage, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise TransientError(
            f"Another preparation is running on this worker (it holds {stage}/lock).",
            hint="Wait for it to end, then run again.",
        ) from error
    finally:
        os.close(descriptor)
