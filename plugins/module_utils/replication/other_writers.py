# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Who may write to a disk though no file system of it is mounted. PRIVATE. Python 3.6.

    disk -> partitions -> what is made of them: LVM, RAID, crypt -> ...

Looked at are the ends of these lines, of which nothing is made. A volume or array that is there may be written,
whether anybody has it open by now or not. A partition or disk is in use if the kernel holds it, or a program has
it open for writing; one that is not may be used a moment later, which nobody can tell.
"""

import errno
import os
import stat
from typing import Container, Dict, Iterator, List, Mapping, NamedTuple

from .block_devices import active_swaps, ends_of, mounts_of


class Known(NamedTuple):
    """What of a server's devices is accounted for.

    `numbers` are those that stand still or are ours; `physical` the kernel's names of LVM's physical volumes, which
    only LVM writes. `volumes` says by number what a device is called and why it has no snapshot.
    """

    numbers: Container[str] = ()
    physical: Container[str] = ()
    volumes: Mapping[str, str] = {}


def find_writer(path: str, known: Known, sys: str = "/sys", proc: str = "/proc") -> str:
    """Return what may write to the disk at `path` unseen, in words; "" if nothing does as far as can be seen.

    What is mounted, or swapped on, is for others to judge.
    """
    mounted = {mount.number for mount in mounts_of(path, sys, proc)}
    swaps = active_swaps(proc)
    programs = writing_programs(proc)
    for end in ends_of(path, sys):
        is_judged = end.number in mounted or end.number in known.numbers or end.name in swaps
        if is_judged or end.name in known.physical:
            continue
        if end.is_made:
            return known.volumes.get(end.number) or "{} is active".format(end.title)
        user = programs.get(end.number) or _kernel_if_claimed(end.name)
        if user:
            return "{} has {} open".format(user, end.name)
    return ""


def is_silent(path: str, physical: Container[str], sys: str = "/sys", proc: str = "/proc") -> bool:
    """Tell whether the disk at `path` has nothing that would tell of its use: file system, LVM, swap."""
    swaps = active_swaps(proc)
    ends = ends_of(path, sys)
    is_told = any(end.is_made or end.name in physical or end.name in swaps for end in ends)
    return not is_told and not mounts_of(path, sys, proc)


def _kernel_if_claimed(name: str) -> str:
    """A device that is used exclusively by no program is so by the kernel: a journal, a target of iSCSI."""
    path = "/dev/" + name.replace("!", "/")
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        return "the kernel" if error.errno == errno.EBUSY else ""
    return ""


def writing_programs(proc: str = "/proc") -> Dict[str, str]:
    """Return by number the block devices that programs have open for writing, and one such program of each."""
    found = {}
    for process in filter(str.isdigit, os.listdir(proc)):
        for number in _written_by(os.path.join(proc, process)):
            found[number] = "process {} ({})".format(process, _name_of(os.path.join(proc, process)))
    return found


def _written_by(process: str) -> Iterator[str]:
    for descriptor in _entries(os.path.join(process, "fd")):
        place = os.path.join(process, "fd", descriptor)
        try:
            # A file of another file system is not looked at: its server may be gone, and the look would hang.
            if not os.readlink(place).startswith("/dev/"):
                continue
            found = os.stat(place)
            is_writing = _flags_of(os.path.join(process, "fdinfo", descriptor)) & os.O_ACCMODE
        except OSError:  # It ended, or closed it, just now.
            continue
        if stat.S_ISBLK(found.st_mode) and is_writing:
            yield "{}:{}".format(os.major(found.st_rdev), os.minor(found.st_rdev))


def _flags_of(path: str) -> int:
    """The kernel tells them in octal (proc(5))."""
    with open(path) as stream:
        told = dict(line.split(":", 1) for line in stream if ":" in line)
    return int(told.get("flags", "0"), 8)


def _name_of(process: str) -> str:
    try:
        with open(os.path.join(process, "comm"), errors="replace") as stream:
            return stream.read().strip()
    except OSError:
        return "ended"


def _entries(folder: str) -> List[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
