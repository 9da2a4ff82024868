# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Giving way to what a server is there for: processor and disk only when nobody else wants them. PRIVATE.

Python 3.6.
"""

import ctypes
import logging
import os
import platform

log = logging.getLogger(__name__)

# ioprio_set(2) has no wrapper in the C library; its number by machine (arch/*/entry/syscalls, asm-generic).
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "s390x": 282, "ppc64le": 273}

# include/uapi/linux/ioprio.h: this thread; class best effort, the last of its levels. The idle class would
# wait for ever on a busy disk, and a source that does not answer is a lost one.
_WHO_PROCESS = 1
_LAST_OF_BEST_EFFORT = (2 << 13) | 7

_NICEST = 19


def give_way() -> None:
    """Lower the priority of this thread, and of those it starts from now on, for processor and disks.

    A machine that cannot is told in the log. On Linux both are a thread's own: other runs keep theirs.
    """
    os.nice(_NICEST)
    number = _IOPRIO_SET.get(platform.machine())
    if number is None:
        log.warning("Disk priority cannot be lowered on %s", platform.machine())
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, _WHO_PROCESS, 0, _LAST_OF_BEST_EFFORT):
        log.warning("Disk priority cannot be lowered: %s", os.strerror(ctypes.get_errno()))
