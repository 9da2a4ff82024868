# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A commit that ends at any of its calls, by a kill or a power cut: the replica stays, or all is done later.

On real loop devices; what a power cut leaves is a model's word (`power_cut.py`), stricter than any file
system of ours. What a real machine leaves is seen in `tests/system/test_preparation_killed.py`.
"""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest import commit, direct_io
from ansible_collections.ferry.hvm.plugins.module_utils.guest.overlays import Target, store_path

from tests.unit.plugins.module_utils.guest.guest_samples import CHUNK, build_store
from tests.unit.plugins.module_utils.guest.power_cut import Medium, Moment, State

CHUNKS = 24
SIZE = CHUNKS * CHUNK
# None of what was not flushed got to the medium, some, all: the last is what a kill alone leaves.
SHARES = (0.0, 0.5, 1.0)


@dataclass
class Bench:
    """Two disks of one guest with their stores, and what they shall hold afterwards."""

    targets: list[Target]
    stage: str
    medium: Medium
    before: State
    after: tuple[bytes, ...]

    def commit(self) -> None:
        """As a preparation ends."""
        record = commit.commit(self.targets, self.stage, "g")
        commit.apply(record, self.targets, self.stage)

    def resume(self) -> str:
        """As the next preparation begins; return what had been decided before."""
        record = commit.read_record(self.stage)
        if record is None:
            return "nothing"
        if record.state == commit.COMMITTED:
            commit.finish(record, self.targets, self.stage)
        return record.state

    def assert_whole(self, moment: Moment, left: State) -> str:
        """What a cut left is the replica, or becomes what was prepared; return what had been decided."""
        self.medium.restore(left)
        decided = self.resume()
        wanted = self.before.disks if decided == "nothing" else self.after
        # Bytes in an assertion would be shown, at length.
        is_whole = self.medium.look().disks == wanted
        assert is_whole, f"cut before {moment.call}, {decided} was decided"
        return decided


@pytest.fixture
def loops(tmp_path: Path) -> Iterator[list[str]]:
    """Two disks with any content; they are gone afterwards."""
    devices = []
    for index in range(2):
        file = tmp_path / f"disk-{index}"
        file.write_bytes(random.Random(index).randbytes(SIZE))
        command = ["losetup", "--find", "--show", str(file)]
        devices.append(subprocess.check_output(command, text=True).strip())
    yield devices
    for device in devices:
        subprocess.run(["losetup", "--detach", device], check=True)


@pytest.fixture
def bench(tmp_path: Path, loops: list[str]) -> Bench:
    stage = tmp_path / "stage"
    stage.mkdir()
    after = []
    for index, path in enumerate(loops):
        direct_io.protect(path)
        chance = random.Random(20261128 + index)
        changed = sorted(chance.sample(range(CHUNKS), 10))
        places = chance.sample(range(2, 12), 10)
        content = {place: chance.randbytes(CHUNK) for place in places}
        store = build_store(list(zip(changed, places, strict=True)), content)
        Path(store_path(str(stage), index)).write_bytes(store)
        disk = bytearray((tmp_path / f"disk-{index}").read_bytes())
        for chunk, place in zip(changed, places, strict=True):
            disk[chunk * CHUNK : (chunk + 1) * CHUNK] = content[place]
        after.append(bytes(disk))
    targets = [Target(f"sd{'ab'[n]}", path, SIZE) for n, path in enumerate(loops)]
    medium = Medium(loops, stage)
    return Bench(targets, str(stage), medium, medium.look(), tuple(after))


def test_a_commit_cut_at_any_call_leaves_the_replica_or_is_finished(bench: Bench) -> None:
    moments = bench.medium.record(bench.commit)
    is_prepared = moments[-1].seen.disks == bench.after
    assert is_prepared
    # Both disks, the record twice with its folder, and the stores' removal were seen.
    calls = [moment.call for moment in moments]
    assert calls.count("pwrite") >= 10
    assert (calls.count("rename"), calls.count("unlink")) == (2, 2)
    decided = {
        bench.assert_whole(moment, moment.cut(random.Random(number), share))
        for number, moment in enumerate(moments)
        for share in SHARES
    }
    assert decided == {"nothing", commit.COMMITTED, commit.APPLIED}


def test_what_finishes_a_commit_may_be_cut_at_any_call_too(bench: Bench) -> None:
    moments = bench.medium.record(bench.commit)
    copying = [n for n, moment in enumerate(moments) if moment.call == "pwrite"]
    half = moments[copying[len(copying) // 2]]
    bench.medium.restore(half.cut(random.Random(1), 0.5))
    again = bench.medium.record(bench.resume)
    decided = {
        bench.assert_whole(moment, moment.cut(random.Random(number), share))
        for number, moment in enumerate(again)
        for share in SHARES
    }
    assert decided == {commit.COMMITTED, commit.APPLIED}


def test_nothing_reaches_a_disk_before_the_decision_is_durable(bench: Bench) -> None:
    moments = bench.medium.record(bench.commit)
    first = next(moment for moment in moments if moment.call == "pwrite")
    assert first.kept.has_stage
    record = json.loads(first.kept.contents[first.kept.names["record.json"]])
    assert record["state"] == commit.COMMITTED
    is_untouched = first.seen.disks == bench.before.disks
    assert is_untouched
