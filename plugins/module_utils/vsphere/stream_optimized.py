# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The grains of a streamOptimized VMDK, front to back from a pipe. PRIVATE. Part of the source worker's sender.

    | header | descriptor, padding | grain | grain | table | grain | ... | directory | footer | end |
                                   ^ overhead

What is absent reads as zeros, so nothing may be lost unseen. A writer that streams (ESXi) puts a footer
and an end marker last, and both must be there. A writer that could seek (qemu-img) put the tables in
front and may write no end marker at all: then the tables say how many grains must have come. Memory is
bounded by one grain and one directory, four bytes for 32 MiB of disk.
"""

from __future__ import annotations

import struct
import zlib
from typing import Callable, Iterator, NamedTuple

from ..errors import TransientError
from .vmdk_header import SECTOR, Header, MalformedError, parse_header

# A grain: its first sector, its compressed size. A marker: its sectors, 0, its type.
RECORD = struct.Struct("<QI")
TYPE = struct.Struct("<I")

END_OF_STREAM, GRAIN_TABLE, GRAIN_DIRECTORY, FOOTER = range(4)

# zlib adds at most some bytes a block to what does not shrink; the double is what the format's readers
# allow.
COMPRESSED_MOST = 2

# Entries of a grain table: not there, and there but known to be zero. All others are places.
NOT_PLACES = (0, 1)

PIECE = 64 * 1024


class TruncatedError(TransientError):
    """A stream ended before its end. What was read of it is right; the rest needs a new stream."""


class Grain(NamedTuple):
    """Bytes of the disk from `start` on."""

    start: int
    data: bytes

    @property
    def end(self) -> int:
        """The first byte behind them."""
        return self.start + len(self.data)


def read_grains(read: Callable[[int], bytes], capacity: int) -> Iterator[Grain]:
    """Yield the grains of a disk of `capacity` bytes in rising order; all else on it is zero.

    `read` returns at most so many bytes, none at the stream's end. That a grain is absent is known when
    a later one was yielded, or when the iterator ended. Raises MalformedError, TruncatedError.
    """
    pipe = _Pipe(read)
    header = parse_header(pipe.take(SECTOR), capacity)
    if header.has_footer:
        pipe.skip(header.overhead - SECTOR)
        yield from _Records(pipe, header).grains()
    else:
        listed = _count_listed(pipe, header)
        yield from _Records(pipe, header).listed_grains(listed)


class _Pipe:
    """A stream from which exact amounts are taken."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self.position = 0

    def take(self, length: int) -> bytes:
        """Return the next `length` bytes."""
        data = self.take_or_end(length)
        if len(data) < length:
            raise TruncatedError(f"The stream of the disk ended at byte {self.position} of it.")
        return data

    def take_or_end(self, length: int) -> bytes:
        """Return the next `length` bytes, or as many as there are."""
        pieces = []
        missing = length
        while missing:
            piece = self._read(missing)
            if not piece:
                break
            pieces.append(piece)
            missing -= len(piece)
        self.position += length - missing
        return b"".join(pieces)

    def skip(self, length: int) -> None:
        """Let the next `length` bytes go by."""
        while length:
            length -= len(self.take(min(length, PIECE)))


def _count_listed(pipe: _Pipe, header: Header) -> int:
    """Return how many grains the tables before the first one list; the pipe stands behind all overhead."""
    tables = header.directory + header.directory_sectors
    end = tables + header.table_count * header.table_sectors
    if header.directory < 1 or end * SECTOR > header.overhead:
        raise MalformedError(f"The stream's tables, from sector {header.directory}, do not fit.")
    pipe.skip(header.directory * SECTOR - pipe.position)
    directory = _numbers(pipe.take(header.directory_sectors * SECTOR), header.table_count)
    listed = 0
    for number, place in enumerate(directory):
        if place != tables + number * header.table_sectors:
            raise MalformedError(f"Table {number} of the stream is at sector {place}.")
        table = _numbers(pipe.take(header.table_sectors * SECTOR), header.table_entries)
        listed += sum(entry not in NOT_PLACES for entry in table)
    pipe.skip(header.overhead - pipe.position)
    return listed


