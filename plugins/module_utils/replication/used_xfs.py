# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which blocks of an XFS file system nothing uses, by its trees of free extents. PRIVATE. Python 3.6.

    allocation group   | super block | AGF | AGI | AGFL | trees, inodes, data ...          all of one length, but
                                        \\ roots of two trees of the same free extents      for the last

What is in neither tree counts as used: the blocks of the trees themselves, and those kept for them (AGFL). What
is not understood, or does not agree with itself, raises MapDoubtError: a block that is wrongly called unused is
lost. The two trees of a group (by place, by length) must hold the same extents and as many blocks as the AGF says.
Layout: Linux, fs/xfs/libxfs/xfs_format.h.
"""

import struct
from array import array
from typing import Iterator, NamedTuple

from .crc32c import crc32c
from .geometry import Span, ceil_div
from .pieces import MapDoubtError, Read
from .used_xfs_log import Log, check_log

_SIZE = 512
_SECTOR = 512  # The unit of XFS's own disk addresses, whatever the sectors are.
_NO_BLOCK = 0xFFFFFFFF

# sb_versionnum: flags of version 4 that change nothing here; shared file systems (0x200) are not among them.
_VERSION_4 = 0xFDF0
_LOG_VERSION_2 = 0x400

# Version 5: all features that do not change how free space is told. Not among them: "needs repair" (0x10),
# and groups of the realtime device (0x100 and above).
_READ_ONLY_COMPATIBLE = 0xF
_INCOMPATIBLE = 0xEF

_DEEPEST = 10


class _Super(NamedTuple):
    """The super block, as far as it matters. `head` is the length of the head of a tree's block."""

    block: int
    blocks: int
    group_blocks: int
    groups: int
    sector: int
    version: int
    uuid: bytes
    head: int


class _Tree(NamedTuple):
    """A tree of free extents of a group."""

    root: int
    level: int
    magic: bytes


class _Group(NamedTuple):
    """What a group's AGF says, in blocks."""

    number: int
    start: int
    blocks: int
    by_place: _Tree
    by_length: _Tree
    free: int
    longest: int


def unused_of_xfs(read: Read, size: int) -> Iterator[Span]:
    """Yield the bytes that nothing uses, from the start of the device, rising. `size` is the device's.

    Raises MapDoubtError, after some spans too: then none of them may be believed.
    """
    raw = read(0, _SIZE)
    block = _read_super(read, raw, size)
    check_log(read, _log_of(raw, block))
    for number in range(block.groups):
        group = _read_group(read, block, number)
        for record in _free_extents(read, block, group):
            start, length = record >> 32, record & _NO_BLOCK
            yield Span((group.start + start) * block.block, length * block.block)


def _read_super(read: Read, raw: bytes, size: int) -> _Super:
    if raw[:4] != b"XFSB":
        raise MapDoubtError("it has no super block of XFS")
    version = _u16(raw, 100) & 0xF
    _check_features(raw, version)
    block = _Super(
        block=_u32(raw, 4),
        blocks=_u64(raw, 8),
        group_blocks=_u32(raw, 84),
        groups=_u32(raw, 88),
        sector=_u16(raw, 102),
        version=version,
        uuid=raw[248:264] if version == 5 and _u32(raw, 216) & 4 else raw[32:48],
        head=56 if version == 5 else 16,
    )
    _check_sizes(block, raw, size)
    if version == 5:
        _check_crc(read(0, block.sector), 224, "super block")
    return block


def _check_features(raw: bytes, version: int) -> None:
    flags = _u16(raw, 100) & ~0xF
    if version not in (4, 5) or flags & ~_VERSION_4 or not flags & _LOG_VERSION_2:
        raise MapDoubtError("it is of unknown version {:#x}".format(_u16(raw, 100)))
    if version == 5:
        compatible, read_only, incompatible, log = struct.unpack_from(">4I", raw, 208)
        if compatible or read_only & ~_READ_ONLY_COMPATIBLE or incompatible & ~_INCOMPATIBLE or log:
            raise MapDoubtError(
                "it has unknown features: {:#x}, {:#x}, {:#x}, {:#x}".format(
                    compatible, read_only, incompatible, log
                )
            )
    if raw[126]:
        raise MapDoubtError("it is being made or copied")
    if _u64(raw, 16) or _u64(raw, 24):
        raise MapDoubtError("it has a realtime device")
    if not _u64(raw, 48):
        raise MapDoubtError("its log is on another device")


def _check_sizes(block: _Super, raw: bytes, size: int) -> None:
    """Refuse what the kernel would not mount, for whatever follows from it would be nonsense."""
    checks = (
        512 <= block.block <= 65536,
        block.block == 1 << min(raw[120], 32),
        512 <= block.sector <= 32768,
        block.sector == 1 << min(raw[121], 32),
        block.blocks * block.block <= size,
        0 < block.group_blocks <= 1 << min(raw[124], 32),
        block.groups == ceil_div(block.blocks, max(1, block.group_blocks)),
    )
    if not all(checks):
        raise MapDoubtError("the sizes in its super block do not fit each other or the device")


