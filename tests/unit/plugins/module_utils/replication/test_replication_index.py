# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Syncs with an index: what they read of the source, what they find out, and what they must not believe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError, RestartSyncError
from ansible_collections.ferry.hvm.plugins.module_utils.replication import indexed
from ansible_collections.ferry.hvm.plugins.module_utils.replication.digests import (
    FUNCTIONS,
    Algorithm,
    Hasher,
    Offer,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.export import Export
from ansible_collections.ferry.hvm.plugins.module_utils.replication.geometry import Span
from ansible_collections.ferry.hvm.plugins.module_utils.replication.index import (
    HEAD_SIZE,
    DoubtError,
    Head,
    Index,
    IndexWriter,
    known_head,
    open_index,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.indexed import (
    ChangedGranules,
    IndexOrder,
    read_index_order,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK, GRANULE
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.plan import DiskReport

from tests.unit.plugins.module_utils.replication.rig import Rig, noise, patched, reference_root

SIZE = 24 * CHUNK + 5 * GRANULE + 512
ZEROS = bytes(3 * CHUNK)
OLD = noise(9 * CHUNK) + ZEROS + noise(SIZE - 12 * CHUNK, seed=2)
IDENTITY = {"machine": "4203-9f", "disk": "2000", "backing": "6000-c2"}


class Migration:
    """One disk that is synced again and again, its index in a file."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self.rig = rig
        self.path = folder / "sda.index"
        self.source = MemoryDisk(OLD)
        self.target = MemoryDisk(bytes(SIZE))

    def sync(self, **order: Any) -> DiskReport:
        """Sync with an index; return the report. `source.bytes_read` counts this sync only."""
        self.source.bytes_read = 0
        self.rig.put_key()
        told = IndexOrder(
            **{"path": str(self.path), "identity": IDENTITY, "generation": 2, **order}
        )
        source = self.rig.source(self.source, indexes={"sda": told})
        report = self.rig.sync(source, self.target).disks[0]
        source.export.close()
        return report

    def change(self, *changes: tuple[int, bytes]) -> list[tuple[int, int]]:
        """Change the source; return the extents that tell of it."""
        self.source.content[:] = patched(self.source.content, *changes)
        return [(start, len(piece)) for start, piece in changes]

    @property
    def is_right(self) -> bool:
        """Whether the target is the source's equal."""
        return bytes(self.target.content) == bytes(self.source.content)


@pytest.fixture
def migration(rig: Rig, tmp_path: Path) -> Migration:
    """A migration after its first sync, which made the index of change id 52/1."""
    made = Migration(rig, tmp_path)
    first = made.sync(generation=1, change_id="52/1")
    assert made.is_right
    assert (first.claim.source_read.read, first.claim.source_read.indexed) == (SIZE, 0)
    return made


@pytest.fixture
def no_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of granules that no extent touches none is read."""
    monkeypatch.setattr(indexed, "LEAST_SAMPLE", 0)
    monkeypatch.setattr(indexed, "SAMPLE", 10**9)


CHANGES = [
    (3, b"at the very start"),
    (5 * CHUNK + 17 * 4096, noise(4096, seed=3)),
    (7 * CHUNK - 2000, noise(4000, seed=4)),
    (10 * CHUNK, noise(CHUNK, seed=5)),
    (20 * CHUNK, bytes(2 * CHUNK)),
    (SIZE - 100, b"at the end"),
]


@pytest.mark.usefixtures("no_sample")
def test_a_delta_reads_what_changed_and_no_more(migration: Migration) -> None:
    extents = migration.change(*CHANGES)
    report = migration.sync(change_id="52/2", since="52/1", extents=extents)
    touched = ChangedGranules(SIZE, extents)
    bound = sum(bin(touched.of_chunk(chunk)).count("1") for chunk in range(25)) * GRANULE
    assert migration.is_right
    assert 0 < migration.source.bytes_read <= bound
    assert report.claim.source_read.read == migration.source.bytes_read
    assert report.claim.source_read.missed == report.claim.source_read.sampled == 0
    assert report.claim.root == reference_root(migration.source.content, report.claim.algorithm)


@pytest.mark.usefixtures("no_sample")
def test_a_target_that_was_written_to_is_mended_from_what_is_read(migration: Migration) -> None:
    """A tester booted the clone: its granules are read although the source never changed."""
    harm = [(2 * CHUNK, b"log"), (9 * CHUNK, noise(GRANULE)), (15 * CHUNK + 1, bytes(3 * GRANULE))]
    migration.target.content[:] = patched(migration.target.content, *harm)
    migration.sync(change_id="52/2", since="52/1")
    assert migration.is_right
    assert 0 < migration.source.bytes_read <= 5 * GRANULE


@pytest.mark.usefixtures("no_sample")
def test_each_delta_is_the_base_of_the_next(migration: Migration) -> None:
    for number in range(2, 6):
        extents = migration.change((number * CHUNK, noise(300, seed=number)))
        told = {"change_id": f"52/{number}", "since": f"52/{number - 1}"}
        migration.sync(**told, extents=extents)
        assert migration.is_right
        assert migration.source.bytes_read == GRANULE


@pytest.mark.usefixtures("no_sample")
def test_a_sampled_sync_claims_no_more_than_it_read(migration: Migration) -> None:
    migration.change((4 * CHUNK, b"nobody tells of this"))
    read = migration.sync(change_id="52/2", since="52/1").claim.source_read
    assert not migration.is_right
    assert (read.read, read.indexed, read.sampled) == (0, SIZE, 0)


def test_a_missed_change_is_found_by_reading_all(migration: Migration) -> None:
    migration.change((4 * CHUNK, b"nobody tells of this"), (SIZE - 9, b"nor this"))
    extents = migration.change((6 * CHUNK, b"of this they do"))
    told = {"change_id": "52/2", "since": "52/1", "extents": extents}
    read = migration.sync(**told, is_full=True).claim.source_read
    assert migration.is_right
    assert read.missed == GRANULE + 512
    assert read.indexed == 0


def test_a_missed_change_in_the_sample_ends_the_belief_in_the_index(
    migration: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexed, "LEAST_SAMPLE", SIZE // GRANULE + 1)
    migration.change((4 * CHUNK, b"nobody tells of this"))
    read = migration.sync(change_id="52/2", since="52/1").claim.source_read
    assert migration.is_right
    assert read.missed == GRANULE
    assert read.sampled == SIZE
    assert read.indexed == 0
    assert migration.sync(change_id="52/3", since="52/2").claim.source_read.missed == 0


def test_the_digest_of_an_index_is_kept_however_the_calibration_ends(migration: Migration) -> None:
    head = known_head(str(migration.path))
    assert head is not None
    first = head.algorithm
    told = IndexOrder(str(migration.path), IDENTITY, 2, "52/2", since="52/1")
    export = Export({}, [], indexes={"sda": told})
    other = next(each for each in FUNCTIONS if each.name.lower() != first)
    export.offers = [Offer(Algorithm[first.upper()], 1), Offer(other, 10**9)]
    assert [offer.algorithm.name.lower() for offer in export.offers_to(export.offers)] == [first]
    assert export.offers_to([Offer(other, 5)]) == export.offers
    migration.path.write_bytes(b"")
    assert export.offers_to(export.offers) == export.offers


@pytest.mark.usefixtures("no_sample")
def test_a_lie_that_is_met_on_the_way_fails_the_sync_and_the_next_one_reads_all(
    migration: Migration,
) -> None:
    """The target needs a granule that the index has, and it is not what the index says."""
    migration.change((4 * CHUNK, b"nobody tells of this"))
    migration.target.content[4 * CHUNK : 4 * CHUNK + 5] = b"other"
    with pytest.raises(RestartSyncError, match="no changed extent told of it"):
        migration.sync(change_id="52/2", since="52/1")
    assert migration.sync(change_id="52/2", since="52/1").claim.source_read.indexed == 0
    assert migration.is_right


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-16])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[HEAD_SIZE + 77] ^= 4
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": cut,
    "one bit": flip,
    "another file": lambda path: path.write_bytes(b"#" * HEAD_SIZE),
    "a head that is no JSON": lambda path: path.write_bytes(
        path.read_bytes().replace(b'"identity"', b"'identity'")
    ),
    "a head that lacks a field": lambda path: path.write_bytes(
        path.read_bytes().replace(b'"root"', b'"toor"')
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_an_index_that_is_damaged_is_not_believed(
    migration: Migration, damage: Callable[[Path], object]
) -> None:
    damage(migration.path)
    migration.change((4 * CHUNK, b"nobody tells of this"))
    read = migration.sync(change_id="52/2", since="52/1").claim.source_read
    assert migration.is_right
    assert (read.indexed, read.sampled) == (0, 0)
    assert migration.sync(change_id="52/3", since="52/2").claim.source_read.indexed == SIZE


@pytest.mark.parametrize(
    "difference",
    [
        {"identity": {**IDENTITY, "disk": "2001"}},
        {"identity": {**IDENTITY, "backing": "another"}},
        {"since": "53/1"},
        {"since": ""},
    ],
    ids=str,
)
def test_an_index_of_something_else_is_not_believed(
    migration: Migration, difference: dict[str, Any]
) -> None:
    migration.change((4 * CHUNK, b"nobody tells of this"))
    order = {"change_id": "52/2", "since": "52/1", **difference}
    assert migration.sync(**order).claim.source_read.indexed == 0
    assert migration.is_right


def test_a_sync_that_does_not_end_leaves_the_last_index(migration: Migration) -> None:
    before = migration.path.read_bytes()
    writer = IndexWriter(str(migration.path), SIZE)
    writer.note(0, (b"x" * 16,) * 16)
    writer.close()
    assert migration.path.read_bytes() == before
    assert list(migration.path.parent.glob("*.new")) == []


def test_a_sync_goes_on_where_no_index_can_be_kept(
    migration: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk of the source worker is full, and later its folder is gone: the old index serves, no new one comes."""

    def full(_writer: IndexWriter, _chunk: int, _granules: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(IndexWriter, "note", full)
    migration.sync(change_id="52/2", since="52/1", extents=migration.change(*CHANGES))
    assert migration.is_right
    assert json_head(migration.path)["change_id"] == "52/1"
    assert list(migration.path.parent.glob("*.new")) == []
    migration.path = migration.path.parent / "gone" / "sda.index"
    migration.sync(change_id="52/3", since="52/2", extents=migration.change((0, b"again")))
    assert migration.is_right


def test_what_does_not_make_the_agreed_root_becomes_no_index(tmp_path: Path) -> None:
    path = tmp_path / "index"
    writer = IndexWriter(str(path), SIZE)
    head = Head(IDENTITY, SIZE, "sha256", "52/1", 1, "00" * 16)
    hasher = Hasher(Algorithm.SHA256)
    with pytest.raises(DoubtError, match="root"):
        writer.finish(head, hasher)
    writer.close()
    assert not path.exists()


def test_an_index_that_is_closed_touches_no_descriptor(migration: Migration) -> None:
    """A newer sync closed it: its number may by now be a disk's."""
    head = Head(IDENTITY, SIZE, json_head(migration.path)["algorithm"], "52/1", 1, "")
    index = open_index(str(migration.path), head)
    assert isinstance(index, Index)
    index.close()
    with pytest.raises(RestartSyncError, match="newer sync"):
        index.granules(Span(0, CHUNK))


def json_head(path: Path) -> dict[str, Any]:
    raw = path.read_bytes()[:HEAD_SIZE]
    found: dict[str, Any] = json.loads(raw[raw.index(b"{") : raw.rindex(b"}") + 1])
    return found


@pytest.mark.parametrize("extent", [(-1, 5), (0, SIZE + 1), (SIZE, 1), (5, -1)])
def test_an_extent_outside_of_the_disk_is_refused(extent: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="outside of the disk"):
        ChangedGranules(SIZE, [extent])


def test_extents_are_rounded_outward() -> None:
    changed = ChangedGranules(4 * CHUNK, [(GRANULE - 1, 2), (CHUNK - 1, CHUNK + 2)])
    assert [changed.of_chunk(chunk) for chunk in range(4)] == [0x8003, 0xFFFF, 0x0001, 0]


def test_the_sample_is_of_what_no_extent_touches() -> None:
    changed = ChangedGranules(1000 * CHUNK, [(0, 500 * CHUNK)])
    sample = changed.sample(200, 10)
    assert len(sample) == 500 * 16 // 200
    assert sample == sorted(set(sample))
    assert min(sample) >= 500 * 16
    assert changed.sample(200, 10) != sample
    assert len(changed.sample(1, 10**9)) == 500 * 16


def test_an_order_that_is_wrong_is_refused() -> None:
    with pytest.raises(InputError, match="order for an index"):
        read_index_order({"path": "/x"})
