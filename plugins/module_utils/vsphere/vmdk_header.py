# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The first sector of a streamOptimized VMDK. PRIVATE to the collection. Pure; part of the source worker's sender.

Nothing in it is believed: each number is held against what the disk and the format allow before it is
used. After VMware's "Virtual Disk Format 5.0", section "Stream-Optimized Compressed Sparse Extents".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ..errors import PermanentError
from ..units import MIB, show_exact_size

SECTOR = 512

# magic, version, flags, capacity, grain, (descriptor's place and size,) entries of a grain table,
# (redundant directory,) directory, overhead, (unclean shutdown,) line ends, compression: 79 bytes.
HEADER = struct.Struct("<4sIIQQ16xI8xQQx4sH")

MAGIC = b"KDMV"
VERSIONS = (1, 2, 3)

# A transfer as text would have changed these bytes.
TELLS_LINE_ENDS = 0x1
LINE_ENDS = b"\n \r\n"

# Grains are compressed, and each is preceded by a marker: what makes a VMDK readable as a stream.
STREAMED = 0x30000
DEFLATE = 1

# The place of the grain directory when it comes at the end: the header's copy there, the footer, tells it.
AT_END = (1 << 64) - 1

# 64 KiB is what everybody writes; the format asks for a power of two above 4 KiB. Above a chunk there
# is no reason, and it is memory.
SMALLEST_GRAIN = 8192
LARGEST_GRAIN = MIB

# Always 512; as much again as a guard of memory.
MOST_TABLE_ENTRIES = 1024

# Before the first grain lie a descriptor (10 KiB as a rule) and padding, beside possible tables.
DESCRIPTOR_ROOM = MIB


class MalformedError(PermanentError):
    """A stream is no streamOptimized VMDK of the disk that was asked for. Nothing of it is trusted."""


@dataclass(frozen=True)
class Header:
    """`capacity`, `grain` and `overhead` (all before the first record) in bytes, `directory` in sectors."""

    capacity: int
    grain: int
    table_entries: int
    directory: int
    overhead: int

    @property
    def has_footer(self) -> bool:
        """Whether the tables come at the end, where a footer and an end marker follow them."""
        return self.directory == AT_END

    @property
    def table_sectors(self) -> int:
        """The sectors of one grain table."""
        return _sectors(self.table_entries * 4)

    @property
    def table_count(self) -> int:
        """How many grain tables the disk has."""
        return _ceil_div(self.capacity, self.grain * self.table_entries)

    @property
    def directory_sectors(self) -> int:
        """The sectors of the grain directory: four bytes for each table."""
        return _sectors(self.table_count * 4)


def parse_header(sector: bytes, capacity: int) -> Header:
    """Return what the first sector says of a disk of `capacity` bytes. Raises MalformedError."""
    magic, version, flags, sectors, grain, entries, directory, overhead, ends, method = (
        HEADER.unpack_from(sector)
    )
    _need(magic == MAGIC, f"it begins with {magic!r}")
    _need(version in VERSIONS, f"its version is {version}")
    _need(flags & STREAMED == STREAMED, f"its flags are {flags:#x}: it is not for streaming")
    _need(not flags & TELLS_LINE_ENDS or ends == LINE_ENDS, f"line ends were changed to {ends!r}")
    _need(method == DEFLATE, f"its compression is {method}")
    _need_grain(grain * SECTOR)
    _need(0 < entries <= MOST_TABLE_ENTRIES, f"its tables have {entries} entries")
    header = Header(capacity, grain * SECTOR, entries, directory, overhead * SECTOR)
    _need_capacity(sectors * SECTOR, header)
    _need_overhead(header)
    return header


def _need_grain(grain: int) -> None:
    fits = SMALLEST_GRAIN <= grain <= LARGEST_GRAIN and grain & (grain - 1) == 0
    _need(fits, f"its grains have {grain} bytes")


def _need_capacity(told: int, header: Header) -> None:
    """The format wants whole grains, and some writers round up to one."""
    fits = header.capacity <= told < header.capacity + header.grain
    _need(
        fits,
        f"it holds {show_exact_size(told)}, the disk has {show_exact_size(header.capacity)}",
    )


def _need_overhead(header: Header) -> None:
    # Twice: writers that put the tables in front put a redundant copy there too.
    tables = 2 * (header.directory_sectors + header.table_count * header.table_sectors) * SECTOR
    fits = SECTOR <= header.overhead <= DESCRIPTOR_ROOM + tables
    _need(fits, f"its first grain would be at {header.overhead}")


def _need(fits: bool, otherwise: str) -> None:
    if not fits:
        raise MalformedError(
            f"The stream is no streamOptimized VMDK of the disk: {otherwise}.",
            hint="The export cannot be read; use the reader vddk or datastore.",
        )


def _sectors(length: int) -> int:
    return _ceil_div(length, SECTOR)


def _ceil_div(number: int, divisor: int) -> int:
    return -(-number // divisor)