def _log_of(raw: bytes, block: _Super) -> Log:
    """An address of a block is the number of its group, then as many bits as the group needs."""
    group, within = divmod(_u64(raw, 48), 1 << raw[124])
    start = (group * block.group_blocks + within) * block.block
    length = _u32(raw, 96) * block.block
    if group >= block.groups or start + length > block.blocks * block.block or not length:
        raise MapDoubtError("its log is outside of it")
    return Log(start, length // _SECTOR, raw[32:48])


def _read_group(read: Read, block: _Super, number: int) -> _Group:
    start = number * block.group_blocks
    raw = read(start * block.block + block.sector, block.sector)
    if raw[:8] != b"XAGF\0\0\0\1" or _u32(raw, 8) != number:
        raise MapDoubtError("group {} has no AGF".format(number))
    if block.version == 5:
        _check_crc(raw, 216, "AGF of group {}".format(number))
        _check_uuid(raw[64:80], block)
    by_place, by_length, _unused, place_levels, length_levels = struct.unpack_from(">5I", raw, 16)
    magics = (b"AB3B", b"AB3C") if block.version == 5 else (b"ABTB", b"ABTC")
    group = _Group(
        number,
        start,
        _u32(raw, 12),
        _Tree(by_place, place_levels, magics[0]),
        _Tree(by_length, length_levels, magics[1]),
        _u32(raw, 52),
        _u32(raw, 56),
    )
    if group.blocks != min(block.group_blocks, block.blocks - start):
        raise MapDoubtError("group {} has a wrong length".format(number))
    return group


def _free_extents(read: Read, block: _Super, group: _Group) -> Iterator[int]:
    """Yield the group's free extents, rising: in 64 bits the first block and how many, within the group."""
    by_place, by_length = (
        array("Q", _records(read, block, group, tree, tree.root, tree.level))
        for tree in (group.by_place, group.by_length)
    )
    # The group begins with four sectors of heads.
    end, total, longest = ceil_div(4 * block.sector, block.block), 0, 0
    for record in by_place:
        start, length = record >> 32, record & _NO_BLOCK
        # Two that touch would be one.
        if not length or start < end or start + length > group.blocks:
            raise MapDoubtError("free extents of group {} are out of order".format(group.number))
        end, total, longest = start + length + 1, total + length, max(longest, length)
    if (total, longest) != (group.free, group.longest) or by_place != array("Q", sorted(by_length)):
        raise MapDoubtError(
            "the trees of free extents of group {} do not agree".format(group.number)
        )
    yield from by_place


def _records(
    read: Read, block: _Super, group: _Group, tree: _Tree, place: int, level: int
) -> Iterator[int]:
    """Yield the records of the part of the tree that begins at `place` and is `level` high, in its order."""
    if not 0 < level <= _DEEPEST or place >= group.blocks:
        raise MapDoubtError("a tree of group {} leaves it".format(group.number))
    raw = read((group.start + place) * block.block, block.block)
    count = _check_block(raw, block, group, tree, place, level)
    if level == 1:
        yield from struct.unpack_from(">{}Q".format(count), raw, block.head)
        return
    most = (block.block - block.head) // 12
    for child in struct.unpack_from(">{}I".format(count), raw, block.head + most * 8):
        yield from _records(read, block, group, tree, child, level - 1)


def _check_block(
    raw: bytes, block: _Super, group: _Group, tree: _Tree, place: int, level: int
) -> int:
    """Return how many records or children a block of a tree has."""
    magic, own_level, count = struct.unpack_from(">4sHH", raw)
    most = (block.block - block.head) // (8 if level == 1 else 12)
    if magic != tree.magic or own_level != level - 1 or count > most or (level > 1 and not count):
        raise MapDoubtError("a tree of group {} is torn".format(group.number))
    if block.version == 5:
        _check_crc(raw, 52, "tree of group {}".format(group.number))
        _check_uuid(raw[32:48], block)
        address = (group.start + place) * block.block // _SECTOR
        if (_u64(raw, 16), _u32(raw, 48)) != (address, group.number):
            raise MapDoubtError("a tree of group {} has another's block".format(group.number))
    return int(count)


def _check_crc(raw: bytes, place: int, what: str) -> None:
    crc = crc32c(raw[:place] + bytes(4) + raw[place + 4 :]) ^ 0xFFFFFFFF
    if crc != int.from_bytes(raw[place : place + 4], "little"):
        raise MapDoubtError("the checksum of its {} is wrong".format(what))


def _check_uuid(uuid: bytes, block: _Super) -> None:
    if uuid != block.uuid:
        raise MapDoubtError("it has blocks of another file system")


def _u16(raw: bytes, at: int) -> int:
    return int.from_bytes(raw[at : at + 2], "big")


def _u32(raw: bytes, at: int) -> int:
    return int.from_bytes(raw[at : at + 4], "big")


def _u64(raw: bytes, at: int) -> int:
    return int.from_bytes(raw[at : at + 8], "big")
