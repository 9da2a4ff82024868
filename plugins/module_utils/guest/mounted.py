# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A guest's tree, mounted from its overlays, in which the guest's own programs can run.

All mounts are in a namespace of this process and end with it. A program of the guest sees a /dev with
its own disks' overlays only, no network, no other process, and an empty /run; whatever it starts ends
with it.
"""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import ExitStack, contextmanager
from typing import IO, Iterator, List, Optional, Sequence, Tuple

from . import syscalls
from .commands import ENVIRONMENT, run
from .device_names import find_file_system
from .errors import PlanError
from .facts import FileSystem
from .overlays import MAPPER
from .tables import read_rows
from .tree import GuestTree

MOUNTABLE = ("ext2", "ext3", "ext4", "xfs")
# What the guest's tools read and write; other file systems of its fstab are not mounted.
_SYSTEM_TREES = ("/boot", "/usr", "/var", "/opt")
# (name, mode, major, minor): the kernel's Documentation/admin-guide/devices.txt.
_NODES = (
    ("null", 0o666, 1, 3),
    ("zero", 0o666, 1, 5),
    ("full", 0o666, 1, 7),
    ("random", 0o666, 1, 8),
    ("urandom", 0o666, 1, 9),
    ("tty", 0o666, 5, 0),
    ("console", 0o600, 5, 1),
)
_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
)
_SCRATCH = "/run/ferry"
_LENT = "/run/ferry-lent"
# The maker of an initramfs builds it in TMPDIR first: not on the overlay, where each byte would be
# stored twice and stay in the store after it was deleted.
_OWN_ENVIRONMENT = {"TMPDIR": _SCRATCH, "DEBIAN_FRONTEND": "noninteractive"}
_DAMAGED = "Check the file system on the source (fsck), sync again, then prepare."


class MountedGuest:
    """A mounted guest: its tree, and a way to run its programs."""

    def __init__(self, tree: GuestTree, root: FileSystem) -> None:
        self.tree = tree
        self.root = root

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: Optional[IO[bytes]] = None,
        stdout: Optional[IO[bytes]] = None,
    ) -> bytes:
        """Run a program of the guest; return its output. Raises PreparationError if it fails."""
        cage = ("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child")
        root = (f"--root={self.tree.root}", "--mount-proc=/proc")
        environment = {**ENVIRONMENT, **_OWN_ENVIRONMENT}
        return run((*cage, *root, *argv), environment=environment, stdin=stdin, stdout=stdout)

    def decompress(self, program: str, packed: IO[bytes]) -> IO[bytes]:
        """Return the plain content of `packed` from its position on, as the guest's program reads it."""
        os.lseek(packed.fileno(), packed.tell(), os.SEEK_SET)
        # Lent to the caller: it has no name, and is gone when the last reference is.
        plain = tempfile.TemporaryFile(dir=os.path.dirname(self.tree.root))  # noqa: SIM115
        self.run((program, "-dc"), stdin=packed, stdout=plain)
        plain.seek(0)
        return plain

    @contextmanager
    def lend_folder(self, path: str) -> Iterator[str]:
        """Programs of the guest meanwhile see the worker's folder `path`; yields where they do."""
        place = self.tree.host_path(_LENT)
        os.makedirs(place, exist_ok=True)
        syscalls.mount(path, place, "", flags=syscalls.MS_BIND)
        try:
            yield _LENT
        finally:
            syscalls.unmount(place)


@contextmanager
def mount_guest(file_systems: Sequence[FileSystem], stage: str) -> Iterator[MountedGuest]:
    """Lend the guest whose root is on one of `file_systems`; afterwards it is unmounted and written.

    Raises PlanError if there is no root or more than one.
    """
    place = os.path.join(stage, "root")
    os.makedirs(place, exist_ok=True)
    tree = GuestTree(place)
    root = _find_root(file_systems, tree)
    with ExitStack() as mounts:
        _mount(root, place)
        mounts.callback(syscalls.unmount, place)
        for path, file_system in _system_mounts(tree.read("/etc/fstab") or "", file_systems):
            where = tree.host_path(path)
            _mount(file_system, where)
            mounts.callback(syscalls.unmount, where)
        for where in _mount_kernel_trees(tree, stage, file_systems):
            mounts.callback(syscalls.unmount, where)
        yield MountedGuest(tree, root)


