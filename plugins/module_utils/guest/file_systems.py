# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Mounting a guest's file systems from their overlays, each kind in its own way."""

from __future__ import annotations

import os
import re
from typing import Sequence

from ..model import PREPARED_ROOTS
from . import syscalls
from .commands import run
from .errors import PreparationError
from .facts import FileSystem

MOUNTABLE = (*PREPARED_ROOTS, "vfat")

_EXT = ("ext2", "ext3", "ext4")
# What keeps a read-only mount from replaying the journal.
_LOOK = {"btrfs": "rescue=nologreplay", "xfs": "norecovery", **dict.fromkeys(_EXT, "noload")}
# Without barriers: until the record is written nothing here need survive a crash.
_USE = {"btrfs": "nobarrier", **dict.fromkeys(_EXT, "barrier=0")}
_SUBVOLUME = re.compile(r"(?:^|,)subvol=/?([^,]+)")
_DAMAGED = "Check the file system on the source (fsck), sync again, then prepare."

# EINVAL is all that the kernel answers to features of a newer xfsprogs, and to the old format V4 where its
# support was dropped (forklift PR 3997); what it is stands in the kernel's log.
_UNKNOWN_XFS = (
    "The worker's kernel may not know this XFS's features, or its format (V4): `dmesg` on the worker says."
    " Build the worker image with another kernel, or run xfs_repair -n on the source if it is damaged."
)


def look_into(file_system: FileSystem, where: str) -> None:
    """The file system is mounted read-only, and not a byte of it changes."""
    _mount(file_system, where, syscalls.MS_RDONLY, _LOOK[file_system.kind])


def mount(file_system: FileSystem, where: str) -> None:
    """The file system is mounted and whole: its journal is replayed, small damage mended.

    XFS and Btrfs do it on mount. Raises PreparationError for damage that needs an administrator.
    """
    if file_system.kind in _EXT:
        # 1: damage was mended.
        run(("e2fsck", "-p", file_system.device), accept=(0, 1), hint=_DAMAGED)
    _mount(file_system, where, syscalls.MS_NOATIME, _USE.get(file_system.kind, ""))


def subvolume_of(options: str) -> str:
    """Return the subvolume that mount options name, without a leading slash; empty for none."""
    found = _SUBVOLUME.search(options)
    return found.group(1) if found else ""


def register_btrfs(file_systems: Sequence[FileSystem]) -> None:
    """The kernel knows all devices of each Btrfs, so that one over several can be mounted by any."""
    devices = [each.device for each in file_systems if each.kind == "btrfs"]
    if devices:
        run(("modprobe", "btrfs"))
        run(("btrfs", "device", "scan", *devices))


def forget_btrfs() -> None:
    """The kernel remembers no device of a Btrfs that is not mounted: the next guest's may be alike."""
    if os.path.exists("/sys/fs/btrfs"):
        run(("btrfs", "device", "scan", "--forget"))


def _mount(file_system: FileSystem, where: str, flags: int, options: str) -> None:
    subvolume = f"subvol={file_system.subvolume}" if file_system.subvolume else ""
    data = ",".join(filter(None, (options, subvolume)))
    try:
        syscalls.mount(file_system.device, where, file_system.kind, flags=flags, data=data)
    except OSError as error:
        raise PreparationError(
            f"{file_system.title} ({file_system.kind}) cannot be mounted on the worker:"
            f" {error.strerror}.",
            hint=_UNKNOWN_XFS if file_system.kind == "xfs" else _DAMAGED,
        ) from error
