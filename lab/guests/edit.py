# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""New files in an ext4 image that nobody has mounted, written by e2fsprogs' own debugfs.

debugfs ends with 0 whatever happened, so everything is read back and compared; e2fsck has the last word.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..command import run
from ..errors import LabError
from .disks import PARTITION_START


@dataclass(frozen=True)
class GuestFile:
    """A file of root's in a server; `mode` is its permission bits."""

    content: bytes
    mode: int = 0o644


def add_files(disk: Path, files: Mapping[PurePosixPath, GuestFile]) -> None:
    """The first partition of the image holds these files, by their absolute paths in it.

    Their directories must be there, the files must not. Raises LabError when a file cannot be
    written; the image is then of no use.
    """
    partition = f"{disk}?offset={PARTITION_START}"
    with tempfile.TemporaryDirectory(dir=disk.parent) as scratch:
        staged = {path: Path(scratch, str(number)) for number, path in enumerate(files)}
        for path, stage in staged.items():
            stage.write_bytes(files[path].content)
        script = [line for path in files for line in _writing(path, files[path], staged[path])]
        run("debugfs", "-w", "-f", "-", partition, given="\n".join(script))
        _compare(partition, files, Path(scratch, "back"))
    run("e2fsck", "-f", "-n", partition)


def _writing(path: PurePosixPath, file: GuestFile, stage: Path) -> tuple[str, ...]:
    return (
        f'cd "{path.parent}"',
        f'write "{stage}" "{path.name}"',
        f'set_inode_field "{path.name}" mode 0{0o100000 | file.mode:o}',
        f'set_inode_field "{path.name}" uid 0',
        f'set_inode_field "{path.name}" gid 0',
    )


def _compare(partition: str, files: Mapping[PurePosixPath, GuestFile], back: Path) -> None:
    back.mkdir()
    script = [f'dump -p "{path}" "{back / str(number)}"' for number, path in enumerate(files)]
    run("debugfs", "-f", "-", partition, given="\n".join(script))
    for number, (path, wanted) in enumerate(files.items()):
        copy = back / str(number)
        if not copy.exists() or _as_guest_file(copy) != wanted:
            raise LabError(
                f"debugfs could not write {path} into {partition}",
                "Its directory must be in the image, the file itself must not.",
            )


def _as_guest_file(file: Path) -> GuestFile:
    return GuestFile(file.read_bytes(), file.stat().st_mode & 0o7777)
