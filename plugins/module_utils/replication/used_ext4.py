# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which blocks of an ext2, ext3 or ext4 file system nothing uses, by its bitmaps. PRIVATE. Python 3.6.

    group     | super block | descriptors | reserved | bitmaps, inodes of this group or its neighbours' | data ...
              \\_______ not in each group ________/

What is not understood, or does not agree with itself, raises MapDoubtError: a block that is wrongly called unused is
lost. Each bitmap must have its checksum, where there are any, and as many free bits as its group's descriptor
says; the groups together must have as many as the super block says. Layout: Linux, fs/ext4/ext4.h, and
Documentation/filesystems/ext4.
"""

import re
import struct
from typing import Iterator, NamedTuple, Set

from .crc32c import crc32c
from .geometry import Span, ceil_div
from .pieces import MapDoubtError, Read

_SUPER_BLOCK = 1024
_SIZE = 1024
_MAGIC = 0xEF53

# s_state: unmounted (or frozen, or read-only) as it should be; the kernel found an error.
_VALID, _ERROR = 1, 2

# Features by which this file decides, and all that it knows not to change where blocks are accounted for.
_SPARSE_SUPER2 = 0x200
_COMPATIBLE = 0x1 | 0x4 | 0x8 | 0x10 | 0x20 | _SPARSE_SUPER2 | 0x400 | 0x800 | 0x1000
_SPARSE_SUPER, _GDT_CHECKSUM, _BIGALLOC, _METADATA_CHECKSUM = 0x1, 0x10, 0x200, 0x400
_READ_ONLY_COMPATIBLE = (_SPARSE_SUPER | 0x2 | 0x8 | _GDT_CHECKSUM | 0x20 | 0x40 | 0x100) | (
    _BIGALLOC | _METADATA_CHECKSUM | 0x1000 | 0x2000 | 0x8000 | 0x10000
)
_RECOVER, _META_GROUPS, _64BIT, _SEED = 0x4, 0x10, 0x80, 0x2000
_INCOMPATIBLE = (0x2 | _RECOVER | _META_GROUPS | 0x40 | _64BIT | 0x100 | 0x200) | (
    0x400 | _SEED | 0x4000 | 0x8000 | 0x10000 | 0x20000
)

_BLOCK_UNINIT = 2


class _Layout(NamedTuple):
    """The super block, as far as it matters; blocks and clusters by their numbers, sizes in bytes.

    A cluster is what a bit of a bitmap stands for: one block, or with bigalloc `ratio` of them.
    """

    block: int
    ratio: int
    blocks: int
    first: int
    free: int
    group_blocks: int
    group_clusters: int
    inode_blocks: int
    reserved: int
    descriptor: int
    first_meta: int
    backups: Set[int]
    compatible: int
    incompatible: int
    read_only_compatible: int
    uuid: bytes
    seed: int

    @property
    def groups(self) -> int:
        """How many groups there are; the last may be short."""
        return ceil_div(self.blocks - self.first, self.group_blocks)

    @property
    def super_block(self) -> int:
        """The block that the super block lies in."""
        return _SUPER_BLOCK // self.block

    @property
    def per_block(self) -> int:
        """How many descriptors a block holds."""
        return self.block // self.descriptor

    def start_of(self, group: int) -> int:
        """The group's first block."""
        return self.first + group * self.group_blocks

    def clusters_of(self, group: int) -> int:
        """How many clusters the group has."""
        return ceil_div(min(self.group_blocks, self.blocks - self.start_of(group)), self.ratio)

    def has_super(self, group: int) -> bool:
        """Tell whether the group begins with a copy of the super block."""
        if group == 0:
            return True
        if self.compatible & _SPARSE_SUPER2:
            return group in self.backups
        if group == 1 or not self.read_only_compatible & _SPARSE_SUPER:
            return True
        return any(_is_power(group, base) for base in (3, 5, 7))

    def is_meta(self, group: int) -> bool:
        """Tell whether the group's descriptors lie in its own group of groups (feature meta_bg)."""
        return bool(self.incompatible & _META_GROUPS) and group // self.per_block >= self.first_meta


class _Group(NamedTuple):
    """A group's descriptor."""

    number: int
    block_bitmap: int
    inode_bitmap: int
    inode_table: int
    free: int
    is_uninit: bool
    bitmap_checksum: int


def unused_of_ext4(read: Read, size: int) -> Iterator[Span]:
    """Yield the bytes that nothing uses, from the start of the device, rising. `size` is the device's.

    Raises MapDoubtError, after some spans too: then none of them may be believed.
    """
    layout = _read_layout(read(_SUPER_BLOCK, _SIZE), size)
    free = 0
    for group in _groups(read, layout):
        bits = _bits(read, layout, group)
        count = bits.count("0")
        if count != group.free:
            raise MapDoubtError(
                "group {} has {} free clusters, its descriptor says {}".format(
                    group.number, count, group.free
                )
            )
        free += count
        yield from _spans(layout, group, bits)
    if free * layout.ratio != layout.free:
        raise MapDoubtError(
            "it has {} free blocks, its super block says {}".format(
                free * layout.ratio, layout.free
            )
        )


