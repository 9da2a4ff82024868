# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Mounts, a mount namespace and a disk's read-only flag, by system call: no program is started.

Under emulation a started program costs tens of milliseconds, a system call nothing; and its error
is a number with a name, not a line to be guessed at.
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import os

# Values of <sys/mount.h>, <sched.h> and <linux/fs.h>; they are part of Linux's fixed interface.
MS_RDONLY = 1
MS_NOSUID = 2
MS_NOEXEC = 8
MS_NOATIME = 1024
MS_BIND = 4096
_MS_REC = 16384
_MS_PRIVATE = 1 << 18
_CLONE_NEWNS = 0x00020000
_BLKROSET = 0x125D
_BLKROGET = 0x125E

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)


def enter_private_mounts() -> None:
    """From now on this process has mounts of its own; they end with it, however it ends."""
    _check(_libc.unshare(_CLONE_NEWNS), "unshare")
    mount("none", "/", "", flags=_MS_REC | _MS_PRIVATE)


def mount(source: str, target: str, kind: str, *, flags: int = 0, data: str = "") -> None:
    """Mount `source` on `target`. Raises OSError that names the target."""
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        os.fsencode(kind),
        ctypes.c_ulong(flags),
        os.fsencode(data),
    )
    _check(result, target)


def unmount(target: str) -> None:
    """Unmount `target`; its file system is written out when this returns. Raises OSError if busy."""
    _check(_libc.umount2(os.fsencode(target), 0), target)


def is_read_only(device: int) -> bool:
    """Return whether the open block device refuses writes at the block layer."""
    flag = array.array("i", [0])
    fcntl.ioctl(device, _BLKROGET, flag)
    return flag[0] != 0


def set_read_only(device: int, wanted: bool) -> None:
    """The open block device refuses writes from now on, or takes them."""
    fcntl.ioctl(device, _BLKROSET, array.array("i", [int(wanted)]))
