# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks on real files and loop devices: odd sizes, sectors, caches, what is refused. Needs root."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Iterator

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.replication import ioctls
from ansible_collections.ferry.hvm.plugins.module_utils.replication.disks import (
    PathDisk,
    aligned_buffer,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.errors import DiskError
from ansible_collections.ferry.hvm.plugins.module_utils.replication.geometry import Span, split
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK, GRANULE
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.receiver import writable
from ansible_collections.ferry.hvm.plugins.module_utils.replication.sync import zero_tail
from ansible_collections.ferry.hvm.plugins.module_utils.replication.target_disks import (
    PathTargetDisk,
    TargetDisk,
)

from tests.unit.plugins.module_utils.replication.loops import loop_device, new_file_system, run
from tests.unit.plugins.module_utils.replication.rig import noise

MIB = 1024 * 1024

SIZES = {
    "one byte": 1,
    "a sector": 512,
    "a sector and a byte": 513,
    "less than a page": 4095,
    "a granule less a byte": GRANULE - 1,
    "a chunk and a page": CHUNK + 4096,
    "two chunks and an odd rest": 2 * CHUNK + 98_765,
}


def read_all(disk: TargetDisk | PathDisk, size: int) -> bytes:
    buffer = aligned_buffer()
    pieces = split(Span(0, size), CHUNK)
    return b"".join(bytes(disk.read(piece.start, piece.length, buffer)) for piece in pieces)


def write_all(disk: TargetDisk, content: bytes) -> None:
    buffer = aligned_buffer()
    for piece in split(Span(0, len(content)), CHUNK):
        buffer[: piece.length] = content[piece.start : piece.end]
        disk.write(piece.start, buffer[: piece.length])
    disk.flush()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "disk.raw"


@pytest.fixture
def ramfs_file(tmp_path: Path) -> Iterator[Path]:
    """A file on a file system without direct reads."""
    place = tmp_path / "ramfs"
    place.mkdir()
    run("mount", "-t", "ramfs", "none", str(place))
    yield place / "disk.raw"
    run("umount", str(place))


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_a_file_of_any_size_is_read_directly_and_whole(file: Path, size: int) -> None:
    file.write_bytes(noise(size))
    disk = PathDisk(str(file))
    assert disk.is_direct
    assert disk.size == size
    assert read_all(disk, size) == noise(size)
    disk.close()


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_a_file_of_any_size_is_written_without_changing_its_size(file: Path, size: int) -> None:
    file.write_bytes(bytes(size))
    disk = PathTargetDisk(str(file))
    write_all(disk, noise(size))
    assert read_all(disk, size) == noise(size)
    disk.close()
    assert file.read_bytes() == noise(size)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_a_file_system_without_direct_reads_will_do(ramfs_file: Path, size: int) -> None:
    ramfs_file.write_bytes(bytes(size))
    disk = PathTargetDisk(str(ramfs_file))
    assert not disk.is_direct
    write_all(disk, noise(size))
    disk.refresh()
    assert read_all(disk, size) == noise(size)
    disk.close()


@pytest.mark.parametrize("sector_size", [512, 4096], ids=lambda size: f"sectors of {size}")
def test_a_block_device_is_written_and_read_directly(file: Path, sector_size: int) -> None:
    size = 3 * MIB + sector_size
    file.write_bytes(bytes(size))
    with loop_device(file, sector_size=sector_size) as device:
        disk = PathTargetDisk(device)
        assert disk.is_direct
        assert (disk.size, disk.alignment) == (size, sector_size)
        write_all(disk, noise(size))
        assert read_all(disk, size) == noise(size)
        disk.close()
    assert file.read_bytes() == noise(size)


@pytest.mark.parametrize("sector_size", [512, 4096], ids=lambda size: f"sectors of {size}")
def test_a_source_that_ends_inside_a_sector_leaves_the_rest_of_it_alone(
    file: Path, sector_size: int
) -> None:
    size = CHUNK + 777
    file.write_bytes(b"\xaa" * (2 * MIB))
    with loop_device(file, sector_size=sector_size) as device:
        disk = PathTargetDisk(device)
        write_all(disk, noise(size))
        assert read_all(disk, size) == noise(size)
        disk.close()
    assert file.read_bytes() == noise(size) + b"\xaa" * (2 * MIB - size)


ZEROINGS = {
    "a granule": (GRANULE, GRANULE),
    "a chunk": (MIB, MIB),
    "all of it": (0, 3 * MIB),
    "an end inside a sector": (2 * MIB, 98_765),
}


@pytest.mark.parametrize(("start", "length"), ZEROINGS.values(), ids=ZEROINGS.keys())
def test_zeroing_a_block_device_touches_nothing_else(file: Path, start: int, length: int) -> None:
    content = noise(3 * MIB)
    file.write_bytes(content)
    with loop_device(file) as device:
        disk = PathTargetDisk(device)
        for piece in split(Span(start, length), CHUNK):
            disk.zero(piece.start, piece.length)
        disk.flush()
        assert read_all(disk, disk.size)[start : start + length] == bytes(length)
        disk.close()
    assert file.read_bytes() == content[:start] + bytes(length) + content[start + length :]


BLOCK = 4096
# Start and length of what is zeroed in a file of 2 MiB and 99 bytes, and the whole blocks in it.
HOLES = {
    "less than a block": (GRANULE, 99, 0),
    "an end inside a block": (MIB, GRANULE + 99, GRANULE),
    "a start inside a block": (777, MIB - 777, MIB - BLOCK),
    "up to the end": (MIB, MIB + 99, MIB),
    "all of it": (0, 2 * MIB + 99, 2 * MIB),
}


def zero_a_part(path: Path, start: int, length: int) -> int:
    """Fill a file, zero a part of it, and see that nothing else changed; return the bytes given back."""
    content = noise(2 * MIB + 99)
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())  # Blocks are counted when they are allocated.
    before = path.stat().st_blocks
    disk = PathTargetDisk(str(path))
    disk.zero(start, length)
    disk.flush()
    assert read_all(disk, disk.size)[start : start + length] == bytes(length)
    disk.close()
    assert path.read_bytes() == content[:start] + bytes(length) + content[start + length :]
    return (before - path.stat().st_blocks) * 512


