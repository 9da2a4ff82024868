# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which blocks of a file system nothing uses; the judges are its own programs, and the kernel that reads it.

What is called unused is overwritten with rubbish. A block that was used after all is then missed: by e2fsck or
xfs_repair if it was metadata, by the digest of a file if it was data.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any, Sequence

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication.geometry import Span, merge
from ansible_collections.ferry.hvm.plugins.module_utils.replication.pieces import (
    MapDoubtError,
    Read,
)
from ansible_collections.ferry.hvm.plugins.module_utils.units import KIB, MIB

from tests.unit.plugins.module_utils.replication.file_system_images import (
    EXT4,
    XFS,
    Kind,
    fill,
    hashes,
    make_image,
    mounted,
    reader,
    unused,
)
from tests.unit.plugins.module_utils.replication.loops import run

EXT4_SETS = {
    "ext2": "-t ext2 -b 1024",
    "ext2 without groups that save copies": "-t ext2 -b 1024 -O ^sparse_super,^resize_inode",
    "ext3": "-t ext3 -b 4096",
    "ext3, small blocks": "-t ext3 -b 1024",
    "as made today": "",
    "small blocks": "-b 1024",
    "blocks of 2 KiB": "-b 2048",
    "numbers of 32 bits": "-b 1024 -O ^64bit",
    "descriptors of 128 bytes": "-b 1024 -E desc_size=128",
    "checksums of descriptors alone": "-b 1024 -O ^metadata_csum,uninit_bg",
    "checksums of descriptors, 32 bits": "-b 1024 -O ^metadata_csum,uninit_bg,^64bit",
    "no checksums": "-b 1024 -O ^metadata_csum,^uninit_bg",
    "another seed for checksums": "-b 1024 -O metadata_csum_seed",
    "groups of groups": "-b 1024 -O meta_bg,^resize_inode",
    "groups of groups, 4 KiB": "-b 4096 -O meta_bg,^resize_inode -g 1024",
    "clusters": "-b 4096 -O bigalloc -C 16384",
    "clusters of small blocks": "-b 1024 -O bigalloc -C 16384",
    "two copies of the super block": "-b 1024 -O sparse_super2 -E num_backup_sb=2",
    "one copy of the super block": "-b 1024 -O sparse_super2 -E num_backup_sb=1",
    "tables in each group": "-b 1024 -O ^flex_bg",
    "tables of four groups together": "-b 1024 -G 4",
    "all tables together": "-b 1024 -E packed_meta_blocks=1",
    "no room for growth": "-b 1024 -O ^resize_inode",
    "much room for growth": "-b 1024 -E resize=4000000",
    "many inodes": "-b 1024 -i 1024",
    "small groups": "-b 4096 -g 2048",
    "multiple mount protection": "-b 1024 -O mmp",
    "list of orphans in a file": "-b 1024 -O orphan_file",
    "data in inodes": "-b 1024 -O inline_data",
    "no journal": "-b 1024 -O ^has_journal",
    "quick commits": "-b 1024 -O fast_commit",
    "large folders, values in inodes, verity": "-b 1024 -O large_dir,ea_inode,verity",
}

XFS_SETS = {
    "as made today": "",
    "as made 2016": "-m crc=1,finobt=0,reflink=0,rmapbt=0,bigtime=0,inobtcount=0",
    "reverse maps": "-m rmapbt=1,reflink=1",
    "small blocks": "-b size=1024",
    "large sectors": "-s size=4096",
    "stripes and one more group": "-d su=64k,sw=3,agcount=5 -l su=64k",
}

# Not every kernel mounts these.
UNMOUNTED_SETS = {
    "ext4 with quota": (EXT4, "-b 1024 -O quota,project -E quotatype=usrquota:grpquota:prjquota"),
    "ext4 with names in any case and encryption": (EXT4, "-b 1024 -O casefold,encrypt"),
    "XFS of version 4": (XFS, "-m crc=0,finobt=0,reflink=0,rmapbt=0"),
    "XFS of version 4, blocks of 512 bytes": (XFS, "-m crc=0,finobt=0,reflink=0 -b size=512"),
}

# An odd end: the last group is short, and so is the last granule.
SIZES = {"ext4": 64 * MIB + 20 * KIB, "xfs": 448 * MIB + 12 * KIB}

# The others differ from these in what is seldom met: `make soak` tries them all.
DAILY = ("as made today", "ext3", "no checksums", "groups of groups", "clusters")


def daily(sets: dict[str, str]) -> list[Any]:
    """Return the sets as parameters, those that are not for each day marked."""
    return [
        pytest.param(options, id=name, marks=() if name in DAILY else pytest.mark.soak)
        for name, options in sets.items()
    ]


def filled(folder: Path, kind: Kind, options: str = "") -> Path:
    """Return an image with files on it, some of them removed."""
    image = make_image(folder / "disk.raw", kind.name, options.split(), SIZES[kind.name])
    with mounted(image) as place:
        fill(place, seed=1)
    return image


