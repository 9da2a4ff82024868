# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A guest's tree, mounted from its overlays, in which the guest's own programs can run.

All mounts are in a namespace of this process and end with it. A program of the guest sees a /dev with
its own disks' overlays only, no network, no other process, and an empty /run; whatever it starts ends
with it.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import IO, Dict, Iterator, List, Optional, Sequence, Tuple

from . import syscalls
from .commands import ENVIRONMENT, SCRATCH, run
from .device_names import find_file_system
from .errors import PlanError
from .facts import FileSystem
from .file_systems import MOUNTABLE, mount, subvolume_of
from .overlays import MAPPER
from .roots import find_root, looking
from .storage import use_own_names
from .systemd_boot import find_partition
from .tables import read_rows
from .tree import GuestTree

# What the guest's tools read and write; other file systems of its fstab are not mounted.
_SYSTEM_TREES = ("/boot", "/efi", "/usr", "/var", "/opt")
# What is no device: a share, memory, a folder that is bound elsewhere.
_DEVICE = re.compile(r"/dev/|(?:UUID|LABEL|PARTUUID|PARTLABEL)=")
_OPTIONAL = frozenset(("noauto", "nofail"))
_ON_WHAT = f"Give all disks of the guest; handled are {', '.join(MOUNTABLE)}."
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
# Of device-mapper; programs that know only partitions do better without it.
_CONTROL = (10, 236)
_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
)
_LENT = "/run/ferry-lent"
# The maker of an initramfs builds it in TMPDIR first: not on the overlay, where each byte would be
# stored twice and stay in the store after it was deleted.
_OWN_ENVIRONMENT = {"TMPDIR": SCRATCH, "DEBIAN_FRONTEND": "noninteractive"}
# bootctl takes a partition for the EFI system partition by its type in the table: an overlay has none. Its
# SYSTEMD_RELAX_ESP_CHECKS would do with any file system, and first with a /boot of its own (find-esp.c).
_ESP_PATH = "SYSTEMD_ESP_PATH"


class MountedGuest:
    """A mounted guest: its tree, all its file systems, and a way to run its programs."""

    def __init__(
        self, tree: GuestTree, root: FileSystem, file_systems: Sequence[FileSystem]
    ) -> None:
        self.tree = tree
        self.root = root
        self.file_systems = file_systems

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: Optional[IO[bytes]] = None,
        stdout: Optional[IO[bytes]] = None,
    ) -> bytes:
        """Run a program of the guest; return its output. Raises PreparationError if it fails."""
        return run(self.command(argv), environment=self.environment, stdin=stdin, stdout=stdout)

    def command(self, argv: Sequence[str]) -> Tuple[str, ...]:
        """Return the worker's command that runs a program of the guest, and ends what it started."""
        cage = ("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child")
        return (*cage, f"--root={self.tree.root}", "--mount-proc=/proc", *argv)

    @property
    def environment(self) -> Dict[str, str]:
        """The environment of the guest's programs, which tells where systemd-boot lies."""
        place = find_partition(self.tree)
        esp = {} if place is None else {_ESP_PATH: place}
        return {**ENVIRONMENT, **_OWN_ENVIRONMENT, **esp}

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
    root = find_root(file_systems, tree)
    *file_systems, root = _with_own_names(root, file_systems, tree)
    with ExitStack() as mounts:
        mount(root, place)
        mounts.callback(syscalls.unmount, place)
        for path, file_system in system_mounts(tree.read("/etc/fstab") or "", file_systems):
            where = tree.host_path(path)
            mount(file_system, where)
            mounts.callback(syscalls.unmount, where)
        for where in _mount_kernel_trees(tree, stage, file_systems):
            mounts.callback(syscalls.unmount, where)
        yield MountedGuest(tree, root, file_systems)


