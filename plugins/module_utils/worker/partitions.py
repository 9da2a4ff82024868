# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The partition table of a PC disk (MBR): four entries of 16 bytes in its first sector. PRIVATE.

Pure: sectors in, sectors out. Positions here are in sectors of 512 bytes, as on the disk:

    0                446      462      478      494      510  512
    │ boot code      │ entry 1│ entry 2│ entry 3│ entry 4│55AA│
                     entry: flag 1, start as CHS 3, type 1, end as CHS 3, start 4, count 4 bytes

Start and count are 32 bits wide, which ends the world at 2 TiB. CHS fields say "see start and count".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Sequence

from ..errors import InputError

SECTOR = 512
ENTRY_COUNT = 4
MAX_SECTORS = 2**32 - 1

_FIRST_ENTRY = 446
_SIGNATURE = b"\x55\xaa"
_ENTRY = struct.Struct("<B3sB3sII")
# Cylinder 1023, head 254, sector 63: what every partitioning tool writes beyond 8 GiB.
_CHS_BEYOND = b"\xfe\xff\xff"


@dataclass(frozen=True)
class Partition:
    """One entry; `start` and `count` in sectors, `number` from 1 as in `/dev/vda1`."""

    number: int
    kind: int
    start: int
    count: int


def read_table(sector: bytes) -> list[Partition]:
    """Return the used entries of a disk's first sector, by number. Raises InputError if it is no MBR."""
    if len(sector) != SECTOR or sector[510:] != _SIGNATURE:
        raise InputError("The disk image has no partition table (its first sector is no MBR).")
    entries = enumerate(_ENTRY.iter_unpack(sector[_FIRST_ENTRY:510]), start=1)
    return [
        Partition(number, kind, start, count)
        for number, (_flag, _first, kind, _last, start, count) in entries
        if kind
    ]


def add_partitions(sector: bytes, added: Sequence[Partition]) -> bytes:
    """Return the sector with these entries; all else stays, boot code included.

    Raises InputError when an entry is in use, or lies beyond what its 32 bits can say.
    """
    used = {each.number for each in read_table(sector)}
    changed = bytearray(sector)
    for partition in added:
        if partition.number in used or partition.number > ENTRY_COUNT:
            raise InputError(
                f"The image's partition table has no room for entry {partition.number}."
            )
        if partition.start + partition.count > MAX_SECTORS:
            raise InputError(f"Partition {partition.number} would end beyond 2 TiB.")
        at = _FIRST_ENTRY + (partition.number - 1) * _ENTRY.size
        _ENTRY.pack_into(
            changed,
            at,
            0,
            _CHS_BEYOND,
            partition.kind,
            _CHS_BEYOND,
            partition.start,
            partition.count,
        )
    return bytes(changed)
