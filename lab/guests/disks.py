# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images with one partition, made from directory trees without mounting anything.

    0        1 MiB                                   size
    MBR      partition 1: the file system ........... end

Nothing is attached to the host, so a killed build leaves files and nothing else.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..command import run

MIB = 1024 * 1024
PARTITION_START = 1 * MIB
EXT4_BLOCK = 4096


def make_partitioned(disk: Path, size: int) -> None:
    """The new sparse file `disk` of `size` bytes has one bootable Linux partition up to its end."""
    with disk.open("xb") as image:
        image.truncate(size)
    table = f"label: dos\nstart={PARTITION_START // 512}, type=83, bootable\n"
    run("sfdisk", "--quiet", str(disk), given=table)


def fill_with_ext4(disk: Path, tree: Path, uuid: str, *, start: int = PARTITION_START) -> None:
    """From `start` on, `disk` is an ext4 file system with owners, modes and attributes of the tree."""
    blocks = (disk.stat().st_size - start) // EXT4_BLOCK
    run(
        "mke2fs",
        *("-q", "-F", "-t", "ext4", "-b", str(EXT4_BLOCK), "-U", uuid, "-d", str(tree)),
        # GRUB 2.06 reads neither; Debian's defaults leave them out, other hosts' may not.
        *("-O", "^metadata_csum_seed,^orphan_file"),
        # Lazy tables would be written by the kernel of a server that was told to keep quiet.
        *("-E", f"offset={start},lazy_itable_init=0,lazy_journal_init=0"),
        *(str(disk), str(blocks)),
    )


def fill_with_xfs(disk: Path, tree: Path) -> None:
    """The partition holds an XFS file system with the tree's files, owned by root.

    mkfs.xfs copies the files itself, told by a prototype, because many hosts' kernels cannot mount
    XFS. Prototypes know no spaces or colons in names (mkfs.xfs(8), "-p").
    """
    with tempfile.TemporaryDirectory(dir=disk.parent) as scratch:
        prototype = Path(scratch, "prototype")
        prototype.write_text("\n".join(("-", "0 0", "d--755 0 0", *_prototype(tree), "$", "")))
        partition = Path(scratch, "partition")
        with partition.open("xb") as image:
            image.truncate(disk.stat().st_size - PARTITION_START)
        run("mkfs.xfs", "-q", "-p", str(prototype), str(partition))
        copy_sparse(partition, disk, PARTITION_START)


def _prototype(directory: Path) -> Iterator[str]:
    for entry in sorted(directory.iterdir()):
        if entry.is_dir():
            yield f"{entry.name} d--755 0 0"
            yield from _prototype(entry)
            yield "$"
        else:
            yield f"{entry.name} ---644 0 0 {entry}"


@contextmanager
def attached(image: Path, start: int, length: int | None = None) -> Iterator[str]:
    """Bytes of the image, from `start` on and up to its end unless `length` is given, are a block device."""
    limit = () if length is None else (f"--sizelimit={length}",)
    command = ("losetup", "--find", "--show", f"--offset={start}", *limit)
    device = run(*command, str(image)).strip()
    try:
        # A loop device keeps the flag of whoever had it before, and mount takes it for the file's.
        run("blockdev", "--setrw", device)
        yield device
    finally:
        run("losetup", "--detach", device)


def copy_sparse(source: Path, target: Path, offset: int) -> None:
    """The source's data is in the target from `offset` on; its holes are left alone there."""
    with source.open("rb") as reader, target.open("r+b") as writer:
        for start, end in data_ranges(reader.fileno()):
            reader.seek(start)
            writer.seek(offset + start)
            writer.write(reader.read(end - start))


def data_ranges(descriptor: int) -> Iterator[tuple[int, int]]:
    """Ranges of a file that are not holes, as (start, end) in bytes, rising."""
    size = os.fstat(descriptor).st_size
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing but a hole up to the end of the file.
            return
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end