def _with_own_names(
    root: FileSystem, file_systems: Sequence[FileSystem], tree: GuestTree
) -> List[FileSystem]:
    """Return `file_systems` and, last, `root`, with encrypted devices called as in the guest's crypttab.

    Before anything is mounted to stay: the kernel's list of mounts keeps the name that it was given.
    """
    with looking(root, tree):
        crypttab = tree.read("/etc/crypttab") or ""
    return use_own_names(crypttab, [*file_systems, root])


def system_mounts(fstab: str, file_systems: Sequence[FileSystem]) -> List[Tuple[str, FileSystem]]:
    """Return (path, file system) of the system's own trees, outer ones first.

    Raises PlanError if one that is needed at boot is not among `file_systems`, or cannot be mounted:
    the guest's tools would work on an empty folder in its place.
    """
    found: List[Tuple[str, FileSystem]] = []
    lacking: List[str] = []
    for row in sorted(read_rows(fstab), key=lambda row: row.field(1)):
        path, device = row.field(1), row.field(0)
        if not _is_system(path) or not _DEVICE.match(device):
            continue
        file_system = find_file_system(device, file_systems)
        if file_system is not None and file_system.kind in MOUNTABLE:
            found.append((path, replace(file_system, subvolume=subvolume_of(row.field(3)))))
        elif _OPTIONAL.isdisjoint(row.field(3).split(",")):
            kind = "cannot be found" if file_system is None else f"is {file_system.kind or 'empty'}"
            lacking.append(f"Its {path} is on {device}, which {kind}. {_ON_WHAT}")
    if lacking:
        raise PlanError(lacking)
    return found


def _is_system(path: str) -> bool:
    return any(path == tree or path.startswith(tree + "/") for tree in _SYSTEM_TREES)


def _mount_kernel_trees(
    tree: GuestTree, stage: str, file_systems: Sequence[FileSystem]
) -> Iterator[str]:
    """Mount what programs expect to find; yield each mounted path, inner ones last."""
    dev, run_folder, sys = (tree.host_path(path) for path in ("/dev", "/run", "/sys"))
    syscalls.mount("dev", dev, "tmpfs", flags=syscalls.MS_NOSUID, data="mode=755,size=1m")
    yield dev
    _fill_dev(dev)
    _add_upper_devices(dev, file_systems)
    _link_disks(dev, file_systems)
    syscalls.mount("sysfs", sys, "sysfs", flags=syscalls.MS_RDONLY)
    yield sys
    syscalls.mount("run", run_folder, "tmpfs", flags=syscalls.MS_NOSUID, data="mode=755,size=16m")
    yield run_folder
    scratch = tree.host_path(SCRATCH)
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


def _add_upper_devices(dev: str, file_systems: Sequence[FileSystem]) -> None:
    """Logical volumes and the like are there as the guest calls them, and LVM can ask the kernel."""
    upper = [each for each in file_systems if each.names and os.path.exists(each.device)]
    for each in upper:
        node = os.path.join(dev, os.path.relpath(each.device, "/dev"))
        os.makedirs(os.path.dirname(node), exist_ok=True)
        os.mknod(node, stat.S_IFBLK | 0o600, os.stat(each.device).st_rdev)
        for name in each.names:
            place = os.path.join(dev, os.path.relpath(name, "/dev"))
            os.makedirs(os.path.dirname(place), exist_ok=True)
            if not os.path.lexists(place):
                os.symlink(each.device, place)
    if upper:
        os.mknod(os.path.join(dev, "mapper/control"), stat.S_IFCHR | 0o600, os.makedev(*_CONTROL))


def _link_disks(dev: str, file_systems: Sequence[FileSystem]) -> None:
    """Make udev's links: grub-mkconfig writes root=UUID= only if it sees the link to that UUID."""
    for each in file_systems:
        for folder, value in (("by-uuid", each.uuid), ("by-partuuid", each.partition_uuid)):
            place = os.path.join(dev, "disk", folder)
            os.makedirs(place, exist_ok=True)
            if value and not os.path.lexists(os.path.join(place, value)):
                os.symlink(each.device, os.path.join(place, value))
