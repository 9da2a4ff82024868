# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A Windows guest's system volume, mounted by ntfs-3g.

The volume is first mounted read-only, to see what it is. It is mounted for writing only if its log is
empty: ntfs-3g throws a log away that is not (ntfs-3g(8), `recover`), and Windows' last writes with it.
For the same reason a saved session is never removed (`remove_hiberfile`).
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import Iterator, List, Optional, Sequence

from . import syscalls
from .commands import exit_code, run, start
from .errors import PlanError, PreparationError
from .facts import Disk, FileSystem
from .rules import Finding
from .windows_inspection import CONFIG, find_disk_obstacles
from .windows_rights import OUR_RIGHTS
from .windows_support import check_disks
from .windows_tree import WindowsTree

_KIND = "ntfs"
_FUSE = "/dev/fuse"
_LINUX = ("ext2", "ext3", "ext4", "xfs", "btrfs", "LVM2_member")
_WRITABLE = "norecover,noatime"
_READ_ONLY = "ro,noatime"
# ntfs-3g.probe(8): the volume may be written; it is hibernated; its log is not empty.
_CLEAN, _HIBERNATED, _UNCLEAN = 0, 14, 15
# A mount takes 0.1 s here; an emulated worker with a slow disk must have its time as well.
_MOUNT_TIMEOUT, _LOOK = 120.0, 0.05


def find_windows(
    disks: Sequence[Disk], file_systems: Sequence[FileSystem], stage: str
) -> Optional[FileSystem]:
    """Return the volume with Windows on it, None if there is none.

    Raises PlanError for more than one (which one boots cannot be told), and for a guest of Windows'
    disks alone whose system cannot be seen: it is encrypted, or on a dynamic disk.
    """
    found: List[FileSystem] = []
    for each in file_systems:
        if each.kind == _KIND:
            with mount_windows(each, stage, writable=False) as tree:
                if tree.has(rf"{CONFIG}\SYSTEM") and tree.has(rf"{CONFIG}\SOFTWARE"):
                    found.append(each)
    if len(found) > 1:
        places = " and ".join(f"{each.disk} partition {each.partition}" for each in found)
        raise PlanError([f"It has more than one Windows: {places}. Prepare it by hand."])
    if found:
        return found[0]
    if not any(each.kind in _LINUX for each in file_systems):
        _refuse_hidden(disks, file_systems)
    return None


def _refuse_hidden(disks: Sequence[Disk], file_systems: Sequence[FileSystem]) -> None:
    obstacles = find_disk_obstacles(disks, file_systems)
    findings = [each.text for each in check_disks(obstacles) if isinstance(each, Finding)]
    if findings:
        raise PlanError(findings)


def is_clean(volume: FileSystem) -> bool:
    """Return whether the volume can be written without loss: its log is empty, no session is saved."""
    code = exit_code(("ntfs-3g.probe", "--readwrite", volume.device))
    if code not in (_CLEAN, _HIBERNATED, _UNCLEAN):
        raise PreparationError(
            f"ntfs-3g.probe finds no whole NTFS on {volume.disk} (it ended with {code}).",
            hint="Check the file system on the source (chkdsk), shut it down, and sync again.",
        )
    return code == _CLEAN


@contextmanager
def mount_windows(volume: FileSystem, stage: str, *, writable: bool) -> Iterator[WindowsTree]:
    """Lend the volume's tree; afterwards it is unmounted, and what was written is on the device.

    Raises PreparationError if it cannot be mounted, as a volume whose log is not empty for writing.
    """
    place = os.path.join(stage, "windows")
    os.makedirs(place, exist_ok=True)
    if not os.path.exists(_FUSE):
        run(("modprobe", "fuse"))
    options = _WRITABLE if writable else _READ_ONLY
    # In the foreground: the program is our child then, and dies with us.
    server = start(("ntfs-3g", "-o", f"no_detach,{options}", volume.device, place))
    try:
        _await_mount(server, place, volume)
        if writable and os.statvfs(place).f_flag & os.ST_RDONLY:
            # What it does, and tells nobody, with a volume whose log is not empty.
            raise _cannot_mount(volume, "it mounted it read-only")
        yield WindowsTree(place, OUR_RIGHTS)
    finally:
        if os.path.ismount(place):
            syscalls.unmount(place)
        # The program ends when its volume is closed; only then is everything written.
        _end(server)


def _await_mount(server: "subprocess.Popen[bytes]", place: str, volume: FileSystem) -> None:
    waited = 0.0
    while not os.path.ismount(place):
        try:
            code = server.wait(_LOOK)
        except subprocess.TimeoutExpired:
            waited += _LOOK
            if waited < _MOUNT_TIMEOUT:
                continue
            raise _cannot_mount(volume, "it did not within two minutes") from None
        raise _cannot_mount(volume, f"it ended with {code}")


def _cannot_mount(volume: FileSystem, reason: str) -> PreparationError:
    return PreparationError(
        f"ntfs-3g cannot mount the Windows volume of {volume.disk} as asked: {reason}.",
        hint="Check the file system on the source (chkdsk), shut it down, and sync again.",
    )


def _end(server: "subprocess.Popen[bytes]") -> None:
    try:
        server.wait(_MOUNT_TIMEOUT)
    except subprocess.TimeoutExpired as error:
        server.kill()
        server.wait()
        raise PreparationError("ntfs-3g did not finish writing the Windows volume.") from error
