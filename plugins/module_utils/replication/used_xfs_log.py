# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Whether all that an XFS log holds is in its place already. PRIVATE. Python 3.6.

    log      | cycle 8 ... | record | record | cycle 7 ... | cycle 7 |
                           tail              head

A log that was unmounted, or remounted read-only, ends with a record that says so. One that was frozen, as LVM
freezes it for a snapshot, does not: the kernel first writes all in its place, then logs the super block once
more, so that inodes that were deleted while open are looked after later (fs/xfs/xfs_super.c, xfs_fs_freeze;
xfs_log.c, xfs_log_cover). Then nothing but that super block lies between tail and head. Anything else there may
be blocks in use that the trees of free extents do not know of: MapDoubtError.
"""

import struct
from typing import Iterator, List, NamedTuple, Tuple

from .geometry import ceil_div
from .pieces import MapDoubtError, Read

_SECTOR = 512
_MAGIC = 0xFEEDBABE
# The words at the start of this many sectors are kept in one header; each sector begins with the cycle instead.
_PER_HEADER = 64

# A record is 256 KiB long at most, and has eight sectors of headers.
_LONGEST = 256 * 1024 // _SECTOR + 8
# What a freeze leaves is one or two records. Whoever has many more was not frozen.
_MOST_RECORDS = 64

_START, _COMMIT, _UNMOUNT = 0x01, 0x02, 0x20
_TRANSACTION = 0x5452414E
_BUFFER = 0x123C


class Log(NamedTuple):
    """Where the log is: bytes from the start of the device, sectors, and the file system's UUID."""

    start: int
    sectors: int
    uuid: bytes


class _Record(NamedTuple):
    """A record, in sectors from the start of the log: its place, where it ends, and the log's tail then."""

    place: int
    end: int
    tail: int
    operations: int
    payload: bytes


def check_log(read: Read, log: Log) -> None:
    """Raise MapDoubtError unless everything that the log holds is in its place."""
    head, cycle = _find_head(read, log)
    last = _last_record(read, log, head, cycle)
    if last.operations == 1 and _operations(last)[0][0] & _UNMOUNT:
        return
    for record in _records(read, log, last.tail, head % log.sectors):
        _check_record(record)


def _find_head(read: Read, log: Log) -> Tuple[int, int]:
    """Return the sector after the last that was written, and its cycle. The log is written round and round."""
    cycle = _cycle(read, log, 0)
    if _cycle(read, log, log.sectors - 1) == cycle:
        return log.sectors, cycle
    low, high = 0, log.sectors - 1
    while high - low > 1:
        middle = (low + high) // 2
        if _cycle(read, log, middle) == cycle:
            low = middle
        else:
            high = middle
    return high, cycle


def _cycle(read: Read, log: Log, sector: int) -> int:
    first, second = struct.unpack(">2I", read(log.start + sector * _SECTOR, 8))
    return int(second if first == _MAGIC else first)


def _last_record(read: Read, log: Log, head: int, cycle: int) -> _Record:
    """Return the record that ends at `head`."""
    for place in range(head - 1, max(-1, head - _LONGEST - 1), -1):
        if struct.unpack(">2I", read(log.start + place * _SECTOR, 8)) == (_MAGIC, cycle):
            record = _read_record(read, log, place)
            if record.end != head:
                break
            return record
    raise MapDoubtError("the end of its log is not found")


def _records(read: Read, log: Log, tail: int, head: int) -> Iterator[_Record]:
    place = tail
    for _unused in range(_MOST_RECORDS):
        if place == head:
            return
        record = _read_record(read, log, place)
        yield record
        place = record.end % log.sectors
    raise _must_be_replayed()


def _read_record(read: Read, log: Log, place: int) -> _Record:
    """Return a record. One that goes on at the start of the log is not followed: it is rare, and doubt costs little."""
    raw = read(log.start + place * _SECTOR, _SECTOR)
    magic, cycle, version, length, own, tail = struct.unpack_from(">4I2Q", raw)
    (operations,) = struct.unpack_from(">I", raw, 40)
    headers = max(1, ceil_div(struct.unpack_from(">I", raw, 320)[0], _PER_HEADER * _SECTOR))
    end = place + headers + ceil_div(length, _SECTOR)
    is_sound = (
        (magic, version, own) == (_MAGIC, 2, cycle << 32 | place)
        and raw[304:320] == log.uuid
        and end - place <= _LONGEST
        and end <= log.sectors
        and tail & 0xFFFFFFFF < log.sectors
    )
    if not is_sound:
        raise MapDoubtError("a record of its log is torn or goes round its end")
    heads = read(log.start + place * _SECTOR, headers * _SECTOR)
    body = read(log.start + (place + headers) * _SECTOR, (end - place - headers) * _SECTOR)
    payload = _unpack(heads, body, cycle)[:length]
    return _Record(place, end, tail & 0xFFFFFFFF, operations, payload)


def _unpack(heads: bytes, body: bytes, cycle: int) -> bytes:
    """Return the body with the words back that the cycle took the place of."""
    plain = bytearray(body)
    for sector in range(len(body) // _SECTOR):
        header, within = divmod(sector, _PER_HEADER)
        at, kept = sector * _SECTOR, header * _SECTOR + (4 if header else 44) + within * 4
        if body[at : at + 4] != struct.pack(">I", cycle):
            raise MapDoubtError("a record of its log is torn")
        plain[at : at + 4] = heads[kept : kept + 4]
    return bytes(plain)


def _operations(record: _Record) -> List[Tuple[int, bytes]]:
    """Return the flags and the bytes of each operation of a record."""
    found: List[Tuple[int, bytes]] = []
    at = 0
    for _unused in range(record.operations):
        if at + 12 > len(record.payload):
            raise MapDoubtError("a record of its log is torn")
        _transaction, length, _client, flags = struct.unpack_from(">2I2B", record.payload, at)
        found.append((flags, record.payload[at + 12 : at + 12 + length]))
        at += 12 + length
    if at > len(record.payload):
        raise MapDoubtError("a record of its log is torn")
    return found


def _check_record(record: _Record) -> None:
    """Refuse any change of another block than the super block.

    A transaction is: a start, a head, then for each buffer one operation that names it and some with its
    bytes; a commit. Items are logged in the byte order of the machine, which must be little-endian here.
    """
    awaited = 0
    for flags, data in _operations(record):
        if awaited and not flags:
            awaited -= 1
        elif flags & ~(_START | _COMMIT | _UNMOUNT) or awaited:
            raise _must_be_replayed()
        elif not flags and not _is_transaction(data):
            awaited = _regions_of_super_block(data)


def _is_transaction(data: bytes) -> bool:
    return len(data) == 16 and int.from_bytes(data[:4], "little") == _TRANSACTION


def _regions_of_super_block(data: bytes) -> int:
    """Return how many operations with bytes of the super block follow."""
    if len(data) < 24:
        raise _must_be_replayed()
    kind, regions, _flags, _length, sector = struct.unpack_from("<4Hq", data)
    if (kind, sector) != (_BUFFER, 0):
        raise _must_be_replayed()
    return int(regions) - 1


def _must_be_replayed() -> MapDoubtError:
    return MapDoubtError("its log has to be replayed")
