# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Reading and writing a whole disk past the page cache.

A disk and the partitions and overlays above it have caches of their own; only what is read and
written with O_DIRECT is what is on the disk.
"""

from __future__ import annotations

import mmap
import os
from contextlib import contextmanager
from typing import Iterator

from ..units import MIB
from . import syscalls

# One transfer. Larger ones gain nothing on virtio (its requests end at 1 to 4 MiB).
PIECE = MIB


class DirectDisk:
    """An open disk. All offsets and lengths are multiples of 512 bytes. Used by one thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # O_DIRECT wants memory that is aligned; a map begins on a page.
        self._buffer = memoryview(mmap.mmap(-1, PIECE))

    def read(self, start: int, length: int) -> memoryview:
        """Return at most PIECE bytes, good until the next call. Raises OSError if the disk ends."""
        part = self._buffer[:length]
        if os.preadv(self._descriptor, [part], start) != length:
            raise OSError(5, "the disk ends too early")
        return part

    def write(self, start: int, data: bytes) -> None:
        """Write at most PIECE bytes; they are durable only after `flush`. Raises OSError."""
        part = self._buffer[: len(data)]
        part[:] = data
        if os.pwrite(self._descriptor, part, start) != len(data):
            raise OSError(5, "the disk ends too early")

    def flush(self) -> None:
        """What was written is durable when this returns."""
        os.fsync(self._descriptor)


@contextmanager
def open_disk(path: str) -> Iterator[DirectDisk]:
    """Open a disk for reading, past the cache."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    try:
        yield DirectDisk(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def open_writable(path: str) -> Iterator[DirectDisk]:
    """Open a disk that is kept read-only for writing; it refuses writes again afterwards."""
    keeper = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.set_read_only(keeper, wanted=False)
        descriptor = os.open(path, os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC)
        try:
            yield DirectDisk(descriptor)
        finally:
            os.close(descriptor)
    finally:
        syscalls.set_read_only(keeper, wanted=True)
        os.close(keeper)


def protect(path: str) -> int:
    """The disk refuses writes at the block layer from now on; return its size in bytes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not syscalls.is_read_only(descriptor):
            syscalls.set_read_only(descriptor, wanted=True)
        return os.lseek(descriptor, 0, os.SEEK_END)
    finally:
        os.close(descriptor)
