# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two disks and a stage as a power cut leaves them, at every call by which a commit changes them.

    seen    what everybody reads: all calls so far
    kept    what was flushed: a sector or a file's content by its own fsync, a name by that of its folder

After a kill without a power cut all that was seen is there. After a power cut of what was not flushed any part
may be: each sector, each name, and of a file's content a beginning.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest import direct_io

SECTOR = 512
# The calls by which a commit changes what lies on a medium, or makes it durable. What Python's own
# files write is seen at the next of these.
CALLS = ("pwrite", "fsync", "rename", "unlink")


@dataclass(frozen=True)
class State:
    """Content of the disks; content of files by their inodes; names of the stage, which has one itself."""

    disks: tuple[bytes, ...]
    contents: dict[int, bytes]
    names: dict[str, int]
    has_stage: bool = True


@dataclass(frozen=True)
class Moment:
    """Right before a call, or after the last."""

    call: str
    seen: State
    kept: State

    def cut(self, chance: random.Random, share: float) -> State:
        """Return what may be left, if `share` of what was not flushed got to the medium."""
        names = dict(self.kept.names)
        for name in sorted({*self.seen.names, *self.kept.names}):
            if chance.random() < share:
                _take(names, name, self.seen.names)
        contents = {
            inode: content
            if chance.random() < share
            else _beginning(self.kept.contents.get(inode), content, chance, share)
            for inode, content in self.seen.contents.items()
        }
        return State(
            tuple(
                _mixed(kept, seen, chance, share)
                for kept, seen in zip(self.kept.disks, self.seen.disks, strict=True)
            ),
            {**self.kept.contents, **contents},
            names,
            self.kept.has_stage or chance.random() < share,
        )


def _take(names: dict[str, int], name: str, seen: dict[str, int]) -> None:
    names.pop(name, None)
    if name in seen:
        names[name] = seen[name]


def _beginning(kept: bytes | None, seen: bytes, chance: random.Random, share: float) -> bytes:
    if kept is not None:
        return kept
    return seen[: chance.randrange(len(seen) + 1)] if share else b""


def _mixed(kept: bytes, seen: bytes, chance: random.Random, share: float) -> bytes:
    mixed = bytearray(kept)
    for start in range(0, len(seen), SECTOR):
        part = slice(start, start + SECTOR)
        if seen[part] != kept[part] and chance.random() < share:
            mixed[part] = seen[part]
    return bytes(mixed)


@dataclass
class Medium:
    """Real disks and a real stage, and what of them was flushed. All of it is, at first, but the stage's name."""

    disks: list[str]
    stage: Path
    kept: State = field(init=False)
    moments: list[Moment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kept = replace(self.look(), has_stage=False)

    def look(self) -> State:
        """Return what everybody reads now."""
        files = {file.name: file for file in self.stage.iterdir() if file.is_file()}
        inodes = {name: file.stat().st_ino for name, file in files.items()}
        contents = {inodes[name]: file.read_bytes() for name, file in files.items()}
        return State(tuple(read_disk(path) for path in self.disks), contents, inodes)

    def record(self, work: Callable[[], object]) -> list[Moment]:
        """Do the work; return the moments before each of its calls, and after the last."""
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self._watched(name, getattr(os, name)))
            work()
        self.moments.append(Moment("end", self.look(), self.kept))
        return self.moments

    def _watched(self, name: str, whole: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            seen = self.look()
            self.moments.append(Moment(name, seen, self.kept))
            done = whole(*arguments)
            if name == "fsync":
                self._keep(os.readlink(f"/proc/self/fd/{arguments[0]}"), seen)
            return done

        return call

    def _keep(self, path: str, seen: State) -> None:
        if path in self.disks:
            disks = list(self.kept.disks)
            disks[self.disks.index(path)] = seen.disks[self.disks.index(path)]
            self.kept = replace(self.kept, disks=tuple(disks))
        elif path == str(self.stage):
            self.kept = replace(self.kept, names=seen.names)
        elif path == str(self.stage.parent):
            self.kept = replace(self.kept, has_stage=True)
        else:
            inode = seen.names[os.path.basename(path)]
            contents = {**self.kept.contents, inode: seen.contents[inode]}
            self.kept = replace(self.kept, contents=contents)

    def restore(self, state: State) -> None:
        """The disks and the stage are as in `state`; all of it is durable."""
        for path, content in zip(self.disks, state.disks, strict=True):
            write_disk(path, content)
        for file in self.stage.iterdir():
            file.unlink()
        if state.has_stage:
            for name, inode in state.names.items():
                (self.stage / name).write_bytes(state.contents[inode])
        self.kept, self.moments = self.look(), []


def read_disk(path: str) -> bytes:
    """Return all of a disk, past the cache."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
    with direct_io.open_disk(path) as disk:
        starts = range(0, size, direct_io.PIECE)
        return b"".join(bytes(disk.read(s, min(direct_io.PIECE, size - s))) for s in starts)


def write_disk(path: str, content: bytes) -> None:
    """The disk, which refuses writes, has this content."""
    with direct_io.open_writable(path) as disk:
        for start in range(0, len(content), direct_io.PIECE):
            disk.write(start, content[start : start + direct_io.PIECE])
        disk.flush()
