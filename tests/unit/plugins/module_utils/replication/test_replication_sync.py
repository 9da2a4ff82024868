# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole syncs over TLS with disks in memory: what is sent, what is written, what is claimed."""

from __future__ import annotations

import json
import random
import threading

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import FerryError, InputError
from ansible_collections.ferry.hvm.plugins.module_utils.replication.errors import (
    DiskError,
    StoppedError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK, GRANULE
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.messages import View
from ansible_collections.ferry.hvm.plugins.module_utils.replication.receiver import plan_sync

from tests.unit.plugins.module_utils.replication.rig import Rig, noise, patched, reference_root

# Headers, digests and greetings of a small sync; far below one granule.
LITTLE = 8 * 1024

CONTENTS = {
    "one byte": noise(1),
    "less than a granule": noise(GRANULE - 1),
    "a granule": noise(GRANULE),
    "one byte more than a chunk": noise(CHUNK + 1),
    "chunks and an odd rest": noise(3 * CHUNK + 12_345),
    "an odd rest of zeros": noise(CHUNK) + bytes(12_345),
    "nothing but zeros": bytes(5 * CHUNK + 512),
    "zeros with a little inside": patched(bytes(6 * CHUNK), (4 * CHUNK + 70_000, b"x")),
    "data, zeros, data": noise(CHUNK) + bytes(2 * CHUNK) + noise(CHUNK),
    "text that compresses": b"all work and no play " * 100_000,
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_a_first_sync_makes_a_blank_disk_equal(rig: Rig, content: bytes) -> None:
    source, target = MemoryDisk(content), MemoryDisk(bytes(len(content)))
    report = rig.sync(rig.source(source), target, initial=True)
    assert target.content == content
    disk = report.disks[0]
    assert disk.same + disk.zero + disk.data == disk.size == len(content)
    assert disk.claim.root == reference_root(content, disk.claim.algorithm)


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_a_second_sync_writes_nothing_and_sends_next_to_nothing(rig: Rig, content: bytes) -> None:
    source, target = MemoryDisk(content), MemoryDisk(content)
    report = rig.sync(rig.source(source), target)
    assert target.content == content
    assert target.bytes_written == 0
    assert report.disks[0].data == 0
    assert report.disks[0].sent < LITTLE
    assert report.disks[0].claim.root == reference_root(content, report.disks[0].claim.algorithm)


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_a_disk_full_of_something_else_becomes_equal(rig: Rig, content: bytes) -> None:
    target = MemoryDisk(noise(len(content), seed=9))
    rig.sync(rig.source(MemoryDisk(content)), target)
    assert target.content == content


def test_a_delta_sends_the_changed_granules_only(rig: Rig) -> None:
    old = noise(8 * CHUNK)
    new = patched(old, (5, b"!"), (3 * CHUNK - 1, b"!!"), (8 * CHUNK - 1, b"!"))
    target = MemoryDisk(old)
    report = rig.sync(rig.source(MemoryDisk(new)), target)
    assert target.content == new
    assert report.disks[0].data == target.bytes_written == 4 * GRANULE
    assert 4 * GRANULE < report.disks[0].sent < 4 * GRANULE + LITTLE


def random_disks(seed: int) -> tuple[bytes, bytes]:
    """Return old and new content: granules of zeros, noise and text, some of them changed."""
    dice = random.Random(seed)

    def granule() -> bytes:
        kinds = (bytes(GRANULE), dice.randbytes(GRANULE), b"text" * (GRANULE // 4))
        return dice.choice(kinds)

    old = [granule() for _unused in range(dice.randrange(1, 100))]
    new = [granule() if dice.random() < 0.3 else kept for kept in old]
    cut = dice.choice((0, 1, 512, 4096, GRANULE - 1))
    end = len(old) * GRANULE - cut
    return b"".join(old)[:end], b"".join(new)[:end]


@pytest.mark.parametrize("seed", range(12), ids=lambda seed: f"dice {seed}")
def test_any_old_content_becomes_any_new_content(rig: Rig, seed: int) -> None:
    old, new = random_disks(seed)
    target = MemoryDisk(old)
    report = rig.sync(rig.source(MemoryDisk(new)), target, connections=1 + seed % 3)
    assert target.content == new
    assert report.disks[0].claim.root == reference_root(new, report.disks[0].claim.algorithm)
    changed = sum(
        min(GRANULE, len(new) - at)
        for at in range(0, len(new), GRANULE)
        if old[at : at + GRANULE] != new[at : at + GRANULE]
    )
    assert report.disks[0].data <= target.bytes_written == changed


def test_zeros_cost_no_data_however_long_they_are(rig: Rig) -> None:
    target = MemoryDisk(noise(16 * CHUNK))
    report = rig.sync(rig.source(MemoryDisk(bytes(16 * CHUNK))), target)
    assert target.content == bytes(16 * CHUNK)
    assert report.disks[0].zero == 16 * CHUNK
    assert report.disks[0].sent < LITTLE


def test_zeros_are_not_written_over_zeros(rig: Rig) -> None:
    content = patched(bytes(8 * CHUNK), (CHUNK + GRANULE, noise(GRANULE)))
    target = MemoryDisk(bytes(8 * CHUNK))
    report = rig.sync(rig.source(MemoryDisk(content)), target)
    assert target.bytes_written == GRANULE
    assert report.disks[0].zero == 8 * CHUNK - GRANULE


def test_a_target_that_was_changed_in_between_is_repaired(rig: Rig) -> None:
    content = noise(4 * CHUNK)
    target = MemoryDisk(patched(content, (CHUNK + 7, b"a tester booted the clone")))
    report = rig.sync(rig.source(MemoryDisk(content)), target)
    assert target.content == content
    assert report.disks[0].data == GRANULE


def test_the_first_sync_zeroes_what_a_larger_target_has_beyond_the_source(rig: Rig) -> None:
    content = noise(CHUNK + 777)
    target = MemoryDisk(noise(3 * CHUNK, seed=2))
    report = rig.sync(rig.source(MemoryDisk(content)), target, initial=True)
    assert target.content == content + bytes(3 * CHUNK - len(content))
    assert report.disks[0].claim.root == reference_root(content, report.disks[0].claim.algorithm)


def test_a_delta_zeroes_what_is_beyond_a_disk_that_took_a_larger_ones_place(rig: Rig) -> None:
    """Metadata at the end of the larger disk (RAID, a partition table's backup) would be found there by the guest."""
    content, end_of_the_larger = noise(CHUNK + 777), noise(512)
    target = MemoryDisk(content + bytes(CHUNK) + end_of_the_larger)
    rig.sync(rig.source(MemoryDisk(content)), target)
    assert target.content == content + bytes(CHUNK + 512)


def test_a_target_that_is_too_small_is_refused_before_any_disk_is_written(rig: Rig) -> None:
    good, small = MemoryDisk(bytes(CHUNK)), MemoryDisk(bytes(2 * CHUNK - 1))
    source = rig.source(MemoryDisk(noise(CHUNK)), MemoryDisk(noise(2 * CHUNK)))
    with pytest.raises(InputError, match=r"memory-sdb has .*2097151.* sdb needs .*2097152"):
        rig.sync(source, good, small)
    assert good.bytes_written == small.bytes_written == 0
    assert source.connection_count == 0


def test_several_disks_cross_one_after_the_other(rig: Rig) -> None:
    contents = [noise(2 * CHUNK + 5), bytes(CHUNK), noise(CHUNK, seed=3)]
    targets = [MemoryDisk(bytes(len(content))) for content in contents]
    report = rig.sync(rig.source(*map(MemoryDisk, contents)), *targets, initial=True)
    assert [disk.content for disk in targets] == contents
    assert [disk.name for disk in report.disks] == ["sda", "sdb", "sdc"]


@pytest.mark.parametrize("at_once", [1, 2, 3, 4])
def test_any_number_of_disks_cross_at_once(rig: Rig, at_once: int) -> None:
    contents = [noise(3 * CHUNK + seed, seed=seed) for seed in range(3)]
    targets = [MemoryDisk(bytes(len(content))) for content in contents]
    source = rig.source(*map(MemoryDisk, contents))
    report = rig.sync(source, *targets, disks_at_once=at_once)
    assert [bytes(target.content) for target in targets] == contents
    assert [disk.name for disk in report.disks] == ["sda", "sdb", "sdc"]
    for disk, content in zip(report.disks, contents):
        assert disk.claim.root == reference_root(content, disk.claim.algorithm)
        assert disk.repaired == 0


def test_disks_at_once_are_really_at_once(rig: Rig) -> None:
    """Each disk waits until the other has been read: one after the other would never end."""
    meeting = threading.Barrier(2, timeout=30.0)

    class MeetingDisk(MemoryDisk):
        has_met = False

        def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
            if not self.has_met:
                self.has_met = True
                meeting.wait()
            return super().read(start, length, buffer)

    disks = [MeetingDisk(noise(CHUNK, seed=seed)) for seed in range(2)]
    targets = [MemoryDisk(bytes(CHUNK)) for _unused in range(2)]
    rig.sync(rig.source(*disks), *targets, disks_at_once=2, connections=1)
    assert [target.content for target in targets] == [disk.content for disk in disks]


def test_a_disk_that_fails_ends_the_others_and_is_the_one_that_is_told(rig: Rig) -> None:
    class DeadDisk(MemoryDisk):
        def write(self, start: int, data: memoryview) -> None:
            raise DiskError("The disk is dead.")

    contents = [noise(2 * CHUNK, seed=seed) for seed in range(2)]
    targets = [MemoryDisk(bytes(2 * CHUNK)), DeadDisk(bytes(2 * CHUNK))]
    with pytest.raises(DiskError, match="The disk is dead"):
        rig.sync(rig.source(*map(MemoryDisk, contents)), *targets, disks_at_once=2)


@pytest.mark.parametrize(("connections", "at_once"), [(-1, 1), (1, 0), (9, 1), (3, 3)])
def test_too_many_connections_are_refused(rig: Rig, connections: int, at_once: int) -> None:
    with pytest.raises(InputError, match="at most 8 connections"):
        rig.plan(1, 1, 1, connections=connections, disks_at_once=at_once)


@pytest.mark.parametrize("connections", [1, 2, 8], ids=lambda count: f"{count} connections")
def test_any_number_of_connections_makes_the_same_disk(rig: Rig, connections: int) -> None:
    content = noise(30 * CHUNK) + bytes(70 * CHUNK)  # Two spans of the work list.
    target = MemoryDisk(bytes(100 * CHUNK))
    rig.sync(rig.source(MemoryDisk(content)), target, initial=True, connections=connections)
    assert target.content == content


CLAIMS = {
    "a first sync has not read back": (True, bytes(CHUNK), "before_write"),
    "a delta has read back": (False, bytes(CHUNK), "read_back"),
    "a first sync that wrote nothing has read all": (True, noise(CHUNK), "read_back"),
}


@pytest.mark.parametrize(("initial", "held", "word"), CLAIMS.values(), ids=CLAIMS.keys())
def test_the_claim_says_how_the_target_was_read(
    rig: Rig, initial: bool, held: bytes, word: str
) -> None:
    report = rig.sync(rig.source(MemoryDisk(noise(CHUNK))), MemoryDisk(held), initial=initial)
    assert report.disks[0].claim.target_read == word


def test_the_claim_carries_the_view_that_the_source_itself_told(rig: Rig) -> None:
    source = rig.source(MemoryDisk(noise(CHUNK)), view=View.STOPPED)
    report = rig.sync(source, MemoryDisk(bytes(CHUNK)), source_view="stopped")
    assert report.disks[0].claim.source_view == "stopped"
    assert report.disks[0].claim.source_read.read == CHUNK


def test_a_view_that_ended_during_the_sync_is_never_claimed(rig: Rig) -> None:
    """A source that counted as stopped was written again before the sync ended."""
    content = noise(CHUNK)
    source = rig.source(MemoryDisk(content), view=View.STOPPED)

    def refuse() -> None:
        raise InputError("Disk sda cannot count as stopped: / can be written.")

    source.export.check_view = refuse
    with pytest.raises(InputError, match="cannot count as stopped"):
        rig.sync(source, MemoryDisk(bytes(CHUNK)), source_view="stopped")


def test_a_plan_that_believes_in_a_better_view_is_refused(rig: Rig) -> None:
    target = MemoryDisk(bytes(CHUNK))
    with pytest.raises(InputError, match="reads disk sda as moving, but the plan says stopped"):
        rig.sync(rig.source(MemoryDisk(noise(CHUNK))), target, source_view="stopped")
    assert target.bytes_written == 0


def test_a_source_of_another_size_than_planned_is_refused(rig: Rig) -> None:
    target = MemoryDisk(bytes(4 * CHUNK))
    with pytest.raises(InputError, match=r"sda of the source has 2.0 MiB .* plan says 3.0 MiB"):
        rig.sync(rig.source(MemoryDisk(noise(2 * CHUNK))), target, sizes=(3 * CHUNK,))
    assert target.bytes_written == 0


def test_a_disk_that_the_run_does_not_export_is_refused(rig: Rig) -> None:
    source = rig.source(MemoryDisk(noise(CHUNK)))
    targets = [MemoryDisk(bytes(CHUNK)) for _unused in range(2)]
    with pytest.raises(InputError, match="source says: The run has no disk 'sdb'; it has sda"):
        rig.sync(source, *targets, sizes=(CHUNK, CHUNK))


class MovingDisk(MemoryDisk):
    """Its server writes while it is read: every read finds the next change made."""

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        """See Disk."""
        read = super().read(start, length, buffer)
        self.content[start] = (self.content[start] + 1) % 256
        return read


def test_a_source_that_changes_while_it_is_read_ends_with_a_claim_of_what_the_target_has(
    rig: Rig,
) -> None:
    old = noise(24 * CHUNK)
    source, target = MovingDisk(old), MemoryDisk(patched(old, (9 * CHUNK, b"old")))
    report = rig.sync(rig.source(source), target)
    claim = report.disks[0].claim
    assert claim.source_view == "moving"
    assert claim.source_unused is None
    assert claim.root == reference_root(target.content, claim.algorithm)
    assert report.disks[0].repaired == 0


class BrokenDisk(MemoryDisk):
    """Fails at one place, for reading or for writing."""

    def __init__(self, content: bytes, *, read_at: int = -1, write_at: int = -1) -> None:
        super().__init__(content)
        self._read_at = read_at
        self._write_at = write_at

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        """See Disk."""
        if start <= self._read_at < start + length:
            raise DiskError(f"Cannot read {length} bytes at {start}: Input/output error.")
        return super().read(start, length, buffer)

    def write(self, start: int, data: memoryview) -> None:
        """See TargetDisk."""
        if start <= self._write_at < start + len(data):
            raise DiskError(f"Cannot write {len(data)} bytes at {start}: No space left on device.")
        super().write(start, data)


BROKEN = {
    "reading the source": (
        BrokenDisk(noise(9 * CHUNK), read_at=7 * CHUNK),
        MemoryDisk(bytes(9 * CHUNK)),
        "source says: Cannot read",
    ),
    "reading the target": (
        MemoryDisk(noise(9 * CHUNK)),
        BrokenDisk(bytes(9 * CHUNK), read_at=7 * CHUNK),
        "Cannot read",
    ),
    "writing the target": (
        MemoryDisk(noise(9 * CHUNK)),
        BrokenDisk(bytes(9 * CHUNK), write_at=7 * CHUNK),
        "No space left",
    ),
}


@pytest.mark.parametrize(("source", "target", "match"), BROKEN.values(), ids=BROKEN.keys())
def test_a_thread_that_fails_fails_the_sync(
    rig: Rig, source: MemoryDisk, target: MemoryDisk, match: str
) -> None:
    with pytest.raises(FerryError, match=match):
        rig.sync(rig.source(source), target)
    result = json.loads((rig.directory / "result.json").read_text())
    assert result["state"] == "failed"
    assert match in result["error"]["what"]


def test_a_sync_that_is_stopped_says_so_and_the_next_one_goes_on(rig: Rig) -> None:
    content = noise(4 * CHUNK)
    source, target = rig.source(MemoryDisk(content)), MemoryDisk(bytes(4 * CHUNK))
    rig.stop.set()
    with pytest.raises(StoppedError):
        rig.sync(source, target)
    state = json.loads((rig.directory / "progress.json").read_text())["state"]
    assert state == "failed"
    rig.sync(source, target)
    assert target.content == content


def test_progress_and_result_are_there_to_be_read(rig: Rig) -> None:
    content = noise(2 * CHUNK) + bytes(CHUNK)
    target = MemoryDisk(bytes(3 * CHUNK))
    report = rig.sync(rig.source(MemoryDisk(content)), target, initial=True)
    progress = json.loads((rig.directory / "progress.json").read_text())
    result = json.loads((rig.directory / "result.json").read_text())
    (disk,) = progress["disks"]
    assert progress["state"] == result["state"] == "done"
    assert (disk["name"], disk["done"], disk["size"]) == ("sda", 3 * CHUNK, 3 * CHUNK)
    assert (disk["same"], disk["zero"], disk["data"]) == (0, CHUNK, 2 * CHUNK)
    assert 2 * CHUNK < disk["sent"] < 2 * CHUNK + LITTLE
    assert result == json.loads(json.dumps({"state": "done", **report.as_dict()}))


def test_a_progress_that_cannot_be_written_costs_neither_sync_nor_result(rig: Rig) -> None:
    (rig.directory / "progress.json").mkdir()
    target = MemoryDisk(bytes(CHUNK))
    rig.sync(rig.source(MemoryDisk(noise(CHUNK))), target)
    assert target.content == noise(CHUNK)
    assert json.loads((rig.directory / "result.json").read_text())["state"] == "done"


TWICE = {
    "a target": (("sda", "/dev/vdb"), ("sdb", "/dev/vdb"), "target disk is synced once"),
    "a source": (("sda", "/dev/vdb"), ("sda", "/dev/vdc"), "source disk is synced once"),
}


@pytest.mark.parametrize(("one", "other", "match"), TWICE.values(), ids=TWICE.keys())
def test_no_disk_is_planned_twice(one: tuple[str, str], other: tuple[str, str], match: str) -> None:
    disks = [{"source": source, "target": target, "size": 1} for source, target in (one, other)]
    with pytest.raises(InputError, match=match):
        plan_sync(run="r", address="a", directory="/d", peer_certificate="", disks=disks)