def _numbers(data: bytes, count: int) -> Iterator[int]:
    return (number for (number,) in TYPE.iter_unpack(data[: count * TYPE.size]))


class _Records:
    """What follows the overhead: grains and markers, each from a sector's border on."""

    def __init__(self, pipe: _Pipe, header: Header) -> None:
        self._pipe = pipe
        self._header = header
        self._end = 0
        self._saw_footer = False

    def grains(self) -> Iterator[Grain]:
        """Yield all up to the end marker, which must come behind a footer, and nothing behind it."""
        while True:
            sector = self._pipe.take(SECTOR)
            value, size = RECORD.unpack_from(sector)
            if size:
                yield self._grain(value, size, sector)
            elif not self._pass_marker(value, sector):
                break
        if not self._saw_footer:
            raise MalformedError("The stream ended without the footer that its header promised.")
        if self._pipe.take_or_end(1):
            raise MalformedError(f"Something follows the stream's end at {self._pipe.position}.")

    def listed_grains(self, listed: int) -> Iterator[Grain]:
        """Yield `listed` grains, behind which there is nothing but padding."""
        for number in range(listed):
            sector = self._pipe.take(SECTOR)
            value, size = RECORD.unpack_from(sector)
            if not size:
                raise MalformedError(f"The stream has {number} of the {listed} grains it lists.")
            yield self._grain(value, size, sector)
        # The padding fills a grain; qemu-img 7.2 writes up to one.
        padding = self._pipe.take_or_end(self._header.grain + 1)
        if any(padding) or len(padding) > self._header.grain:
            raise MalformedError(f"Something follows the {listed} grains that the stream lists.")

    def _pass_marker(self, sectors: int, sector: bytes) -> bool:
        """Skip what the marker announces; return whether the stream goes on behind it."""
        kind: int = TYPE.unpack_from(sector, RECORD.size)[0]
        wanted = {
            END_OF_STREAM: 0,
            GRAIN_TABLE: self._header.table_sectors,
            GRAIN_DIRECTORY: self._header.directory_sectors,
            FOOTER: 1,
        }.get(kind)
        if sectors != wanted:
            raise MalformedError(
                f"A marker of type {kind} at byte {self._pipe.position - SECTOR} of the stream"
                f" announces {sectors} sectors; that is none."
            )
        self._saw_footer = self._saw_footer or kind == FOOTER
        self._pipe.skip(sectors * SECTOR)
        return kind != END_OF_STREAM

    def _grain(self, first: int, size: int, sector: bytes) -> Grain:
        start, grain = first * SECTOR, self._header.grain
        if start % grain or not self._end <= start < self._header.capacity:
            raise MalformedError(
                f"A grain of the stream is for byte {start}, after one that ended at {self._end} of"
                f" {self._header.capacity}."
            )
        if size > COMPRESSED_MOST * grain:
            raise MalformedError(f"The grain for byte {start} has {size} compressed bytes.")
        whole = -(-(RECORD.size + size) // SECTOR) * SECTOR
        packed = (sector + self._pipe.take(whole - SECTOR))[RECORD.size : RECORD.size + size]
        self._end = start + grain
        return Grain(start, self._unpack(start, packed))

    def _unpack(self, start: int, packed: bytes) -> bytes:
        """Return the grain's bytes, as far as they are on the disk; its last grain may be a short one."""
        grain = self._header.grain
        wanted = min(grain, self._header.capacity - start)
        unpacker = zlib.decompressobj()
        try:
            data = unpacker.decompress(packed, grain + 1)
        except zlib.error as error:
            raise MalformedError(f"The grain for byte {start} is damaged: {error}.") from None
        if not unpacker.eof or unpacker.unused_data or not wanted <= len(data) <= grain:
            raise MalformedError(
                f"The grain for byte {start} is not one of {wanted} bytes ({len(data)} unpacked)."
            )
        return data[:wanted]
