# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From store to disk: decided once, done as often as needed. On loop devices, as the real thing.

The stores are built here byte by byte; the kernel that makes them is met in the system test.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest import commit, direct_io, syscalls
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import (
    StaleCommitError,
    StoreError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.overlays import Target, store_path

from tests.unit.plugins.module_utils.guest.guest_samples import CHUNK, build_store

# Not a multiple of the chunk: the last one is short.
SIZE = 40 * CHUNK + 4096


@dataclass
class Bench:
    """Two read-only disks with their stores, and what the disks shall hold afterwards."""

    stage: str
    targets: list[Target]
    before: list[bytes]
    after: list[bytes]

    def content(self, index: int) -> bytes:
        with direct_io.open_disk(self.targets[index].path) as disk:
            return b"".join(
                bytes(disk.read(start, min(direct_io.PIECE, SIZE - start)))
                for start in range(0, SIZE, direct_io.PIECE)
            )

    def contents(self) -> list[bytes]:
        return [self.content(0), self.content(1)]

    def commit(self, generation: str = "g") -> commit.Record:
        return commit.commit(self.targets, self.stage, generation)


@pytest.fixture
def attach() -> Iterator[Callable[[Path], str]]:
    """Attach files as loop devices; they are gone afterwards."""
    devices: list[str] = []

    def attach_one(file: Path) -> str:
        command = ["losetup", "--find", "--show", str(file)]
        devices.append(subprocess.check_output(command, text=True).strip())
        return devices[-1]

    yield attach_one
    for device in devices:
        subprocess.run(["losetup", "--detach", device], check=True)


@pytest.fixture
def bench(tmp_path: Path, attach: Callable[[Path], str]) -> Bench:
    made = Bench(str(tmp_path), [], [], [])
    changes: list[dict[int, bytes | None]] = [
        # Neighbours, a chunk written as it was, the short last one.
        {3: b"a" * CHUNK, 4: b"b" * CHUNK, 9: None, 40: b"e" * 4096},
        {0: b"z" * CHUNK},
    ]
    for index, changed in enumerate(changes):
        before = os.urandom(SIZE)
        file = tmp_path / f"disk-{index}"
        file.write_bytes(before)
        path = attach(file)
        direct_io.protect(path)
        after = bytearray(before)
        exceptions, content = [], {}
        for place, (chunk, data) in enumerate(changed.items(), start=2):
            start = chunk * CHUNK
            content[place] = before[start : start + CHUNK] if data is None else data
            after[start : start + len(content[place])] = content[place]
            exceptions.append((chunk, place))
        Path(store_path(str(tmp_path), index)).write_bytes(build_store(exceptions, content))
        made.targets.append(Target(f"sd{'ab'[index]}", path, SIZE))
        made.before.append(before)
        made.after.append(bytes(after))
    return made


def test_a_commit_changes_no_disk_and_names_exactly_what_differs(bench: Bench) -> None:
    record = bench.commit()
    assert bench.contents() == bench.before
    ranges = [disk.ranges for disk in record.disks]
    assert ranges == [[(3 * CHUNK, 2 * CHUNK), (40 * CHUNK, 4096)], [(0, CHUNK)]]


def test_the_record_reads_back_as_it_was_written(bench: Bench) -> None:
    assert commit.read_record(bench.stage) is None
    record = bench.commit()
    assert commit.read_record(bench.stage) == record


def test_applying_writes_what_the_stores_hold(bench: Bench) -> None:
    applied = commit.apply(bench.commit(), bench.targets, bench.stage)
    assert bench.contents() == bench.after
    assert commit.read_record(bench.stage) == applied
    assert applied.state == commit.APPLIED
    assert sorted(os.listdir(bench.stage)) == ["disk-0", "disk-1", "record.json"]


def test_a_disk_refuses_writes_before_and_after(bench: Bench) -> None:
    commit.apply(bench.commit(), bench.targets, bench.stage)
    for target in bench.targets:
        descriptor = os.open(target.path, os.O_RDONLY)
        assert syscalls.is_read_only(descriptor)
        os.close(descriptor)


@pytest.mark.parametrize("done", [0, 1, 2], ids=lambda done: f"killed after {done} disks")
def test_a_killed_copy_is_finished_by_the_next_run(bench: Bench, done: int) -> None:
    bench.commit()
    # What a killed run left: some disks whole, and half a chunk of the next.
    for index in range(2):
        with direct_io.open_writable(bench.targets[index].path) as disk:
            if index < done:
                for start in range(0, SIZE, 512):
                    disk.write(start, bench.after[index][start : start + 512])
            elif index == done:
                start = 0 if index else 3 * CHUNK
                disk.write(start, bench.after[index][start : start + 512])
    record = commit.read_record(bench.stage)
    assert record is not None
    commit.finish(record, bench.targets, bench.stage)
    assert bench.contents() == bench.after


def test_finishing_refuses_other_disks(bench: Bench) -> None:
    record = bench.commit()
    with pytest.raises(StaleCommitError, match="other disks"):
        commit.finish(record, bench.targets[::-1], bench.stage)
    assert bench.contents() == bench.before


@pytest.mark.parametrize("place", [2 * CHUNK, 4 * CHUNK - 1], ids=["content", "its last byte"])
def test_finishing_refuses_a_damaged_store(bench: Bench, place: int) -> None:
    record = bench.commit()
    with open(record.disks[0].store, "r+b") as store:
        store.seek(place)
        byte = store.read(1)
        store.seek(place)
        store.write(bytes([byte[0] ^ 1]))
    with pytest.raises(StaleCommitError, match="sda is damaged"):
        commit.finish(record, bench.targets, bench.stage)
    assert bench.contents() == bench.before


def test_finishing_refuses_a_changed_table(bench: Bench) -> None:
    bench.commit()
    path = Path(bench.stage, "record.json")
    data = json.loads(path.read_text())
    data["disks"][0]["extents"][0][0] += CHUNK
    path.write_text(json.dumps(data))
    record = commit.read_record(bench.stage)
    assert record is not None
    with pytest.raises(StaleCommitError, match="damaged"):
        commit.finish(record, bench.targets, bench.stage)


def test_a_store_that_the_kernel_gave_up_is_never_committed(bench: Bench) -> None:
    with open(store_path(bench.stage, 1), "r+b") as store:
        store.seek(4)
        store.write(b"\0\0\0\0")
    with pytest.raises(StoreError, match="gave up"):
        bench.commit()
    assert commit.read_record(bench.stage) is None


def test_a_store_that_was_cut_off_is_never_committed(bench: Bench) -> None:
    os.truncate(store_path(bench.stage, 0), 4 * CHUNK)
    with pytest.raises(StoreError, match="torn"):
        bench.commit()
    assert commit.read_record(bench.stage) is None


def test_forgetting_voids_a_decision_but_keeps_the_history(bench: Bench) -> None:
    record = bench.commit()
    commit.forget(bench.stage)
    assert commit.read_record(bench.stage) is None
    assert not os.path.exists(record.disks[0].store)


def test_forgetting_keeps_the_record_of_what_was_applied(bench: Bench) -> None:
    applied = commit.apply(bench.commit(), bench.targets, bench.stage)
    commit.forget(bench.stage)
    assert commit.read_record(bench.stage) == applied


def test_extensions_count_as_done_when_their_work_is_on_the_disks(bench: Bench) -> None:
    record = commit.commit(bench.targets, bench.stage, "g", ("one", "two"))
    assert commit.extensions_done(bench.stage, "g") == ()
    commit.finish(record, bench.targets, bench.stage)
    assert commit.extensions_done(bench.stage, "g") == ("one", "two")
    assert commit.extensions_done(bench.stage, "of another sync") == ()
