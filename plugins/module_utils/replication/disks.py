# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Reading block devices and regular files past the kernel's cache. PRIVATE to the collection.

A disk and the file system mounted from it have caches of their own. Whoever reads the disk through its
cache may go on getting old bytes after the file system wrote new ones and flushed them; both ends would
then agree on old bytes, and the target would be wrong. So all reads are direct, and where a file system
has no direct reads, the cache is dropped before each sync. Python 3.6.
"""

import abc
import errno
import mmap
import os
import stat
import threading
from typing import Callable, Tuple

from ..errors import InputError
from ..units import show_exact_size
from . import ioctls
from .errors import DiskError
from .geometry import ceil_div
from .limits import CHUNK

# Direct input and output on regular files wants the file system's block, 4 KiB at most in practice.
FILE_ALIGNMENT = 4096


def aligned_buffer() -> memoryview:
    """Return memory for one chunk that a disk can read into directly: whole pages."""
    return memoryview(mmap.mmap(-1, CHUNK))


class Disk(abc.ABC):
    """What the source needs of a disk; `size` is in bytes. Threads may share a disk."""

    size: int

    @abc.abstractmethod
    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        """Fill the head of `buffer`, an `aligned_buffer`, and return that part.

        `length` is at most a chunk, `start` on a granule's border. Raises DiskError.
        """

    @property
    def passed(self) -> int:
        """How many bytes came so far, where some come that nobody asked for: of a forward stream."""
        return 0

    @abc.abstractmethod
    def refresh(self) -> None:
        """Make the reads that follow see what is on the storage now, whatever was read before."""

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of the disk."""


class PathDisk(Disk):
    """A block device or regular file, opened read-only."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        self.is_block = _is_block(path)
        self._descriptor, self.is_direct = self._open()
        try:
            self.size = os.lseek(self._descriptor, 0, os.SEEK_END)
            self.alignment = self._find_alignment()
            self.refresh()
        except OSError as error:
            os.close(self._descriptor)
            raise self._failed("open", error) from error

    @property
    def flags(self) -> int:
        """How the path is opened, besides directly."""
        return os.O_RDONLY

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        """See Disk. The last block is asked for whole, and comes short where the disk ends."""
        wanted = ceil_div(length, self.alignment) * self.alignment
        done = 0
        try:
            while done < length:
                count = self._read_at(start + done, buffer[done:wanted])
                if count == 0:
                    raise DiskError(
                        "{} ends at {}, not at {}: it was made smaller.".format(
                            self.path, start + done, show_exact_size(self.size)
                        )
                    )
                done += count
        except OSError as error:
            raise self._failed("read {} bytes at {} of".format(length, start), error) from error
        return buffer[:length]

    def refresh(self) -> None:
        """See Disk. Direct reads need nothing of it."""
        if self.is_direct:
            return
        if self.is_block:
            ioctls.drop_buffers(self._descriptor)
        else:
            os.fdatasync(self._descriptor)
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self) -> None:
        """See Disk."""
        os.close(self._descriptor)

    def _open(self) -> Tuple[int, bool]:
        try:
            descriptor = os.open(self.path, self.flags | os.O_DIRECT | os.O_CLOEXEC)
            _read_first_block(descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise self._failed("open", error) from error
        else:
            return descriptor, True
        try:
            return os.open(self.path, self.flags | os.O_CLOEXEC), False
        except OSError as error:
            raise self._failed("open", error) from error

    def _find_alignment(self) -> int:
        if self.is_block:
            return ioctls.logical_block_size(self._descriptor)
        return FILE_ALIGNMENT

    def _read_at(self, start: int, view: memoryview) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._descriptor, [view], start)  # novermin
        with (
            self._lock
        ):  # Python 3.6 has no preadv; reading at the file's position is one at a time.
            os.lseek(self._descriptor, start, os.SEEK_SET)
            return os.readv(self._descriptor, [view])

    def _failed(self, what: str, error: OSError) -> DiskError:
        return DiskError("Cannot {} {}: {}.".format(what, self.path, error.strerror))


def size_of(opened: Callable[[], Disk]) -> int:
    """Open the disk as a sync will, and close it: what cannot be read is found out before."""
    disk = opened()
    disk.close()
    return disk.size


def _is_block(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise InputError(
            "Disk {} cannot be used: {}.".format(path, error.strerror),
            hint="Name a block device or a regular file that exists.",
        ) from error
    if not (stat.S_ISBLK(mode) or stat.S_ISREG(mode)):
        raise InputError("{} is neither a block device nor a regular file.".format(path))
    return stat.S_ISBLK(mode)


def _read_first_block(descriptor: int) -> None:
    """Read directly, or close the descriptor and raise OSError.

    Some file systems take O_DIRECT at the opening and refuse at the first read.
    """
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.readv(descriptor, [aligned_buffer()[:FILE_ALIGNMENT]])
    except OSError:
        os.close(descriptor)
        raise
