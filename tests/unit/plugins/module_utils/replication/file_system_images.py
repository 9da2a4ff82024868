# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""File systems in image files, filled and emptied by the kernel, and what others say of them. Needs root."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
from pathlib import Path
from typing import Callable, Iterator, NamedTuple, Sequence

from ansible_collections.ferry.hvm.plugins.module_utils.replication.geometry import Span
from ansible_collections.ferry.hvm.plugins.module_utils.replication.pieces import Read
from ansible_collections.ferry.hvm.plugins.module_utils.replication.used_ext4 import unused_of_ext4
from ansible_collections.ferry.hvm.plugins.module_utils.replication.used_xfs import unused_of_xfs
from ansible_collections.ferry.hvm.plugins.module_utils.units import MIB

from tests.unit.plugins.module_utils.replication.loops import loop_device, run, unmount


class Kind(NamedTuple):
    """What is particular to a type of file systems: what we say, and what its own programs say.

    `check` raises AssertionError for one that is not sound; `free` is in bytes.
    """

    name: str
    unused: Callable[[Read, int], Iterator[Span]]
    check: Callable[[Path], None]
    free: Callable[[Path], int]


def _check_ext4(image: Path) -> None:
    run("e2fsck", "-f", "-n", str(image))


def _free_of_ext4(image: Path) -> int:
    said = run("dumpe2fs", "-h", str(image))
    values = [re.search(rf"^{name}: +(\d+)", said, re.M) for name in ("Free blocks", "Block size")]
    free, size = (int(value[1]) for value in values if value)
    return free * size


def _check_xfs(image: Path) -> None:
    run("xfs_repair", "-n", "-f", str(image))


def _free_of_xfs(image: Path) -> int:
    """Without the blocks that wait in the lists of free ones (AGFL): they are kept for the trees."""

    def ask(*commands: str) -> list[int]:
        options = [word for command in commands for word in ("-c", command)]
        said = run("xfs_db", "-r", "-f", *options, str(image))
        return [int(number) for number in re.findall(r"(?:= |total free blocks )(\d+)", said)]

    groups, size = ask("sb 0", "p agcount blocksize")
    listed = sum(ask(f"agf {group}", "p flcount")[0] for group in range(groups))
    return (ask("freesp -s")[0] - listed) * size


EXT4 = Kind("ext4", unused_of_ext4, _check_ext4, _free_of_ext4)
XFS = Kind("xfs", unused_of_xfs, _check_xfs, _free_of_xfs)


def make_image(path: Path, kind: str, options: Sequence[str], size: int) -> Path:
    """Return an image of `size` bytes with a fresh file system on it."""
    path.unlink(missing_ok=True)
    path.touch()
    os.truncate(path, size)
    quiet = ["-f", "-q"] if kind == "xfs" else ["-F", "-q"]
    run(f"mkfs.{kind}", *quiet, *options, str(path))
    return path


@contextlib.contextmanager
def mounted(image: Path, *options: str) -> Iterator[Path]:
    """Lend the image's file system, mounted beside it."""
    place = image.with_suffix(".mounted")
    place.mkdir(exist_ok=True)
    with loop_device(image) as device:
        run("mount", *options, device, str(place))
        try:
            yield place
        finally:
            unmount(device, place)


def fill(place: Path, seed: int, most: int = 12 * MIB) -> None:
    """Write files of all lengths, and remove every third when it is on the storage."""
    chance = random.Random(seed)
    total, number = 0, 0
    while total < most:
        folder = place / f"folder{number % 5}"
        folder.mkdir(exist_ok=True)
        length = int(2 ** chance.uniform(0, 20))
        (folder / f"file{number}").write_bytes(chance.randbytes(length))
        total, number = total + length, number + 1
    run("sync", "-f", str(place))  # Else what is removed was never on the storage.
    for each in range(0, number, 3):
        (place / f"folder{each % 5}" / f"file{each}").unlink()


def hashes(place: Path) -> dict[str, str]:
    """Return the digest of each file by its path."""
    files = sorted(path for path in place.rglob("*") if path.is_file())
    return {
        str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def reader(image: Path) -> Read:
    """Return what reads the image; it fails for bytes that it has not."""
    content = memoryview(image.read_bytes())

    def read(start: int, length: int) -> bytes:
        assert 0 <= start <= start + length <= len(content)
        return bytes(content[start : start + length])

    return read


def unused(kind: Kind, image: Path) -> list[Span]:
    """Return what nothing uses of the file system in the image."""
    return list(kind.unused(reader(image), image.stat().st_size))
