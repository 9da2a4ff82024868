# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clean mirror of Linux's software RAID, written without a kernel that knows it.

    member:   0       4 KiB          1 MiB
              |       superblock     the volume, the same on both members

The superblock is that of version 1.2 (the kernel's include/uapi/linux/raid/md_p.h); `mdadm --examine` and the
kernel of the worker judge it.
"""

from __future__ import annotations

import struct
import uuid

SUPERBLOCK_START = 4096
DATA_START = 1 << 20
_SECTOR = 512
_MAGIC = 0xA92B4EFC
_MIRROR = 1
_NOTHING_TO_RESYNC = (1 << 64) - 1
# Up to the role of each member; the checksum stands at 216.
_LAYOUT = struct.Struct("<IIII16s32sQIIQIIIIQIIIIQQQQII16sBBHIQQQII32x")
_CHECKSUM_AT = 216


def superblock(name: str, array: uuid.UUID, member: int, size: int) -> bytes:
    """Return the superblock of member 0 or 1 of the mirror `name` (`host:0`), whose members have `size` bytes."""
    sectors = (size - DATA_START) // _SECTOR
    device = uuid.uuid5(array, str(member))
    one = _LAYOUT.pack(
        *(_MAGIC, 1, 0, 0, array.bytes, name.encode(), 1_700_000_000),
        *(_MIRROR, 0, sectors, 0, 2, 0),
        # No reshape.
        *(0, 0, 0, 0, 0, 0),
        *(DATA_START // _SECTOR, sectors, SUPERBLOCK_START // _SECTOR, 0),
        *(member, 0, device.bytes, 0, 0, 0, 0),
        *(1_700_000_000, 2, _NOTHING_TO_RESYNC, 0, 2),
    ) + struct.pack("<HH", 0, 1)
    checksum = struct.pack("<I", _checksum(one))
    return one[:_CHECKSUM_AT] + checksum + one[_CHECKSUM_AT + 4 :]


def _checksum(superblock_without: bytes) -> int:
    words: int = sum(struct.unpack(f"<{len(superblock_without) // 4}I", superblock_without))
    return ((words & 0xFFFFFFFF) + (words >> 32)) & 0xFFFFFFFF