@pytest.mark.parametrize(("start", "length", "whole"), HOLES.values(), ids=HOLES.keys())
def test_zeroing_a_file_gives_back_its_blocks_and_touches_nothing_else(
    file: Path, start: int, length: int, whole: int
) -> None:
    assert zero_a_part(file, start, length) >= whole


@pytest.mark.parametrize(("start", "length", "_whole"), HOLES.values(), ids=HOLES.keys())
def test_where_a_file_system_makes_no_holes_zeros_are_written(
    ramfs_file: Path, start: int, length: int, _whole: int
) -> None:
    assert zero_a_part(ramfs_file, start, length) == 0


def test_zeroing_that_is_refused_is_an_error() -> None:
    descriptor = os.memfd_create("sealed", os.MFD_ALLOW_SEALING)
    try:
        os.truncate(descriptor, MIB)
        disk = PathTargetDisk(f"/proc/self/fd/{descriptor}")
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
        with pytest.raises(DiskError, match=r"Cannot zero 65536 bytes at 0 of .*not permitted"):
            disk.zero(0, GRANULE)
        disk.close()
    finally:
        os.close(descriptor)


TAILS = {
    "nothing beyond": (2 * MIB, 2 * MIB),
    "beyond a border": (MIB, 3 * MIB),
    "beyond the middle of a sector": (MIB + 777, 3 * MIB),
    "beyond the last granule": (MIB - 1, MIB),
}


@pytest.mark.parametrize(("size", "whole"), TAILS.values(), ids=TAILS.keys())
def test_the_tail_beyond_the_source_becomes_zero(size: int, whole: int) -> None:
    disk = MemoryDisk(noise(whole))
    zero_tail(disk, size)
    assert disk.content == noise(whole)[:size] + bytes(whole - size)


def test_a_tail_that_is_zero_already_is_not_written() -> None:
    disk = MemoryDisk(noise(MIB) + bytes(2 * MIB))
    zero_tail(disk, MIB)
    assert disk.bytes_written == 0