def assert_nothing_is_missed(kind: Kind, image: Path) -> None:
    """What is said to be unused is as much as the file system's own programs say, and nobody misses it."""
    spoilt = spoil(kind, image)
    with mounted(image, "-r") as place, mounted(spoilt, "-r", *_twice(kind)) as other:
        expected = hashes(place)
        assert len(expected) > 10
        assert hashes(other) == expected


def spoil(kind: Kind, image: Path) -> Path:
    """Return a copy whose unused bytes are rubbish, but which is sound."""
    spans = unused(kind, image)
    assert sum(span.length for span in spans) == kind.free(image)
    assert all(one.end <= other.start for one, other in zip(spans, spans[1:], strict=False))
    spoilt = image.with_suffix(".spoilt")
    shutil.copy(image, spoilt)
    with open(spoilt, "r+b") as stream:
        for span in spans:
            stream.seek(span.start)
            stream.write(b"\xa5" * span.length)
    kind.check(spoilt)
    return spoilt


def _twice(kind: Kind) -> tuple[str, ...]:
    """Options to mount a second XFS of one UUID."""
    return ("-o", "nouuid") if kind is XFS else ()


@pytest.mark.parametrize("options", daily(EXT4_SETS))
def test_what_an_ext4_does_not_use_is_missed_by_nobody(tmp_path: Path, options: str) -> None:
    assert_nothing_is_missed(EXT4, filled(tmp_path, EXT4, options))


@pytest.mark.parametrize("options", daily(XFS_SETS))
def test_what_an_xfs_does_not_use_is_missed_by_nobody(tmp_path: Path, options: str) -> None:
    assert_nothing_is_missed(XFS, filled(tmp_path, XFS, options))


@pytest.mark.parametrize(("kind", "options"), UNMOUNTED_SETS.values(), ids=UNMOUNTED_SETS.keys())
def test_what_is_not_mounted_here_is_sound_without_what_it_does_not_use(
    tmp_path: Path, kind: Kind, options: str
) -> None:
    spoil(kind, make_image(tmp_path / "disk.raw", kind.name, options.split(), SIZES[kind.name]))


@pytest.mark.parametrize("kind", [EXT4, XFS], ids=["ext4", "xfs"])
def test_a_frozen_file_system_is_as_good_as_an_unmounted_one(tmp_path: Path, kind: Kind) -> None:
    """LVM freezes what it takes a snapshot of. A file that was deleted while it is open is still in use then."""
    image = filled(tmp_path, kind)
    frozen = tmp_path / "frozen.raw"
    with mounted(image) as place:
        fill(place, seed=2)
        with open(place / "deleted", "wb") as stream:
            stream.write(bytes(MIB))
            stream.flush()
            (place / "deleted").unlink()
            run("fsfreeze", "--freeze", str(place))
            try:
                shutil.copy(image, frozen)
            finally:
                run("fsfreeze", "--unfreeze", str(place))
        expected = hashes(place)
    spoilt = tmp_path / "spoilt.raw"
    shutil.copy(frozen, spoilt)
    spans = unused(kind, frozen)
    assert sum(span.length for span in spans) > SIZES[kind.name] // 4
    with open(spoilt, "r+b") as stream:
        for span in spans:
            stream.seek(span.start)
            stream.write(b"\xa5" * span.length)
    # Mounting it ends the deletion, as it would after a crash.
    with mounted(spoilt) as place:
        assert hashes(place) == expected
    kind.check(spoilt)


@pytest.mark.parametrize("kind", [EXT4, XFS], ids=["ext4", "xfs"])
def test_a_file_system_that_is_read_while_it_works_is_not_believed(
    tmp_path: Path, kind: Kind
) -> None:
    image = filled(tmp_path, kind)
    living = tmp_path / "living.raw"
    with mounted(image) as place:
        fill(place, seed=3)
        run("sync", "-f", str(place))
        shutil.copy(image, living)
    with pytest.raises(MapDoubtError, match="has to be replayed"):
        unused(kind, living)


@pytest.mark.parametrize("kind", [EXT4, XFS], ids=["ext4", "xfs"])
def test_a_file_system_that_was_remounted_read_only_is_as_good_as_an_unmounted_one(
    tmp_path: Path, kind: Kind
) -> None:
    image = filled(tmp_path, kind)
    stopped = tmp_path / "stopped.raw"
    with mounted(image) as place:
        fill(place, seed=4)
        run("mount", "-o", "remount,ro", str(place))
        shutil.copy(image, stopped)
    assert_nothing_is_missed(kind, stopped)


