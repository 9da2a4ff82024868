# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""streamOptimized images of qemu-img and of Red Hat's VMDKstream are read as they were written, or refused."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import FerryError
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere import vmdk_header
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.stream_optimized import (
    Grain,
    TruncatedError,
    read_grains,
)
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.vmdk_header import MalformedError
from hypothesis import given, settings
from hypothesis import strategies as st

KIB = 1024
MIB = 1024 * KIB
GRAIN = 64 * KIB
SECTOR = 512


def scattered(size: int, writes: int) -> bytes:
    """A disk with pieces of data in it, some of them random, some zero, and its last byte written."""
    source = random.Random(size + writes)
    disk = bytearray(size)
    for number in range(writes):
        start = source.randrange(size)
        length = min(source.randrange(1, 3 * GRAIN), size - start)
        disk[start : start + length] = source.randbytes(length) if number % 3 else bytes(length)
    if writes:
        disk[-1] = 7
    return bytes(disk)


DISKS: dict[str, Callable[[], bytes]] = {
    "one sector": lambda: bytes(SECTOR),
    "one full grain": lambda: random.Random(1).randbytes(GRAIN),
    "less than two grains": lambda: scattered(100 * KIB, 2),
    "empty": lambda: bytes(MIB),
    "full of what does not shrink": lambda: random.Random(2).randbytes(2 * MIB),
    "full of what shrinks": lambda: b"ferry-hv" * (MIB // 8),
    "scattered, no whole grains": lambda: scattered(7 * MIB + 5 * SECTOR, 9),
    "scattered over several tables": lambda: scattered(70 * MIB, 20),
}
WHOLE_GRAINS = [
    name
    for name in DISKS
    if name not in ("one sector", "less than two grains", "scattered, no whole grains")
]


def by_qemu(disk: bytes, folder: Path) -> bytes:
    """qemu-img can seek: tables in front, no footer, often no end marker."""
    (folder / "disk.raw").write_bytes(disk)
    options = ["-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized"]
    paths = [str(folder / "disk.raw"), str(folder / "disk.vmdk")]
    subprocess.run(["qemu-img", "convert", *options, *paths], check=True)
    return (folder / "disk.vmdk").read_bytes()


def by_vmdkstream(disk: bytes, folder: Path) -> bytes:
    """Debian's python3-vmdkstream writes as vSphere wants it: tables behind their grains, footer, end."""
    (folder / "disk.raw").write_bytes(disk)
    code = "import sys, VMDKstream; VMDKstream.convert_to_stream(sys.argv[1], sys.argv[2])"
    paths = [str(folder / "disk.raw"), str(folder / "disk.vmdk")]
    subprocess.run(["/usr/bin/python3", "-c", code, *paths], check=True)
    return (folder / "disk.vmdk").read_bytes()


def marker(kind: int, sectors: int) -> bytes:
    return struct.pack("<QII", sectors, 0, kind).ljust(SECTOR, b"\0")


def packed_grain(first: int, packed: bytes) -> bytes:
    record = struct.pack("<QI", first, len(packed)) + packed
    return record + bytes(-len(record) % SECTOR)


def header(size: int, **changes: int | bytes) -> bytes:
    fields: dict[str, int | bytes] = {
        "magic": b"KDMV", "version": 3, "flags": 0x30001, "capacity": size // SECTOR, "grain": 128,
        "descriptor": 1, "descriptor_size": 1, "entries": 512, "redundant": 0, "directory": vmdk_header.AT_END,
        "overhead": 2, "unclean": 0, "ends": b"\n \r\n", "compression": 1,
    }  # fmt: skip
    fields.update(changes)
    return struct.pack("<4sIIQQQQIQQQB4sH", *fields.values()).ljust(SECTOR, b"\0")


def end(capacity: int) -> bytes:
    return marker(3, 1) + header(capacity) + marker(0, 0)


def read_all(image: bytes, size: int, *, piece: int = 1 << 20) -> bytes:
    """The disk as a reader sees it, from reads that return at most `piece` bytes."""
    stream = io.BytesIO(image)
    disk = bytearray(size)
    for grain in read_grains(lambda length: stream.read(min(length, piece)), size):
        disk[grain.start : grain.end] = grain.data
    assert len(disk) == size
    return bytes(disk)


@pytest.mark.parametrize("piece", [1 << 20, 999], ids=["whole reads", "short reads"])
@pytest.mark.parametrize("name", DISKS)
def test_an_image_of_qemu_img_is_read_as_written(name: str, piece: int, tmp_path: Path) -> None:
    disk = DISKS[name]()
    assert read_all(by_qemu(disk, tmp_path), len(disk), piece=piece) == disk


@pytest.mark.parametrize("name", WHOLE_GRAINS)
def test_an_image_of_vmdkstream_is_read_as_written(name: str, tmp_path: Path) -> None:
    disk = DISKS[name]()
    assert read_all(by_vmdkstream(disk, tmp_path), len(disk)) == disk


@pytest.mark.parametrize("write", [by_qemu, by_vmdkstream])
def test_an_image_that_ends_early_is_refused_wherever_it_ends(
    write: Callable[[bytes, Path], bytes], tmp_path: Path
) -> None:
    disk = scattered(2 * MIB, 3)
    image = write(disk, tmp_path)
    # qemu-img pads its file to a grain; a cut in the padding loses nothing.
    needed = len(image.rstrip(b"\0")) if write is by_qemu else len(image)
    for length in [*range(0, needed, 3 * SECTOR), needed - 1]:
        with pytest.raises(TruncatedError):
            read_all(image[:length], len(disk))


@pytest.mark.parametrize("write", [by_qemu, by_vmdkstream])
def test_zeros_in_place_of_the_rest_are_no_end(
    write: Callable[[bytes, Path], bytes], tmp_path: Path
) -> None:
    """A sector of zeros looks like an end marker: a file that lost its tail on a crash has many."""
    disk = scattered(2 * MIB, 3)
    image = write(disk, tmp_path)
    for length in range(128 * SECTOR, len(image.rstrip(b"\0")) - SECTOR, 5 * SECTOR):
        lost = image[: length // SECTOR * SECTOR].ljust(len(image), b"\0")
        with pytest.raises(FerryError):
            read_all(lost, len(disk))


def test_the_smallest_stream_is_read() -> None:
    image = header(MIB) + bytes(SECTOR) + packed_grain(256, zlib.compress(b"x" * GRAIN)) + end(MIB)
    assert read_all(image, MIB) == bytes(2 * GRAIN) + b"x" * GRAIN + bytes(MIB - 3 * GRAIN)


def test_a_capacity_that_was_rounded_up_to_a_grain_is_cut() -> None:
    size = GRAIN + 5 * SECTOR
    image = header(2 * GRAIN) + bytes(SECTOR)
    image += packed_grain(128, zlib.compress(b"x" * GRAIN)) + end(2 * GRAIN)
    assert read_all(image, size) == bytes(GRAIN) + b"x" * (5 * SECTOR)


HEADERS: dict[str, dict[str, int | bytes]] = {
    "another format": {"magic": b"COWD"},
    "an unknown version": {"version": 4},
    "grains that are not compressed": {"flags": 0x20001},
    "no markers": {"flags": 0x10001},
    "changed line ends": {"ends": b"\n \n\n"},
    "an unknown compression": {"compression": 2},
    "grains of no size": {"grain": 0},
    "grains of a size that is no power of two": {"grain": 96},
    "grains above a chunk": {"grain": 4096},
    "tables without entries": {"entries": 0},
    "tables with too many entries": {"entries": 1 << 20},
    "a smaller disk": {"capacity": 2047},
    "a larger disk": {"capacity": 2048 + 128},
    "no overhead": {"overhead": 0},
    "an endless overhead": {"overhead": 1 << 40},
    "a directory in the header": {"directory": 0},
    "a directory behind the overhead": {"directory": 2},
}


@pytest.mark.parametrize("changes", HEADERS.values(), ids=list(HEADERS))
def test_a_header_with(changes: dict[str, int | bytes]) -> None:
    image = header(MIB, **changes) + bytes(SECTOR) + end(MIB)
    with pytest.raises(MalformedError):
        read_all(image, MIB)


GOOD = zlib.compress(b"x" * GRAIN)
RECORDS = {
    "a grain before the one before": packed_grain(128, GOOD) + packed_grain(0, GOOD),
    "the same grain twice": packed_grain(128, GOOD) * 2,
    "a grain off the grains' borders": packed_grain(1, GOOD),
    "a grain behind the disk": packed_grain(2048, GOOD),
    "a grain at a place above all numbers": packed_grain((1 << 64) - 128, GOOD),
    "a grain that is too large when compressed": struct.pack("<QI", 0, 1 << 31).ljust(SECTOR, b"x"),
    "a grain that is too short": packed_grain(0, zlib.compress(b"x" * (GRAIN - 1))),
    "a grain that is too long": packed_grain(0, zlib.compress(b"x" * (GRAIN + 1))),
    "a grain that would fill the memory": packed_grain(0, zlib.compress(bytes(64 * MIB))),
    "a grain whose stream is not ended": packed_grain(0, GOOD[:-4]),
    "a grain with more behind it": packed_grain(0, GOOD + b"more"),
    "a grain whose checksum is wrong": packed_grain(0, GOOD[:-1] + bytes([GOOD[-1] ^ 1])),
    "a marker of an unknown type": marker(4, 1),
    "a table of a wrong size": marker(1, 1 << 50),
    "an end that announces sectors": marker(0, 1),
}


@pytest.mark.parametrize("records", RECORDS.values(), ids=list(RECORDS))
def test_a_stream_is_refused_for(records: bytes) -> None:
    with pytest.raises(MalformedError):
        read_all(header(MIB) + bytes(SECTOR) + records + end(MIB), MIB)


def test_an_end_without_a_footer_is_refused() -> None:
    with pytest.raises(MalformedError, match="footer"):
        read_all(header(MIB) + bytes(SECTOR) + packed_grain(0, GOOD) + marker(0, 0), MIB)


def test_what_follows_the_end_is_refused() -> None:
    with pytest.raises(MalformedError, match="follows"):
        read_all(header(MIB) + bytes(SECTOR) + end(MIB) + b"x", MIB)


def test_a_grain_that_the_tables_do_not_list_is_refused(tmp_path: Path) -> None:
    disk = DISKS["scattered, no whole grains"]()
    image = by_qemu(disk, tmp_path)
    tail = len(disk) // GRAIN * 128
    extra = packed_grain(tail, zlib.compress(b"y" * GRAIN))
    with pytest.raises(MalformedError, match="follows"):
        read_all(image.rstrip(b"\0") + bytes(-len(image.rstrip(b"\0")) % SECTOR) + extra, len(disk))


LARGEST = 62 << 40
LAST = LARGEST - GRAIN
SMALL_MEMORY = {
    "the largest disk": (packed_grain(LAST // SECTOR, GOOD) + end(LARGEST), str(LAST)),
    "a grain that unpacks to 64 MiB": (packed_grain(0, zlib.compress(bytes(64 * MIB))), "refused"),
}


@pytest.mark.parametrize(("records", "said"), SMALL_MEMORY.values(), ids=list(SMALL_MEMORY))
def test_sixteen_mebibytes_of_memory_are_enough_for(records: bytes, said: str) -> None:
    """Read in a process that may have so much more than it begins with."""
    code = f"""
import resource, sys
sys.path[:0] = {sys.path!r}
from {read_grains.__module__} import MalformedError, read_grains
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (16 << 20),) * 2)
try:
    print(*(grain.start for grain in read_grains(sys.stdin.buffer.read, {LARGEST})))
except MalformedError:
    print("refused")
"""
    image = header(LARGEST) + bytes(SECTOR) + records
    done = subprocess.run(
        [sys.executable, "-c", code], input=image, stdout=subprocess.PIPE, check=True, timeout=60
    )
    assert done.stdout.decode().strip() == said


DAMAGED_GRAINS = [
    packed_grain(128 * at, zlib.compress(bytes([at + 1]) * GRAIN)) for at in (0, 2, 9)
]
BEFORE_DAMAGE = header(MIB) + bytes(SECTOR) + b"".join(DAMAGED_GRAINS) + end(MIB)


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_stream_is_read_right_or_refused(data: st.DataObject) -> None:
    """No grain is lost, none is outside of the disk, whatever bytes are changed and wherever it is cut.

    That a grain is not moved (its place is four bytes without a checksum) is TLS' to keep.
    """
    image = bytearray(BEFORE_DAMAGE)
    for _change in range(data.draw(st.integers(1, 4))):
        image[data.draw(st.integers(0, len(image) - 1))] = data.draw(st.integers(0, 255))
    stream = io.BytesIO(bytes(image[: data.draw(st.integers(0, len(image)))]))
    found: list[Grain] = []
    try:
        found.extend(read_grains(stream.read, MIB))
    except FerryError:
        return
    assert [grain.start for grain in found] == sorted({grain.start for grain in found})
    assert all(0 <= grain.start < grain.end <= MIB for grain in found)
    assert len(found) == 3
