# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks as if what no file system uses were zeros; on loop devices with partitions and real file systems."""

from __future__ import annotations

import contextlib
import os
import subprocess
from functools import partial
from pathlib import Path
from typing import Iterator, Sequence

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.replication.disks import (
    Disk,
    PathDisk,
    aligned_buffer,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.file_systems import FileSystem
from ansible_collections.ferry.hvm.plugins.module_utils.replication.geometry import Span, split
from ansible_collections.ferry.hvm.plugins.module_utils.replication.granule_set import GranuleSet
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK, GRANULE
from ansible_collections.ferry.hvm.plugins.module_utils.replication.masked_disk import MaskedDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.messages import View
from ansible_collections.ferry.hvm.plugins.module_utils.replication.pieces import (
    MapDoubtError,
    Piece,
    Pieces,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.source_view import (
    SourceView,
    open_view,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.used_blocks import (
    mask_unused,
    unused_granules,
    without_unused,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.used_ext4 import unused_of_ext4
from ansible_collections.ferry.hvm.plugins.module_utils.units import KIB, MIB

from tests.unit.plugins.module_utils.replication.file_system_images import (
    EXT4,
    fill,
    hashes,
    make_image,
    mounted,
)
from tests.unit.plugins.module_utils.replication.loops import loop_device, run
from tests.unit.plugins.module_utils.replication.rig import Rig, noise


def content(disk: Disk, unit: int = CHUNK) -> bytes:
    """Read the disk in pieces of `unit`, through a buffer that is full of something else."""
    buffer, found = aligned_buffer(), []
    for span in split(Span(0, disk.size), unit):
        buffer[:] = b"\xee" * len(buffer)
        found.append(bytes(disk.read(span.start, span.length, buffer)))
    return b"".join(found)


def test_a_masked_disk_reads_the_same_however_it_is_read() -> None:
    plain = noise(2 * CHUNK + 5 * GRANULE + 512)
    unused = GranuleSet(len(plain))
    expected = bytearray(plain)
    for first, count in ((0, 1), (3, 2), (14, 9), (36, 1)):
        unused.add_whole(Span(first * GRANULE, count * GRANULE))
        expected[first * GRANULE : (first + count) * GRANULE] = bytes(count * GRANULE)
    disk = MaskedDisk(MemoryDisk(plain), unused)
    assert content(disk, CHUNK) == content(disk, GRANULE) == content(disk, 3 * GRANULE) == expected


def test_what_is_unused_is_not_even_read() -> None:
    inner = MemoryDisk(noise(CHUNK))
    unused = GranuleSet(CHUNK)
    unused.add_whole(Span(GRANULE, CHUNK - GRANULE))
    content(MaskedDisk(inner, unused))
    assert inner.bytes_read == GRANULE


@pytest.mark.parametrize(
    ("span", "numbers"),
    [
        pytest.param(Span(1, GRANULE), [], id="no whole one"),
        pytest.param(Span(GRANULE - 1, 2 * GRANULE), [1], id="one between two halves"),
        pytest.param(Span(GRANULE, 30 * GRANULE), list(range(1, 31)), id="over bytes of bits"),
        pytest.param(Span(8 * GRANULE, 8 * GRANULE), list(range(8, 16)), id="a byte of bits"),
        pytest.param(Span(5, 0), [], id="nothing"),
    ],
)
def test_only_whole_granules_count_as_unused(span: Span, numbers: list[int]) -> None:
    unused = GranuleSet(4 * CHUNK)
    unused.add_whole(span)
    assert [number for number in range(64) if number in unused] == numbers
    assert unused.count() == len(numbers)


def test_a_device_lies_in_pieces_on_disks() -> None:
    """Pieces that begin on no granule, on two disks, and not in order."""
    disks = {"a": MemoryDisk(noise(CHUNK, 1)), "b": MemoryDisk(noise(CHUNK, 2))}
    a, b = (bytes(disk.content) for disk in disks.values())
    pieces = Pieces(
        [
            Piece(100_000, "b", Span(512, 300_000)),
            Piece(0, "a", Span(500_000, 100_000)),
            Piece(400_000, "a", Span(0, 77)),
        ]
    )
    whole = a[500_000:600_000] + b[512:300_512] + a[:77]
    read = pieces.reader(disks)
    assert pieces.size == len(whole)
    assert read(0, len(whole)) == whole
    assert read(99_990, 20) == whole[99_990:100_010]
    with pytest.raises(MapDoubtError, match="larger than its device"):
        read(len(whole) - 1, 2)


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([Piece(0, "a", Span(0, 5)), Piece(6, "a", Span(5, 5))], id="a gap"),
        pytest.param([Piece(0, "a", Span(0, 5)), Piece(4, "a", Span(5, 5))], id="twice"),
        pytest.param([Piece(1, "a", Span(0, 5))], id="no beginning"),
    ],
)
def test_a_device_that_is_not_all_on_the_disks_is_in_doubt(pieces: Sequence[Piece]) -> None:
    with pytest.raises(MapDoubtError, match="these disks alone"):
        Pieces(pieces)


def test_a_file_system_in_pieces_on_two_disks_is_without_what_it_does_not_use(
    tmp_path: Path,
) -> None:
    """As a volume of LVM lies; the pieces change disks within a granule, and everything else is kept."""
    image = make_image(tmp_path / "volume.raw", "ext4", ["-b", "1024"], 24 * MIB)
    with mounted(image) as place:
        fill(place, seed=1, most=4 * MIB)
        expected = hashes(place)
    volume = image.read_bytes()
    spans = [Span(0, 9 * MIB + 512), Span(9 * MIB + 512, 15 * MIB - 512)]
    start, around = 3 * 512, noise(MIB)
    disks = {
        str(number): MemoryDisk(around[:start] + volume[span.start : span.end] + around)
        for number, span in enumerate(spans)
    }
    pieces = Pieces(
        [
            Piece(span.start, str(number), Span(start, span.length))
            for number, span in enumerate(spans)
        ]
    )
    masked = mask_unused(
        {name: partial(_itself, disk) for name, disk in disks.items()},
        [FileSystem("ext4", "/srv", pieces, ""), FileSystem("vfat", "/boot/efi", None, "")],
    )
    found = [content(masked.disks[name]()) for name in ("0", "1")]
    assert all(each.startswith(around[:start]) and each.endswith(around) for each in found)
    image.write_bytes(b"".join(each[start:-MIB] for each in found))
    assert image.read_bytes() != volume
    EXT4.check(image)
    with mounted(image, "-r") as place:
        assert hashes(place) == expected
    assert sum(masked.unused.values()) == masked.file_systems[0]["unused"] > 8 * MIB
    assert masked.file_systems[1]["reason"] == "of vfat it is not known what is used"


def _itself(disk: Disk) -> Disk:
    return disk


def test_of_a_file_system_in_doubt_nothing_is_left_out(tmp_path: Path) -> None:
    """The last group is the wrong one: those before it were told as unused already."""
    image = make_image(tmp_path / "disk.raw", "ext4", ["-b", "1024"], 24 * MIB)
    disk = MemoryDisk(image.read_bytes())
    pieces = Pieces([Piece(0, "sda", Span(0, disk.size))])
    assert unused_granules(unused_of_ext4, pieces, {"sda": disk})
    # The descriptor of the third group, 64 bytes each from block 2 on.
    disk.content[2 * KIB + 2 * 64] ^= 1
    masked = mask_unused({"sda": partial(_itself, disk)}, [FileSystem("ext4", "/", pieces, "")])
    assert masked.unused == {"sda": 0}
    assert masked.file_systems[0]["reason"] == "the checksum of the descriptor of group 2 is wrong"
    assert content(masked.disks["sda"]()) == disk.content


def test_of_a_source_that_moves_nothing_is_left_out() -> None:
    with pytest.raises(InputError, match=r"stands still\. It has no LVM"):
        without_unused(SourceView(View.MOVING, {}, reason="It has no LVM."), {})


@contextlib.contextmanager
def partitioned(image: Path) -> Iterator[str]:
    """Lend a disk with four file systems."""
    with open(image, "wb") as stream:
        stream.truncate(600 * MIB)
    table = "label: gpt\nsize=64M\nsize=400M\nsize=32M\nsize=32M\n"
    subprocess.run(["sfdisk", "-q", str(image)], input=table.encode(), check=True)
    with loop_device(image) as device:
        run("partx", "--update", device)
        for part, kind in ((1, "ext4"), (2, "xfs"), (3, "ext4"), (4, "ext4")):
            run(f"mkfs.{kind}", "-q", f"{device}p{part}")
        yield device


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path, Path]]:
    """The disk, and where its first two partitions are mounted, read-only."""
    places = tmp_path / "root", tmp_path / "data"
    with partitioned(tmp_path / "disk.raw") as device, contextlib.ExitStack() as stack:
        for part, place in enumerate(places, 1):
            place.mkdir()
            run("mount", f"{device}p{part}", str(place))
            stack.callback(run, "umount", str(place))
            fill(place, seed=part)
            run("mount", "-o", "remount,ro", str(place))
        yield device, *places