def _spans(layout: _Layout, group: _Group, bits: str) -> Iterator[Span]:
    start, cluster = layout.start_of(group.number), layout.block * layout.ratio
    for run in re.finditer("0+", bits):
        length = (run.end() - run.start()) * cluster
        at = start * layout.block + run.start() * cluster
        # A last cluster may reach beyond the file system's end.
        yield Span(at, min(length, layout.blocks * layout.block - at))


def _read_layout(raw: bytes, size: int) -> _Layout:
    _check_state(raw)
    layout = _parse(raw)
    if layout.read_only_compatible & _METADATA_CHECKSUM:
        if raw[0x175] != 1 or crc32c(raw[:0x3FC]) != _u32(raw, 0x3FC):
            raise MapDoubtError("the checksum of its super block is wrong")
    elif layout.incompatible & _SEED:
        raise MapDoubtError("it has a seed for checksums, but no checksums")
    _check_sizes(layout, raw, size)
    return layout


def _check_state(raw: bytes) -> None:
    if _u16(raw, 0x38) != _MAGIC:
        raise MapDoubtError("it has no super block of ext2, ext3 or ext4")
    if _u32(raw, 0x4C) != 1:
        raise MapDoubtError("it is of revision {}".format(_u32(raw, 0x4C)))
    known = ((0x5C, _COMPATIBLE), (0x60, _INCOMPATIBLE), (0x64, _READ_ONLY_COMPATIBLE))
    for place, mask in known:
        if _u32(raw, place) & ~mask:
            raise MapDoubtError(
                "it has unknown features: {:#x} at {:#x} of its super block".format(
                    _u32(raw, place) & ~mask, place
                )
            )
    if _u32(raw, 0x60) & _RECOVER:
        raise MapDoubtError("its journal has to be replayed")
    if _u16(raw, 0x3A) & (_VALID | _ERROR) != _VALID or _u32(raw, 0x194):
        raise MapDoubtError("it was not left clean, or has errors that no e2fsck has mended")


def _parse(raw: bytes) -> _Layout:
    block = 1024 << min(_u32(raw, 0x18), 32)
    incompatible = _u32(raw, 0x60)
    is_64bit = bool(incompatible & _64BIT)
    uuid = raw[0x68:0x78]
    return _Layout(
        block=block,
        ratio=1 << max(0, min(_u32(raw, 0x1C), 32) - min(_u32(raw, 0x18), 32)),
        blocks=_u32(raw, 0x4) | (_u32(raw, 0x150) << 32 if is_64bit else 0),
        first=_u32(raw, 0x14),
        free=_u32(raw, 0xC) | (_u32(raw, 0x158) << 32 if is_64bit else 0),
        group_blocks=_u32(raw, 0x20),
        group_clusters=_u32(raw, 0x24),
        inode_blocks=ceil_div(_u32(raw, 0x28) * _u16(raw, 0x58), block),
        reserved=_u16(raw, 0xCE),
        descriptor=_u16(raw, 0xFE) if is_64bit else 32,
        first_meta=_u32(raw, 0x104),
        backups=set(struct.unpack_from("<2I", raw, 0x24C)),
        compatible=_u32(raw, 0x5C),
        incompatible=incompatible,
        read_only_compatible=_u32(raw, 0x64),
        uuid=uuid,
        seed=_u32(raw, 0x270) if incompatible & _SEED else crc32c(uuid),
    )


def _check_sizes(layout: _Layout, raw: bytes, size: int) -> None:
    """Refuse what the kernel would not mount, for whatever follows from it would be nonsense."""
    clusters = layout.group_clusters
    is_clustered = bool(layout.read_only_compatible & _BIGALLOC)
    checks = (
        layout.block <= 65536,
        is_clustered or _u32(raw, 0x1C) == _u32(raw, 0x18),
        _u32(raw, 0x1C) >= _u32(raw, 0x18),
        0 < clusters <= 8 * layout.block and clusters % 8 == 0,
        layout.group_blocks == clusters * layout.ratio,
        layout.first <= 1 and layout.first < layout.blocks,
        layout.blocks * layout.block <= size,
        layout.descriptor in (32, 64, 128, 256, 512, 1024),
        layout.descriptor > 32 or not layout.incompatible & _64BIT,
        layout.inode_blocks > 0,
    )
    if not all(checks):
        raise MapDoubtError("the sizes in its super block do not fit each other or the device")