def _find_root(file_systems: Sequence[FileSystem], tree: GuestTree) -> FileSystem:
    found: List[FileSystem] = []
    for each in file_systems:
        if each.kind not in MOUNTABLE:
            continue
        # Only looked at: what is not the guest's system shall not change by a byte.
        syscalls.mount(
            each.device, tree.root, each.kind, flags=syscalls.MS_RDONLY, data=_look(each)
        )
        try:
            if tree.has("/etc/fstab") and tree.has("/etc/os-release"):
                found.append(each)
        finally:
            syscalls.unmount(tree.root)
    if len(found) == 1:
        return found[0]
    seen = ", ".join(f"{fs.disk}{fs.partition or ''} {fs.kind or 'empty'}" for fs in file_systems)
    if found:
        roots = " and ".join(f"{fs.disk}{fs.partition or ''}" for fs in found)
        raise PlanError([f"It has more than one root: {roots}. Prepare it by hand."])
    reason = (
        f"No root was found (a file system with /etc/fstab and /etc/os-release); seen were: {seen}."
        " Handled is a root on a partition or whole disk with ext4 or XFS; give all disks of the guest."
    )
    raise PlanError([reason])


def _look(file_system: FileSystem) -> str:
    """Return the option that keeps a read-only mount from replaying the journal."""
    return "norecovery" if file_system.kind == "xfs" else "noload"


def _check(file_system: FileSystem) -> None:
    """The file system is whole: its journal is replayed, small damage mended. XFS does it on mount."""
    if file_system.kind != "xfs":
        # 1: damage was mended.
        run(("e2fsck", "-p", file_system.device), accept=(0, 1), hint=_DAMAGED)


def _mount(file_system: FileSystem, where: str) -> None:
    _check(file_system)
    # Without barriers: until the record is written nothing here need survive a crash.
    data = "barrier=0" if file_system.kind != "xfs" else ""
    syscalls.mount(
        file_system.device, where, file_system.kind, flags=syscalls.MS_NOATIME, data=data
    )


def _system_mounts(
    fstab: str, file_systems: Sequence[FileSystem]
) -> Iterator[Tuple[str, FileSystem]]:
    """Yield (path, file system) of the system's own trees, outer ones first."""
    for row in sorted(read_rows(fstab), key=lambda row: row.field(1)):
        path = row.field(1)
        if any(path == tree or path.startswith(tree + "/") for tree in _SYSTEM_TREES):
            found = find_file_system(row.field(0), file_systems)
            if found is not None and found.kind in MOUNTABLE:
                yield path, found


def _mount_kernel_trees(
    tree: GuestTree, stage: str, file_systems: Sequence[FileSystem]
) -> Iterator[str]:
    """Mount what programs expect to find; yield each mounted path, inner ones last."""
    dev, run_folder, sys = (tree.host_path(path) for path in ("/dev", "/run", "/sys"))
    syscalls.mount("dev", dev, "tmpfs", flags=syscalls.MS_NOSUID, data="mode=755,size=1m")
    yield dev
    _fill_dev(dev)
    _link_disks(dev, file_systems)
    syscalls.mount("sysfs", sys, "sysfs", flags=syscalls.MS_RDONLY)
    yield sys
    syscalls.mount("run", run_folder, "tmpfs", flags=syscalls.MS_NOSUID, data="mode=755,size=16m")
    yield run_folder
    scratch = tree.host_path(_SCRATCH)
    os.mkdir(scratch)
    outside = os.path.join(stage, "scratch")
    os.makedirs(outside, mode=0o700, exist_ok=True)
    syscalls.mount(outside, scratch, "", flags=syscalls.MS_BIND)
    yield scratch


def _fill_dev(dev: str) -> None:
    for name, mode, major, minor in _NODES:
        path = os.path.join(dev, name)
        os.mknod(path, stat.S_IFCHR | mode, os.makedev(major, minor))
        os.chmod(path, mode)
    for name, goal in _LINKS:
        os.symlink(goal, os.path.join(dev, name))
    for folder in ("pts", "shm", "mapper"):
        os.mkdir(os.path.join(dev, folder))
    for name in os.listdir(MAPPER):
        if name.startswith("ov-"):
            number = os.stat(os.path.join(MAPPER, name)).st_rdev
            os.mknod(os.path.join(dev, "mapper", name), stat.S_IFBLK | 0o600, number)


def _link_disks(dev: str, file_systems: Sequence[FileSystem]) -> None:
    """Make udev's links: grub-mkconfig writes root=UUID= only if it sees the link to that UUID."""
    for each in file_systems:
        for folder, value in (("by-uuid", each.uuid), ("by-partuuid", each.partition_uuid)):
            place = os.path.join(dev, "disk", folder)
            os.makedirs(place, exist_ok=True)
            if value and not os.path.lexists(os.path.join(place, value)):
                os.symlink(each.device, os.path.join(place, value))