def test_a_stopped_server_is_carried_without_what_its_mounted_file_systems_do_not_use(
    server: tuple[str, Path, Path], tmp_path: Path
) -> None:
    device, root, data = server
    paths = {"sda": device}
    view = without_unused(open_view("stopped", "web01", paths), paths)
    assert [(each["type"], each["reason"]) for each in view.file_systems] == [
        ("xfs", ""),
        ("ext4", ""),
    ]
    assert all(each["unused"] > 30 * MIB for each in view.file_systems)
    plain, masked = (content(opened()) for opened in (partial(PathDisk, device), view.disks["sda"]))
    spans = list(split(Span(0, len(plain)), GRANULE))
    differing = [
        each for each in spans if masked[each.start : each.end] != plain[each.start : each.end]
    ]
    assert len(differing) > 10
    assert not any(any(masked[each.start : each.end]) for each in differing)
    assert len(differing) * GRANULE <= view.told["sda"]["unused"] < len(plain)
    expected = hashes(root), hashes(data)
    copy = tmp_path / "copy.raw"
    copy.write_bytes(masked)
    assert _hashes_of_copy(copy, tmp_path) == expected


def _hashes_of_copy(copy: Path, folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    place = folder / "copied"
    place.mkdir()
    found = []
    with loop_device(copy) as device:
        run("partx", "--update", device)
        run("e2fsck", "-f", "-n", f"{device}p1")
        run("xfs_repair", "-n", f"{device}p2")
        for part, options in ((1, "ro"), (2, "ro,nouuid")):
            run("mount", "-o", options, f"{device}p{part}", str(place))
            found.append(hashes(place))
            run("umount", str(place))
    return found[0], found[1]


def test_a_file_system_that_is_not_mounted_is_carried_whole(
    server: tuple[str, Path, Path],
) -> None:
    """Its super block may be left from before the partition was given to something else."""
    device, _root, _data = server
    paths = {"sda": device}
    view = without_unused(open_view("stopped", "web01", paths), paths)
    start = int(Path(f"/sys/class/block/{os.path.basename(device)}p3/start").read_text()) * 512
    plain, masked = (content(opened()) for opened in (partial(PathDisk, device), view.disks["sda"]))
    assert masked[start:] == plain[start:]


def test_a_sync_of_a_masked_disk_makes_the_masked_disk(rig: Rig) -> None:
    """Old bytes on the target included: the root is that of the zeros."""
    source, unused = MemoryDisk(noise(3 * CHUNK)), GranuleSet(3 * CHUNK)
    unused.add_whole(Span(CHUNK // 2, CHUNK))
    masked = MaskedDisk(source, unused)
    target = MemoryDisk(bytes(source.content))
    report = rig.sync(rig.source(masked), target)
    assert target.content == content(masked)
    assert report.disks[0].same == 2 * CHUNK
