# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The Linux calls on disks and sockets that Python has no name for. PRIVATE to the collection.

Numbers are those of x86-64 and arm64 (asm-generic). Python 3.6.
"""

import fcntl
import struct

# include/uapi/linux/fs.h
_BLKROSET = 0x125D
_BLKROGET = 0x125E
_BLKFLSBUF = 0x1261
_BLKSSZGET = 0x1268
_BLKZEROOUT = 0x127F

# include/linux/falloc.h: _IOW('X', 43, struct space_resv), since Linux 5.6 on every file system. It is
# fallocate(PUNCH_HOLE | KEEP_SIZE), for which Python has no function.
_FS_IOC_UNRESVSP64 = 0x4030582B
# struct space_resv: type and whence (0 is the file's start), start and length, five fields that are not read.
_SPACE = struct.Struct("hhqq24x")


def _get_int(descriptor: int, request: int) -> int:
    answer = fcntl.ioctl(descriptor, request, struct.pack("i", 0))
    (value,) = struct.unpack("i", answer)
    return int(value)


def is_read_only(descriptor: int) -> bool:
    """Tell whether the block layer refuses writes to this device."""
    return bool(_get_int(descriptor, _BLKROGET))


def set_read_only(descriptor: int, *, read_only: bool) -> None:
    """Make the block layer refuse, or again permit, writes to this device, until the next boot."""
    fcntl.ioctl(descriptor, _BLKROSET, struct.pack("i", read_only))


def drop_buffers(descriptor: int) -> None:
    """Write out and forget what the kernel caches of this block device."""
    fcntl.ioctl(descriptor, _BLKFLSBUF)


def logical_block_size(descriptor: int) -> int:
    """Return the smallest unit that this block device reads and writes, in bytes."""
    return _get_int(descriptor, _BLKSSZGET)


def zero_out(descriptor: int, start: int, length: int) -> None:
    """Make these bytes of a block device zero, by the device's own means where it has some."""
    fcntl.ioctl(descriptor, _BLKZEROOUT, struct.pack("QQ", start, length))


def punch_hole(descriptor: int, start: int, length: int) -> None:
    """Make these bytes of a regular file zero and give their whole blocks back; the size stays.

    Raises OSError: EOPNOTSUPP where the file system has no holes, ENOTTY on a kernel before 5.6.
    """
    fcntl.ioctl(descriptor, _FS_IOC_UNRESVSP64, _SPACE.pack(0, 0, start, length))
