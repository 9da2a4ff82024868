# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which file system, or which subvolume of one, is the guest's root. Looks only; not a byte changes."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from typing import Dict, Iterator, List, Sequence

from ..model import PREPARED_ROOTS
from . import syscalls
from .commands import run
from .errors import PlanError
from .facts import FileSystem
from .file_systems import look_into, subvolume_of
from .tables import read_rows
from .tree import GuestTree

_LISTED = re.compile(r" path (.+)$", re.MULTILINE)


def find_root(file_systems: Sequence[FileSystem], tree: GuestTree) -> FileSystem:
    """Return the guest's root: the one file system with an fstab and an os-release.

    On Btrfs it may be a subvolume; of several, such as snapshots, the one that its own fstab names.
    Raises PlanError if there is none or more than one.
    """
    found: List[FileSystem] = []
    for each in _candidates(file_systems):
        found += _roots_on(each, tree)
    if len(found) == 1:
        return found[0]
    if found:
        roots = " and ".join(f"{each.title} {each.subvolume}".strip() for each in found)
        raise PlanError([f"It has more than one root: {roots}. Prepare it by hand."])
    seen = ", ".join(f"{each.title} {each.kind or 'empty'}" for each in file_systems)
    has_zfs = any(each.kind == "zfs_member" for each in file_systems)
    reason = (
        f"No root was found (a file system with /etc/fstab and /etc/os-release); seen were: {seen}."
        f" Handled is a root on {', '.join(PREPARED_ROOTS)}, on a partition, a whole disk or a plain"
        " logical volume; give all disks of the guest."
        f"{' A root on ZFS is not handled.' if has_zfs else ''}"
    )
    raise PlanError([reason])


def _candidates(file_systems: Sequence[FileSystem]) -> List[FileSystem]:
    """Return what may hold a root; a Btrfs over several devices once, by its first."""
    first: Dict[str, FileSystem] = {}
    for each in file_systems:
        if each.kind in PREPARED_ROOTS:
            first.setdefault(each.uuid if each.kind == "btrfs" else each.device, each)
    return list(first.values())


def _roots_on(file_system: FileSystem, tree: GuestTree) -> List[FileSystem]:
    with looking(file_system, tree):
        if _is_root(tree):
            return [file_system]
        names = _subvolumes(tree) if file_system.kind == "btrfs" else []
    roots, named = [], []
    for each in (replace(file_system, subvolume=name) for name in names):
        with looking(each, tree):
            if _is_root(tree):
                roots.append(each)
                named += [each] if _names_itself(each, tree) else []
    return roots if len(roots) == 1 else named or roots


@contextmanager
def looking(file_system: FileSystem, tree: GuestTree) -> Iterator[None]:
    """The file system is meanwhile mounted at the tree's root, read-only."""
    look_into(file_system, tree.root)
    try:
        yield
    finally:
        syscalls.unmount(tree.root)


def _is_root(tree: GuestTree) -> bool:
    # A link as a rule, and it leads nowhere yet where /usr is another file system.
    return {"fstab", "os-release"} <= set(tree.names("/etc"))


def _subvolumes(tree: GuestTree) -> List[str]:
    listed = run(("btrfs", "subvolume", "list", tree.root)).decode("utf-8", "surrogateescape")
    return _LISTED.findall(listed)


def _names_itself(file_system: FileSystem, tree: GuestTree) -> bool:
    rows = read_rows(tree.read("/etc/fstab") or "")
    return any(
        row.field(1) == "/" and subvolume_of(row.field(3)) == file_system.subvolume for row in rows
    )