def _groups(read: Read, layout: _Layout) -> Iterator[_Group]:
    for first in range(0, layout.groups, layout.per_block):
        table = read(_descriptor_block(layout, first) * layout.block, layout.block)
        for number in range(first, min(first + layout.per_block, layout.groups)):
            at = (number - first) * layout.descriptor
            yield _parse_group(layout, number, table[at : at + layout.descriptor])


def _descriptor_block(layout: _Layout, group: int) -> int:
    """Return the block of descriptors that begins with the group's. fs/ext4/super.c, descriptor_loc."""
    if not layout.is_meta(group):
        return layout.super_block + 1 + group // layout.per_block
    if group == 0:
        return layout.super_block + 1
    return layout.start_of(group) + layout.has_super(group)


def _parse_group(layout: _Layout, number: int, raw: bytes) -> _Group:
    _check_descriptor(layout, number, raw)
    wide = len(raw) > 32
    has_checksums = bool(layout.read_only_compatible & (_GDT_CHECKSUM | _METADATA_CHECKSUM))
    places = [_u32(raw, at) | (_u32(raw, at + 32) << 32 if wide else 0) for at in (0, 4, 8)]
    if not all(layout.first < place < layout.blocks for place in places):
        raise MapDoubtError("group {} has its tables outside of the file system".format(number))
    return _Group(
        number,
        places[0],
        places[1],
        places[2],
        _u16(raw, 0xC) | (_u16(raw, 0x2C) << 16 if wide else 0),
        has_checksums and bool(_u16(raw, 0x12) & _BLOCK_UNINIT),
        _u16(raw, 0x18) | (_u16(raw, 0x38) << 16 if wide else 0),
    )


def _check_descriptor(layout: _Layout, number: int, raw: bytes) -> None:
    head = struct.pack("<I", number) + raw[:0x1E]
    if layout.read_only_compatible & _METADATA_CHECKSUM:
        expected = crc32c(head + bytes(2) + raw[0x20:], layout.seed) & 0xFFFF
    elif layout.read_only_compatible & _GDT_CHECKSUM:
        expected = _crc16(layout.uuid + head + raw[0x20:])
    else:
        return
    if expected != _u16(raw, 0x1E):
        raise MapDoubtError("the checksum of the descriptor of group {} is wrong".format(number))


def _bits(read: Read, layout: _Layout, group: _Group) -> str:
    """Return a digit for each cluster of the group, in their order: 0 for those that are unused."""
    count = layout.clusters_of(group.number)
    if group.is_uninit:
        used = _own_clusters(layout, group)
        return "".join("1" if number in used else "0" for number in range(count))
    raw = read(group.block_bitmap * layout.block, layout.group_clusters // 8)
    if layout.read_only_compatible & _METADATA_CHECKSUM:
        mask = 0xFFFFFFFF if layout.descriptor > 32 else 0xFFFF
        if crc32c(raw, layout.seed) & mask != group.bitmap_checksum:
            raise MapDoubtError(
                "the checksum of the bitmap of group {} is wrong".format(group.number)
            )
    digits = bin(int.from_bytes(raw, "little") | 1 << 8 * len(raw))
    return digits[:2:-1][:count]


def _own_clusters(layout: _Layout, group: _Group) -> Set[int]:
    """Return the used clusters of a group whose bitmap is not written yet: its own tables.

    fs/ext4/balloc.c, ext4_init_block_bitmap and ext4_num_base_meta_clusters.
    """
    start = layout.start_of(group.number)
    blocks = list(range(start, start + _head_blocks(layout, group.number)))
    blocks += [group.block_bitmap, group.inode_bitmap]
    blocks += range(group.inode_table, group.inode_table + layout.inode_blocks)
    return {
        (block - start) // layout.ratio
        for block in blocks
        if start <= block < start + layout.group_blocks
    }


def _head_blocks(layout: _Layout, group: int) -> int:
    """Return how many blocks of super block and descriptors the group begins with."""
    has_super = layout.has_super(group)
    if layout.is_meta(group):
        return has_super + (group % layout.per_block in (0, 1, layout.per_block - 1))
    if not has_super:
        return 0
    if layout.incompatible & _META_GROUPS:
        return 1 + layout.first_meta + layout.reserved
    return 1 + ceil_div(layout.groups, layout.per_block) + layout.reserved


def _is_power(number: int, base: int) -> bool:
    while number % base == 0:
        number //= base
    return number == 1


def _crc16(data: bytes) -> int:
    """Return the CRC-16 that descriptors had before there were checksums of all metadata."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _unused in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def _u16(raw: bytes, at: int) -> int:
    return int.from_bytes(raw[at : at + 2], "little")


def _u32(raw: bytes, at: int) -> int:
    return int.from_bytes(raw[at : at + 4], "little")
