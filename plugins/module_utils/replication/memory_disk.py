# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A disk in memory, for tests: the whole interface of a target disk, and no file. PRIVATE."""

from __future__ import annotations

from .errors import DiskError
from .target_disks import TargetDisk


class MemoryDisk(TargetDisk):
    """`content` may be changed by the test at any time, as a source's disk is by its server."""

    def __init__(self, content: bytes | bytearray) -> None:
        self.content = bytearray(content)
        self.size = len(content)
        self.bytes_read = 0
        self.bytes_written = 0
        self.flush_count = 0

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        """See Disk."""
        if start + length > self.size:
            raise DiskError(f"The memory disk ends at {self.size}, not at {start + length}.")
        buffer[:length] = self.content[start : start + length]
        self.bytes_read += length
        return buffer[:length]

    def refresh(self) -> None:
        """See Disk. Memory has no cache."""

    def close(self) -> None:
        """See Disk. The content stays, for the test to look at."""

    def write(self, start: int, data: memoryview) -> None:
        """See TargetDisk."""
        self.content[start : start + len(data)] = data
        self.bytes_written += len(data)

    def zero(self, start: int, length: int) -> None:
        """See TargetDisk."""
        self.content[start : start + length] = bytes(length)
        self.bytes_written += length

    def flush(self) -> None:
        """See TargetDisk."""
        self.flush_count += 1
