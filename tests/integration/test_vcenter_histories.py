# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's vCenter against a model of a few lines: random histories of writes, snapshots, reverts and crashes.

After each history every disk reads as the model says, now and in each snapshot, and the changed areas between
any two states of one tracking are exactly the blocks that were written between them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.vcenter.server import start_vcenter, stop_vcenter
from tests.support.vcenter_client import (
    KIB64,
    Client,
    changed_areas,
    disk_of,
    fresh_client,
    log_in,
)

BLOCKS = 48
STEPS = 30


@dataclass
class Frozen:
    """A snapshot as the model has it; `written` are the blocks since each change id that it can answer for."""

    content: bytes
    change_id: str
    written: dict[str, set[int]]


@dataclass
class History:
    """One machine with one disk, done to in the same way as the model."""

    client: Client
    chance: random.Random
    directory: Path
    content: bytearray = field(default_factory=lambda: bytearray(BLOCKS * KIB64))
    snapshots: dict[str, Frozen] = field(default_factory=dict)
    written: dict[str, set[int]] = field(default_factory=dict)

    @property
    def vm(self) -> Any:
        return self.client.vm("web01")

    def write(self) -> None:
        block, length = self.chance.randrange(BLOCKS), self.chance.choice([1, KIB64, 3 * KIB64])
        offset = block * KIB64 + self.chance.randrange(KIB64)
        text = self.chance.randbytes(min(length, len(self.content) - offset))
        self.client.vcenter.control.write("web01", 2000, offset, text)
        self.content[offset : offset + len(text)] = text
        touched = range(offset // KIB64, (offset + len(text) - 1) // KIB64 + 1)
        for since in self.written.values():
            since.update(touched)

    def take(self) -> None:
        taken = self.client.take_snapshot(self.vm)
        known = {change_id: set(blocks) for change_id, blocks in self.written.items()}
        frozen = Frozen(bytes(self.content), disk_of(taken).backing.changeId, known)
        self.snapshots[taken._moId] = frozen
        self.written[frozen.change_id] = set()

    def remove(self) -> None:
        if self.snapshots:
            moref, snapshot = self._any_snapshot()
            self.client.remove_snapshot(snapshot, consolidate=self.chance.random() < 0.7)
            del self.snapshots[moref]

    def revert(self) -> None:
        if self.snapshots:
            moref, snapshot = self._any_snapshot()
            self.client.wait(snapshot.RevertToSnapshot_Task())
            self.content = bytearray(self.snapshots[moref].content)
            self.written = {}

    def consolidate(self) -> None:
        self.client.wait(self.vm.ConsolidateVMDisks_Task())
        assert self.vm.runtime.consolidationNeeded is False

    def crash(self) -> None:
        vcenter = self.client.vcenter
        stop_vcenter(vcenter.directory)
        self.client = log_in(start_vcenter(vcenter.directory, {}))
        self.client.vcenter.control.change_settings(task_seconds=0)

    def crash_in_a_removal(self) -> None:
        if self.snapshots:
            moref, snapshot = self._any_snapshot()
            snapshot.RemoveSnapshot_Task(False)
            self.crash()
            del self.snapshots[moref]

    def check(self) -> None:
        assert self.client.live(self.directory) == self.content
        for moref, frozen in self.snapshots.items():
            snapshot = self._object(moref)
            assert self.client.live(self.directory, snapshot=snapshot) == frozen.content
            assert disk_of(snapshot).backing.changeId == frozen.change_id
            for change_id, blocks in frozen.written.items():
                areas = changed_areas(self.vm, snapshot, change_id)
                assert blocks_in(areas) == blocks, (moref, change_id)

    def _any_snapshot(self) -> tuple[str, Any]:
        moref = self.chance.choice(sorted(self.snapshots))
        return moref, self._object(moref)

    def _object(self, moref: str) -> Any:
        shown = self.vm.snapshot
        assert shown is not None, moref
        return find(shown.rootSnapshotList, moref)


def find(tree: Any, moref: str) -> Any:
    """The snapshot of this moref, anywhere in the tree."""
    for each in tree:
        if each.snapshot._moId == moref:
            return each.snapshot
        if found := find(each.childSnapshotList, moref):
            return found
    return None


def blocks_in(areas: list[tuple[int, int]]) -> set[int]:
    return {
        block
        for start, length in areas
        for block in range(start // KIB64, (start + length) // KIB64)
    }


@pytest.mark.parametrize("seed", range(4))
def test_a_random_history_is_as_its_model(tmp_path: Path, seed: int) -> None:
    with fresh_client(tmp_path / "vcenter", {"size": BLOCKS * KIB64}) as client:
        client.track(client.vm("web01"))
        client.vcenter.control.change_settings(task_seconds=0)
        history = History(client, random.Random(seed), tmp_path)
        often: list[Callable[[], None]] = [history.write, history.write, history.take]
        rare = [history.remove, history.revert, history.consolidate, history.crash]
        for _unused in range(STEPS):
            history.chance.choice([*often * 2, *rare, history.crash_in_a_removal])()
        history.check()
