# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Where the backup of a GUID partition table (GPT) lies: it belongs into the disk's last sector.

    sector:  0      1        2 ... 33      34 ...              last
             MBR    header   entries       partitions          backup header
                    |_________ says where the backup is ________^

A volume that is larger than the source's disk has it in the middle: firmware and tools then call the table
damaged, and cannot mend it when the first one is. UEFI Specification 2.10, section 5.3.
"""

from __future__ import annotations

import struct

from .store import SECTOR

_SIGNATURE = b"EFI PART"
# Offset of AlternateLBA in the header (UEFI 2.10, table 5.5).
_ALTERNATE = struct.Struct("<Q")
_ALTERNATE_AT = 32


def has_stray_backup(device: str, size: int) -> bool:
    """Return whether the table's backup is elsewhere than at the end of the device of `size` bytes.

    False for a table in sectors of another length than 512 bytes: it is not looked for.
    """
    with open(device, "rb") as disk:
        disk.seek(SECTOR)
        header = disk.read(SECTOR)
    if not header.startswith(_SIGNATURE):
        return False
    (alternate,) = _ALTERNATE.unpack_from(header, _ALTERNATE_AT)
    return bool(alternate != size // SECTOR - 1)
