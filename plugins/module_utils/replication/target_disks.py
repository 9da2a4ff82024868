# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Writing block devices and regular files past the kernel's cache. PRIVATE to the collection.

The worker's side only. That nobody else has a block device, and that it can be written at all, is the
receiver's to see to (`receiver.writable`): it holds the device exclusively, for longer than it is open here.
"""

from __future__ import annotations

import abc
import errno
import os

from ..units import MIB
from . import ioctls
from .disks import Disk, PathDisk, aligned_buffer
from .geometry import Span, split
from .limits import CHUNK

# Larger zero requests time out on some iSCSI targets, smaller ones are slow on thin volumes; oVirt's
# imageio found the same bound safe (ovirt-imageio, ops.py, Zero).
MAX_ZERO = 128 * MIB

# How a file system, or an old kernel, says that it makes no holes.
NO_HOLES = (errno.EOPNOTSUPP, errno.ENOTTY)


class TargetDisk(Disk):
    """What the target needs of a disk. Threads may share one; their writes never overlap."""

    @abc.abstractmethod
    def write(self, start: int, data: memoryview) -> None:
        """Write `data`, the head of an `aligned_buffer`, at a granule's border; durable after `flush`."""

    @abc.abstractmethod
    def zero(self, start: int, length: int) -> None:
        """Make these bytes zero; durable after `flush`."""

    @abc.abstractmethod
    def flush(self) -> None:
        """Make durable what was written. Raises DiskError if any of it was lost."""


class PathTargetDisk(PathDisk, TargetDisk):
    """A block device or regular file, opened for reading and writing."""

    @property
    def flags(self) -> int:
        """See PathDisk."""
        return os.O_RDWR

    def write(self, start: int, data: memoryview) -> None:
        """See TargetDisk. Only the last bytes of a disk can be less than a block."""
        whole = len(data) // self.alignment * self.alignment if self.is_direct else len(data)
        try:
            done = 0
            while done < whole:
                done += os.pwritev(self._descriptor, [data[done:whole]], start + done)
            if whole < len(data):
                self._write_tail(start + whole, data[whole:])
        except OSError as error:
            raise self._failed(f"write {len(data)} bytes at {start} of", error) from error

    def zero(self, start: int, length: int) -> None:
        """See TargetDisk. A file gets a hole; where neither file system nor device can, zeros are written."""
        span = Span(start, length)
        if self.is_block and span.end % self.alignment == 0:
            self._zero_out(span)
        elif self.is_block or not self._punch_hole(span):
            self._write_zeros(span)

    def flush(self) -> None:
        """See TargetDisk."""
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise self._failed("flush", error) from error

    def _write_tail(self, start: int, data: memoryview) -> None:
        """Write less than a block through the cache, and empty the cache of it.

        The kernel reads the block, changes the bytes and writes it back; the direct descriptor could
        write whole blocks only and would make a file longer.
        """
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwritev(descriptor, [data], start)
            os.fdatasync(descriptor)
            os.posix_fadvise(descriptor, start, len(data), os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)

    def _zero_out(self, span: Span) -> None:
        try:
            for piece in split(span, MAX_ZERO):
                ioctls.zero_out(self._descriptor, piece.start, piece.length)
        except OSError as error:
            raise self._failed(f"zero {span.length} bytes at {span.start} of", error) from error

    def _punch_hole(self, span: Span) -> bool:
        """Return whether the file system could."""
        try:
            ioctls.punch_hole(self._descriptor, span.start, span.length)
        except OSError as error:
            if error.errno in NO_HOLES:
                return False
            raise self._failed(f"zero {span.length} bytes at {span.start} of", error) from error
        return True

    def _write_zeros(self, span: Span) -> None:
        buffer = aligned_buffer()
        for piece in split(span, CHUNK):
            self.write(piece.start, buffer[: piece.length])