def test_a_buffered_reader_of_a_mounted_disk_sees_old_bytes_and_ours_sees_the_new(
    tmp_path: Path,
) -> None:
    """The disk was read before; then a file is overwritten in place, and synced.

    Whoever reads the disk through its cache goes on getting the old bytes: a delta would find nothing
    to send, both roots would agree, and the target would be wrong.
    """
    image, old, new = tmp_path / "image", b"old" * 20_000, b"NEW" * 20_000
    image.write_bytes(bytes(64 * MIB))
    with loop_device(image) as device, new_file_system(device, tmp_path) as place:
        path = place / "database"
        path.write_bytes(old)
        os.sync()
        disk = PathDisk(device)
        at = read_all(disk, disk.size).index(old)
        with open(device, "rb") as buffered:
            buffered.seek(at)
            assert buffered.read(len(old)) == old

        with open(path, "r+b") as database:
            database.write(new)
            database.flush()
            os.fsync(database.fileno())
        os.sync()

        with open(device, "rb") as buffered:
            buffered.seek(at)
            assert buffered.read(len(old)) == old, "this kernel keeps the two caches together"
            ioctls.drop_buffers(buffered.fileno())
            buffered.seek(at)
            assert buffered.read(len(new)) == new
        assert read_all(disk, disk.size)[at : at + len(new)] == new
        disk.close()


def test_a_mounted_disk_is_refused_as_a_target(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(64 * MIB))
    with loop_device(image) as device, new_file_system(device, tmp_path):
        with pytest.raises(DiskError, match=r"open /dev/loop.* busy"), writable(device):
            pass
        assert run("blockdev", "--getro", device) == "0"


def test_the_second_of_two_receivers_writes_nothing_and_seals_nothing(file: Path) -> None:
    file.write_bytes(bytes(MIB))
    with loop_device(file) as device:
        with writable(device):
            with pytest.raises(DiskError, match="busy"), writable(device):
                pass
            write_all_and_close(device)
        assert run("blockdev", "--getro", device) == "1"
    assert file.read_bytes() == noise(MIB)


def test_a_disk_that_cannot_be_opened_is_sealed_again(file: Path) -> None:
    file.write_bytes(bytes(MIB))
    with loop_device(file) as device:
        with pytest.raises(DiskError, match="broken"), writable(device):
            raise DiskError("It is broken.")
        assert run("blockdev", "--getro", device) == "1"


def test_a_disk_is_writable_only_while_the_receiver_works(file: Path) -> None:
    file.write_bytes(bytes(MIB))
    with loop_device(file) as device:
        run("blockdev", "--setro", device)
        with writable(device):
            assert run("blockdev", "--getro", device) == "0"
            write_all_and_close(device)
        assert run("blockdev", "--getro", device) == "1"
    assert file.read_bytes() == noise(MIB)


def write_all_and_close(device: str) -> None:
    disk = PathTargetDisk(device)
    write_all(disk, noise(MIB))
    disk.close()


def test_a_disk_that_a_killed_receiver_left_writable_is_sealed_by_the_next(file: Path) -> None:
    file.write_bytes(bytes(MIB))
    with loop_device(file) as device:
        assert run("blockdev", "--getro", device) == "0"
        with writable(device):
            write_all_and_close(device)
        assert run("blockdev", "--getro", device) == "1"


def test_a_disk_that_cannot_be_read_is_let_go_of(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot of LVM that overflew is such a disk, and cannot be removed while it is open."""

    def fail(_descriptor: int, _buffers: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    file.write_bytes(bytes(CHUNK))
    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "readv", fail)
    with pytest.raises(DiskError, match=r"Cannot open .*: Input/output error"):
        PathDisk(str(file))
    assert os.listdir("/proc/self/fd") == before


def test_a_disk_that_shrinks_while_it_is_read_is_an_error(file: Path) -> None:
    file.write_bytes(noise(2 * MIB))
    disk = PathDisk(str(file))
    os.truncate(file, MIB)
    with pytest.raises(DiskError, match=r"ends at 1048576, not at .*2097152.*made smaller"):
        read_all(disk, 2 * MIB)
    disk.close()


WRONG = {
    "nothing there": ("missing", "No such file"),
    "a folder": (".", "neither a block device nor a regular file"),
}


@pytest.mark.parametrize(("name", "match"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_disk_is_refused(tmp_path: Path, name: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        PathDisk(str(tmp_path / name))
