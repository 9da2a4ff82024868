# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Prepare a Windows guest on its overlays: observe, plan, apply, observe again."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Iterator, Optional, Sequence, Tuple

from . import syscalls
from .apply import Timer, verify
from .changes import Plan
from .commands import run
from .extension_run import Extensions, Place
from .extensions import AFTER, BEFORE
from .facts import Disk, FileSystem
from .overlays import need_room
from .rules import Options
from .windows_apply import apply_windows_plan
from .windows_drivers import VirtioWin, find_virtio_win
from .windows_extensions import IDENTITY
from .windows_facts import WindowsFacts
from .windows_inspection import inspect_windows
from .windows_mounted import is_clean, mount_windows
from .windows_names import SERVER_RELEASES
from .windows_plan import make_windows_plan
from .windows_tree import WindowsTree


class WindowsGuest:
    """A Windows guest on its overlays. `virtio_win` is a folder or an ISO on the worker, if any."""

    def __init__(
        self,
        *,
        disks: Sequence[Disk],
        file_systems: Sequence[FileSystem],
        root: FileSystem,
        stage: str,
        virtio_win: Optional[str],
    ) -> None:
        self._disks, self._file_systems, self._root = disks, file_systems, root
        self._stage, self._virtio_win = stage, virtio_win

    def prepare(
        self, options: Options, extensions: Extensions, timer: Timer, *, apply: bool
    ) -> Tuple[WindowsFacts, Plan]:
        """Return what was found and planned; with `apply` it is on the overlays, and was seen there.

        Raises PlanError if the guest cannot be made right, PreparationError if a step failed.
        """
        if apply:
            need_room(self._stage)
        with timer("inspect"):
            facts = self._look()
        with self._drivers(facts) as virtio:
            # Before any extension: a volume that must not be written is refused here.
            plan = make_windows_plan(facts, options, virtio)
            if apply and self._run(BEFORE, extensions, facts, timer):
                facts = self._look()
                plan = make_windows_plan(facts, options, virtio)
            if apply and (plan.changes or extensions.waiting(AFTER)):
                with mount_windows(self._root, self._stage, writable=True) as tree:
                    apply_windows_plan(plan, tree, timer)
                self._run(AFTER, extensions, facts, timer)
                with timer("inspect again"):
                    verify(make_windows_plan(self._look(), options, virtio))
        return facts, plan

    def _run(self, stage: str, extensions: Extensions, facts: WindowsFacts, timer: Timer) -> bool:
        """Run the extensions of a stage on the volume; return whether there were any."""
        if not extensions.waiting(stage):
            return False
        with mount_windows(self._root, self._stage, writable=True) as tree:
            known = IDENTITY, str(facts.release.build)
            return extensions.run(stage, Place(tree.root, known), timer)

    def _look(self) -> WindowsFacts:
        clean = is_clean(self._root)
        with mount_windows(self._root, self._stage, writable=False) as tree:
            return self._inspect(tree, clean)

    def _inspect(self, tree: WindowsTree, clean: bool) -> WindowsFacts:
        return inspect_windows(
            tree,
            disks=self._disks,
            file_systems=self._file_systems,
            root=self._root,
            is_clean=clean,
        )

    @contextmanager
    def _drivers(self, facts: WindowsFacts) -> Iterator[Optional[VirtioWin]]:
        release = SERVER_RELEASES.get(facts.release.build)
        if self._virtio_win is None or release is None:
            yield None
            return
        with _open_tree(self._virtio_win, self._stage) as tree:
            yield find_virtio_win(tree, release=release, architecture=facts.architecture)


@contextmanager
def _open_tree(path: str, stage: str) -> Iterator[str]:
    """Lend the folder that virtio-win is, or that its ISO holds."""
    if os.path.isdir(path):
        yield path
        return
    place = os.path.join(stage, "virtio-win")
    os.makedirs(place, exist_ok=True)
    run(("mount", "-t", "iso9660", "-o", "loop,ro", path, place), hint="Give virtio-win's ISO.")
    try:
        yield place
    finally:
        syscalls.unmount(place)
