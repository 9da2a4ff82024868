# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deltas that need not read the target: what they spare, what they find out, and what they must not believe."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import FerryError, InputError
from ansible_collections.ferry.hvm.plugins.module_utils.replication import adoption, indexed
from ansible_collections.ferry.hvm.plugins.module_utils.replication.digests import (
    Algorithm,
    Hasher,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.errors import StoppedError
from ansible_collections.ferry.hvm.plugins.module_utils.replication.index import (
    DoubtError,
    known_head,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.ledger import Ledger
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK, GRANULE
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.plan import (
    TargetRead,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.progress import DiskProgress
from ansible_collections.ferry.hvm.plugins.module_utils.replication.target_index import (
    note_disk,
    take_targets,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.replication.reverted_target import (
    AT,
    TOLD,
    Changes,
    Migration,
)
from tests.unit.plugins.module_utils.replication.rig import Papers, Rig, noise, patched

SIZE = 24 * CHUNK + 5 * GRANULE + 512
ANOTHER_DISK = {"machine": "4203-9f", "disk": "2001", "backing": "6000-c2"}


@pytest.fixture
def migration(rig: Rig, tmp_path: Path) -> Migration:
    """A migration whose first sync was prepared, kept in a snapshot, and booted by a tester since."""
    made = Migration(rig, tmp_path, noise(SIZE))
    made.sync(made.order(), initial=True)
    kept = made.prepare_and_keep(*PREPARATION)
    made.target.content[:] = noise(SIZE, seed=99)  # What a tester's boot did; the revert undoes it.
    made.target.content[:] = kept
    return made


@pytest.fixture
def small_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is remembered the source reads nothing, of what is offered the target two chunks."""
    monkeypatch.setattr(indexed, "LEAST_SAMPLE", 0)
    monkeypatch.setattr(indexed, "SAMPLE", 10**9)
    monkeypatch.setattr(adoption, "LEAST_SAMPLE", 2)
    monkeypatch.setattr(adoption, "SAMPLE", 10**9)


PREPARATION: Changes = [(2 * CHUNK + 8192, noise(8192, seed=5)), (SIZE - 512, b"moved")]
CHANGES: Changes = [(7 * CHUNK, noise(3 * GRANULE, seed=3)), (9 * CHUNK - 5, b"0123456789")]


@pytest.mark.usefixtures("small_samples")
def test_a_target_that_was_reverted_is_read_where_something_changed(migration: Migration) -> None:
    migration.change(*CHANGES)
    report = migration.delta()
    assert migration.is_right
    offered = SIZE - 4 * CHUNK - (5 * GRANULE + 512)
    read = report.claim.target_index
    assert read == TargetRead(offered, offered, 2 * CHUNK, SIZE - offered + 2 * CHUNK)
    assert report.claim.target_read == "index"
    assert report.same + report.zero + report.data == SIZE
    # Besides: what zeroing the tail looks at, and each written granule, which is read back.
    assert migration.target.bytes_read <= read.read + GRANULE + migration.target.bytes_written


@pytest.mark.usefixtures("small_samples")
def test_what_is_read_of_the_target_grows_with_the_change(migration: Migration) -> None:
    read = []
    for count in (0, 4, 12):
        migration.change(*((chunk * CHUNK, b"%d" % count) for chunk in range(count)))
        report = migration.delta()
        assert migration.is_right
        assert report.claim.target_index is not None
        read.append(report.claim.target_index.read - report.claim.target_index.sampled)
        migration.prepare_and_keep()
    prepared = CHUNK + 5 * GRANULE + 512
    assert read == [prepared, 4 * CHUNK, 12 * CHUNK]


def test_a_target_of_which_nothing_changed_is_read_for_the_sample_only(
    migration: Migration,
) -> None:
    migration.delta()
    kept = migration.prepare_and_keep()
    report = migration.delta()
    assert bytes(migration.target.content) == kept
    assert report.claim.target_index == TargetRead(SIZE, SIZE, SIZE, SIZE)
    assert migration.target.bytes_written == 0


def test_the_next_delta_has_an_index_of_what_was_never_read(migration: Migration) -> None:
    """What is adopted goes into the next index as well: its root is that of all of the disk."""
    for number in range(3):
        migration.change((number * 3 * CHUNK + 100, noise(70, seed=number)))
        report = migration.delta()
        assert migration.is_right
        assert report.claim.source_read.read < SIZE
        assert report.claim.target_index is not None
        assert report.claim.target_index.adopted > 0
        migration.prepare_and_keep((number * CHUNK, b"prepared"))


HARM = [
    pytest.param([(12 * CHUNK + 70_000, b"x")], id="one byte"),
    pytest.param([(0, bytes(SIZE))], id="another volume"),
    pytest.param([(23 * CHUNK, noise(GRANULE))], id="a granule"),
]


@pytest.mark.parametrize("harm", HARM)
def test_a_target_that_is_not_what_it_is_said_to_be_is_compared_whole(
    migration: Migration, harm: Changes
) -> None:
    """The sample covers a disk as small as this, so it finds whatever a revert did not bring back."""
    migration.target.content[:] = patched(migration.target.content, *harm)
    migration.change(*CHANGES)
    report = migration.delta()
    assert migration.is_right
    read = report.claim.target_index
    assert read is not None
    assert (read.adopted, report.claim.target_read) == (0, "read_back")
    assert 0 < read.sampled <= read.offered < SIZE <= read.read


@pytest.mark.usefixtures("small_samples")
def test_what_the_sample_does_not_meet_stays_until_all_is_compared(migration: Migration) -> None:
    """The limit of a sample, told in the claim: so a final delta compares."""
    migration.target.content[20 * CHUNK : 20 * CHUNK + 5] = b"wrong"
    reports: list[str] = []
    while not migration.is_right and len(reports) < 5:
        reports.append(migration.delta().claim.target_read)
        migration.prepare_and_keep()
    final = migration.delta(recalls=False)
    assert set(reports[:-1]) <= {"index"}
    assert final.claim.target_read == "read_back"
    assert migration.is_right


def cut(note: Path) -> None:
    note.write_bytes(note.read_bytes()[:-3])


def flip(note: Path) -> None:
    """A digit of an extent: its JSON is as good as before."""
    note.write_bytes(note.read_bytes().replace(b"2105344", b"9105344"))


DOUBTS: dict[str, tuple[Callable[[Path], object], dict[str, Any], str]] = {
    "no note": (lambda note: note.unlink(), {}, "nothing was noted"),
    "an empty note": (lambda note: note.write_bytes(b""), {}, "torn"),
    "a cut note": (cut, {}, "torn"),
    "one digit": (flip, {}, "torn"),
    "another instance": (lambda _note: None, {"instance": "7"}, "of instance 1002, not 7"),
    "another snapshot": (lambda _note: None, {"snapshot": "1045"}, "of snapshot 1044, not 1045"),
    "another volume": (lambda _note: None, {"volumes": {"sda": "8"}}, "of volume 1007, not 8"),
    "no volume": (lambda _note: None, {"volumes": {}}, "does not hold the disk's volume"),
}


@pytest.mark.parametrize(("spoil", "told", "reason"), DOUBTS.values(), ids=DOUBTS)
def test_what_leaves_a_doubt_has_all_compared(
    migration: Migration, spoil: Callable[[Path], object], told: dict[str, Any], reason: str
) -> None:
    spoil(migration.note)
    migration.target.content[5 * CHUNK : 5 * CHUNK + 3] = b"bad"
    report = migration.delta({**TOLD, **told})
    assert reason in migration.doubts["sda"]
    assert report.claim.target_index == TargetRead(0, 0, 0, SIZE)
    assert report.claim.target_read == "read_back"
    assert migration.is_right


ORDERS: dict[str, tuple[dict[str, Any], str]] = {
    "all is read": ({"is_full": True}, "all is to be read"),
    "changes are in doubt": ({"since": ""}, "own index is not used"),
    "changes since another sync": ({"since": "52/7"}, "index is gone"),
}


@pytest.mark.parametrize(("other", "reason"), ORDERS.values(), ids=ORDERS)
def test_without_the_source_s_index_there_is_none_of_the_target(
    migration: Migration, other: dict[str, Any], reason: str
) -> None:
    report = migration.delta(**other)
    assert reason in migration.doubts["sda"]
    assert report.claim.target_index == TargetRead(0, 0, 0, SIZE)
    assert migration.is_right


@pytest.mark.parametrize("damage", ["torn", "another identity"])
def test_an_index_that_does_not_prove_itself_vouches_for_nothing(
    migration: Migration, damage: str
) -> None:
    """It is found when the disk is opened, after the note seemed right."""
    if damage == "torn":
        raw = bytearray(migration.path.read_bytes())
        raw[5000] ^= 1
        migration.path.write_bytes(raw)
    other: dict[str, Any] = {"identity": ANOTHER_DISK} if damage != "torn" else {}
    report = migration.delta(**other)
    assert migration.doubts == {}
    assert report.claim.target_index == TargetRead(0, 0, 0, SIZE)
    assert migration.is_right


def test_a_source_that_changed_though_nobody_told_of_it_vouches_for_nothing(
    migration: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexed, "LEAST_SAMPLE", SIZE // GRANULE + 1)
    migration.source.content[4 * CHUNK] ^= 1
    report = migration.delta()
    assert report.claim.source_read.missed == GRANULE
    assert report.claim.target_index == TargetRead(0, 0, 0, SIZE)
    assert migration.is_right


def test_a_note_of_an_earlier_generation_is_not_believed(migration: Migration) -> None:
    """Roots are equal where the source did not change; what the two preparations changed is not."""
    old = migration.note.read_bytes()
    migration.delta()
    migration.prepare_and_keep((6 * CHUNK, b"prepared otherwise"))
    migration.note.write_bytes(old)
    report = migration.delta()
    assert "another generation" in migration.doubts["sda"]
    assert report.claim.target_index == TargetRead(0, 0, 0, SIZE)
    assert migration.is_right


def test_nothing_is_noted_beside_an_index_of_another_sync(migration: Migration) -> None:
    assert migration.note.exists()
    with pytest.raises(DoubtError, match="no index of that sync"):
        note_disk(str(migration.path), AT, root="00" * 16, extents=[])
    assert not migration.note.exists()


def test_a_note_that_cannot_be_read_is_a_doubt(migration: Migration) -> None:
    migration.note.unlink()
    migration.note.mkdir()
    taken, doubts = take_targets({"sda": migration.order()}, TOLD)
    assert (taken["sda"].prepared, "cannot be taken" in doubts["sda"]) == (None, True)


def test_a_note_of_bytes_outside_of_the_disk_is_a_doubt(migration: Migration) -> None:
    """The index beside it was of a larger disk."""
    head = known_head(str(migration.path))
    assert head is not None
    raw = json.dumps([AT, head.generation, head.root, [[SIZE, 1]]]).encode()
    migration.note.write_bytes(hashlib.sha256(raw).hexdigest().encode() + b"\n" + raw)
    migration.delta()
    assert "outside of the disk" in migration.doubts["sda"]
    assert migration.is_right


def test_what_lies_beyond_the_source_s_disk_is_left_out(migration: Migration) -> None:
    note_disk(str(migration.path), AT, root=migration.root, extents=[(SIZE - 1, 9), (SIZE, 8192)])
    taken, doubts = take_targets({"sda": migration.order()}, TOLD)
    assert (taken["sda"].prepared, doubts) == ([(SIZE - 1, 1)], {})


def test_a_sync_that_may_not_use_a_note_takes_it_all_the_same(migration: Migration) -> None:
    """It is going to write to the target: no later sync may think that it knows what is there."""
    taken, doubts = take_targets({"sda": migration.order()}, None)
    assert (taken["sda"].prepared, doubts) == (None, {})
    assert not migration.note.exists()


@pytest.mark.parametrize("told", [{}, {**TOLD, "volumes": 5}, []], ids=str)
def test_what_is_told_of_a_target_and_cannot_be_read_is_refused(
    migration: Migration, told: Any
) -> None:
    with pytest.raises(InputError, match="told of the target"):
        take_targets({"sda": migration.order()}, told)


def test_a_first_sync_has_no_target_index(rig: Rig) -> None:
    with pytest.raises(InputError, match="no sync has reached"):
        rig.plan(SIZE, initial=True, told={"target_index": True})


class DyingDisk(MemoryDisk):
    """The worker's power fails with its n-th write."""

    writes_left = 3

    def write(self, start: int, data: memoryview) -> None:
        if self.writes_left == 0:
            raise StoppedError("The power failed.")
        self.writes_left -= 1
        super().write(start, data)


@pytest.mark.parametrize("same_sender", [False, True], ids=["a new sender", "the same sender"])
def test_after_a_sync_that_was_killed_the_next_one_compares_all(
    migration: Migration, same_sender: bool
) -> None:
    """Whatever it wrote, and wherever: the note, or what the sender read of it, is of no more use."""
    migration.change(*((chunk * CHUNK, b"changed") for chunk in range(3, 20, 2)))
    whole = migration.target
    migration.target = DyingDisk(whole.content)
    order = migration.order()
    taken, _doubts = take_targets({"sda": order}, TOLD)
    source = migration.rig.source(migration.source, indexes=taken)
    plan: dict[str, Any] = {"told": {"target_index": True}}
    with pytest.raises(FerryError):
        migration.rig.sync(source, migration.target, **plan)
    assert not migration.is_right
    whole.content[:] = migration.target.content
    migration.target = whole
    migration.rig.put_key()
    if not same_sender:
        source.export.close()
        again, doubts = take_targets({"sda": order}, TOLD)
        assert "nothing was noted" in doubts["sda"]
        source = migration.rig.source(migration.source, indexes=again)
    report = migration.rig.sync(source, migration.target, **plan).disks[0]
    source.export.close()
    assert report.claim.target_index == TargetRead(0, 0, 0, SIZE)
    assert migration.is_right


def test_a_sender_that_forgot_what_was_adopted_has_it_asked_again(migration: Migration) -> None:
    """Its account is gone with it: the roots differ, and what it does not account for is compared."""
    migration.change(*CHANGES)
    taken, _doubts = take_targets({"sda": migration.order()}, TOLD)
    source = migration.rig.source(migration.source, indexes=taken)
    first = source.connect

    def connect() -> Any:
        # The fourth, after those that saw the disk, its offer and its data, is to hear the root.
        if source.connection_count == 3:
            source._indexes = {"sda": taken["sda"]._replace(prepared=None)}
            source.restart()
        return first()

    migration.rig.connect = connect
    plan: dict[str, Any] = {"told": {"target_index": True}, "connections": 1}
    report = migration.rig.sync(source, migration.target, **plan).disks[0]
    source.export.close()
    assert report.claim.target_index is not None
    assert report.claim.target_index.adopted > 0
    assert report.repaired > 0
    assert migration.is_right


def test_a_target_that_is_stopped_reads_no_sample_to_its_end() -> None:
    """Of a disk of many TiB that would take minutes."""
    disk, hasher, stop = MemoryDisk(bytes(3 * CHUNK)), Hasher(Algorithm.SHA256), threading.Event()
    offer, ledger = Ledger(disk.size, hasher), Ledger(disk.size, hasher)
    offer.note_granules(1, hasher.zeros(CHUNK))
    stop.set()
    with pytest.raises(StoppedError):
        adoption.Adoption(offer, disk, DiskProgress("sda", disk.size)).try_out(ledger, stop)
    assert (disk.bytes_read, ledger.missing_count) == (0, 3)


SMALL = 3 * CHUNK + 2 * GRANULE + 700
places = st.tuples(st.integers(0, SMALL - 1), st.integers(1, 2 * GRANULE), st.integers(0, 255))
writes = st.lists(places, max_size=5)


def as_changes(found: list[tuple[int, int, int]]) -> Changes:
    return [(start, bytes([fill]) * min(length, SMALL - start)) for start, length, fill in found]


class Story:
    """Some syncs of one random disk: changes of the source, preparations, and what happens to the target."""

    def __init__(self, rig: Rig, seed: int) -> None:
        content = bytearray(noise(SMALL, seed))
        content[CHUNK : CHUNK + 5 * GRANULE] = bytes(5 * GRANULE)
        self.migration = Migration(rig, rig.directory, bytes(content))
        self.migration.sync(self.migration.order(), initial=True)

    def go_on(self, changes: Changes, preparation: Changes, harm: Changes) -> None:
        self.migration.prepare_and_keep(*preparation)
        self.migration.target.content[:] = patched(self.migration.target.content, *harm)
        self.migration.change(*changes)
        report = self.migration.delta()
        assert self.migration.is_right
        assert report.claim.target_index is not None
        assert self.migration.doubts == {}


# Each is up to four syncs: seconds on an idle machine, minutes on one that others use.
@pytest.mark.timeout(600)
@settings(max_examples=20)
@given(seed=st.integers(0, 99), syncs=st.lists(st.tuples(writes, writes, writes), max_size=3))
def test_whatever_changed_anywhere_the_target_becomes_the_source(
    source_papers: Papers,
    target_papers: Papers,
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    syncs: list[Any],
) -> None:
    """Harm that no preparation tells of is within the sample, which covers disks as small as these."""
    rig = Rig(tmp_path_factory.mktemp("story"), source_papers, target_papers)
    story = Story(rig, seed)
    for changes, preparation, harm in syncs:
        story.go_on(as_changes(changes), as_changes(preparation), as_changes(harm))
