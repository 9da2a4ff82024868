# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What a disk says of itself that Windows alone understands: dynamic disks (LDM), BitLocker.

    MBR  sector 0     type of each partition: 0x42 is a dynamic disk (LDM)
    GPT  sector 1..   GUID of each partition's type: LDM metadata, LDM data
    volume, byte 3    "-FVE-FS-" instead of "NTFS    ": BitLocker

Microsoft's PARTITION_INFORMATION_GPT names the GUIDs; the mark of BitLocker is in libbde's
documentation. blkid tells neither of the first two.
"""

from __future__ import annotations

import struct
import uuid

_SECTOR = 512
_LDM_TYPE = 0x42
_LDM_GUIDS = frozenset(
    uuid.UUID(each).bytes_le
    for each in ("5808C8AA-7E8F-42E0-85D2-E1E90434CFB3", "AF9B60A0-1431-4F62-BC68-3311714A69AD")
)
# Enough for the primary table of any disk: 128 entries of 128 bytes behind the header.
_HEAD = 64 * _SECTOR
_BITLOCKER_MARKS = (b"-FVE-FS-", b"MSWIN4.1")


def is_dynamic(device: str) -> bool:
    """Return whether the disk is a dynamic one: its volumes are not where its partitions are."""
    head = read_head(device, _HEAD)
    return _has_ldm_partition(head) or bool(_gpt_types(head) & _LDM_GUIDS)


def is_bitlocker(device: str) -> bool:
    """Return whether the volume is encrypted by BitLocker (or BitLocker To Go)."""
    head = read_head(device, _SECTOR)
    mark = head[3:11]
    if mark == _BITLOCKER_MARKS[1]:
        # To Go looks like FAT32; libbde: its identifier lies at byte 424.
        return head[424:440] == uuid.UUID("4967d63b-2e29-4ad8-8399-f6a339e3d001").bytes_le
    return mark == _BITLOCKER_MARKS[0]


def read_head(device: str, length: int) -> bytes:
    """Return the first bytes of a device, zeros behind its end."""
    with open(device, "rb") as file:
        return file.read(length).ljust(length, b"\0")


def _has_ldm_partition(head: bytes) -> bool:
    if head[510:512] != b"\x55\xaa":
        return False
    return any(head[446 + 16 * index + 4] == _LDM_TYPE for index in range(4))


def _gpt_types(head: bytes) -> "frozenset[bytes]":
    """Return the types of a GPT's partitions, none without a GPT of sectors of 512 bytes."""
    header = head[_SECTOR : 2 * _SECTOR]
    if header[:8] != b"EFI PART":
        return frozenset()
    start, count, size = struct.unpack_from("<QII", header, 72)
    first = start * _SECTOR
    return frozenset(
        head[place : place + 16]
        for place in range(first, min(first + count * max(size, 128), len(head)), max(size, 128))
    )