# Where in the super block, what is written there, and what is said of it.
DOUBTS = {
    "no ext4": (EXT4, 0x438, b"\0\0", "no super block"),
    "ext4 of the first revision": (EXT4, 0x44C, b"\0", "revision 0"),
    "ext4 with an unknown compatible feature": (EXT4, 0x45D, b"\x80", "unknown features: 0x8000"),
    "ext4 with an unknown feature": (EXT4, 0x463, b"\x80", "unknown features: 0x80000000"),
    "ext4 that is a journal": (EXT4, 0x460, b"\x0a", "unknown features: 0x8"),
    "ext4 with a journal to replay": (EXT4, 0x460, b"\x06", "has to be replayed"),
    "ext4 that was not unmounted": (EXT4, 0x43A, b"\0", "not left clean"),
    "ext4 with an error": (EXT4, 0x43A, b"\x03", "not left clean"),
    "ext4 with a past error": (EXT4, 0x594, b"\x01", "not left clean"),
    "ext4 that is larger than its device": (EXT4, 0x407, b"\x01", "sizes in its super block"),
    "ext4 with a wrong sum": (EXT4, 0x40C, b"\0", "its super block says"),
    "no XFS": (XFS, 0, b"ABCD", "no super block"),
    "XFS of an unknown version": (XFS, 101, b"\xb6", "unknown version"),
    "XFS that is being copied": (XFS, 126, b"\x01", "being made"),
    "XFS with a realtime device": (XFS, 31, b"\x01", "realtime"),
    "XFS with its log elsewhere": (XFS, 48, bytes(8), "log is on another"),
    "XFS with its log nowhere": (XFS, 48, b"\x01", "log is outside"),
    "XFS that is larger than its device": (XFS, 8, b"\x01", "sizes in its super block"),
}


@pytest.mark.parametrize(("kind", "at", "patch", "words"), DOUBTS.values(), ids=DOUBTS.keys())
def test_what_is_not_understood_is_not_believed(
    tmp_path: Path, kind: Kind, at: int, patch: bytes, words: str
) -> None:
    """Without checksums, so that it is the value itself that is refused."""
    plain = {
        "ext4": "-b 1024 -O ^metadata_csum,^uninit_bg,^64bit",
        "xfs": "-m crc=0,finobt=0,reflink=0,rmapbt=0",
    }
    image = make_image(tmp_path / "disk.raw", kind.name, plain[kind.name].split(), SIZES[kind.name])
    with open(image, "r+b") as stream:
        stream.seek(at)
        stream.write(patch)
    with pytest.raises(MapDoubtError, match=words):
        unused(kind, image)


FUZZED = {
    "ext4": (EXT4, "-b 1024"),
    "ext4, checksums of descriptors alone": (EXT4, "-b 1024 -O ^metadata_csum,uninit_bg"),
    "ext4 without checksums": (EXT4, "-b 1024 -O ^metadata_csum,^uninit_bg"),
    "XFS": (XFS, ""),
    "XFS of version 4": (XFS, "-m crc=0,finobt=0,reflink=0,rmapbt=0"),
}


@pytest.mark.parametrize(("kind", "options"), FUZZED.values(), ids=FUZZED.keys())
def test_a_flipped_bit_never_makes_a_used_block_unused(
    tmp_path: Path, kind: Kind, options: str
) -> None:
    """Bits are flipped where we look; what is said then is refused, or no more than what is unused in truth."""
    image = make_image(tmp_path / "disk.raw", kind.name, options.split(), SIZES[kind.name])
    if "crc=0" not in options:
        with mounted(image) as place:
            fill(place, seed=5, most=4 * MIB)
    flipping = Flipping(reader(image))
    size = image.stat().st_size
    truth = list(kind.unused(flipping, size))
    chance = random.Random(6)
    refused = 0
    for _unused in range(FLIPS):
        flipping.flip(chance)
        try:
            said = list(kind.unused(flipping, size))
        except MapDoubtError:
            refused += 1
        else:
            assert is_within(said, truth), flipping.place
    assert refused


FLIPS = 60


class Flipping:
    """A reader of bytes with one flipped bit, in a place that was read before it flipped."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._seen: list[Span] = []
        self.place = -1
        self._bit = 0

    def __call__(self, start: int, length: int) -> bytes:
        if self.place < 0:
            self._seen.append(Span(start, length))
        data = bytearray(self._read(start, length))
        if start <= self.place < start + length:
            data[self.place - start] ^= self._bit
        return bytes(data)

    def flip(self, chance: random.Random) -> None:
        """Flip a bit that decides, instead of the last one."""
        span = chance.choice(self._seen)
        self.place, self._bit = span.start + chance.randrange(span.length), 1 << chance.randrange(8)


def is_within(spans: Sequence[Span], others: Sequence[Span]) -> bool:
    """Tell whether each of the rising spans lies in one of the others, which may touch."""
    whole = list(merge(others, 1 << 60))
    return all(
        any(other.start <= span.start and span.end <= other.end for other in whole)
        for span in spans
    )
