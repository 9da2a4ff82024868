# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How syncs begin at a source: each disk for itself, and not longer than they are wanted."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication.digests import Algorithm, Hasher
from ansible_collections.ferry.hvm.plugins.module_utils.replication.errors import (
    DiskError,
    StoppedError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.export import Export
from ansible_collections.ferry.hvm.plugins.module_utils.replication.indexed import (
    SAMPLERS,
    IndexOrder,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK, GRANULE
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk

from tests.unit.plugins.module_utils.replication.rig import DEADLINE, noise

# All granules are in the sample.
SIZE = 9 * CHUNK
HASHER = Hasher(Algorithm.SHA256)


class Watched(MemoryDisk):
    """Its first read lets the test know, and waits for it if told to."""

    def __init__(self, *, waits: bool = False) -> None:
        super().__init__(noise(SIZE))
        self.reading = threading.Event()
        self.goes_on = threading.Event()
        if not waits:
            self.goes_on.set()

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        """See Disk."""
        self.reading.set()
        assert self.goes_on.wait(DEADLINE)
        return super().read(start, length, buffer)


def order_of(path: Path) -> IndexOrder:
    """Return the order for a sync with an index of noise(SIZE), which is there then."""
    first = IndexOrder(str(path), {"disk": "2000"}, 1, "52/1")
    export, disk = make_export({"sda": first}), MemoryDisk(noise(SIZE))
    account = export.begin("sda", bytes(16), disk, HASHER)
    for chunk in range(SIZE // CHUNK):
        start = chunk * CHUNK
        granules = HASHER.granules(memoryview(disk.content)[start : start + CHUNK])
        account.note(chunk, HASHER.chunk(granules), granules)
    account.root(account.ledger.root())
    export.close()
    return first._replace(generation=2, since="52/1", change_id="52/2")


def make_export(orders: dict[str, IndexOrder]) -> Export:
    return Export({}, [], settle=lambda: None, indexes=orders)


def test_a_disk_whose_sample_takes_long_holds_up_no_other(tmp_path: Path) -> None:
    export = make_export({name: order_of(tmp_path / name) for name in ("sda", "sdb")})
    slow, quick = Watched(waits=True), Watched()
    with ThreadPoolExecutor(1) as executor:
        begun = executor.submit(export.begin, "sda", bytes(16), slow, HASHER)
        try:
            assert slow.reading.wait(DEADLINE)
            other = export.begin("sdb", bytes(16), quick, HASHER)
            assert other.indexed is not None
            assert other.indexed.bytes_sampled == SIZE
            assert not begun.done()
        finally:
            slow.goes_on.set()
        assert begun.result(DEADLINE).indexed is not None
    export.close()


def test_what_is_read_before_an_answer_is_counted_by_disk(tmp_path: Path) -> None:
    export = make_export({name: order_of(tmp_path / name) for name in ("sda", "sdb")})
    export.begin("sda", bytes(16), Watched(), HASHER)
    digests = SIZE // GRANULE * 16
    assert export.headway("sda") == digests + SIZE
    assert export.headway("sdb") == 0
    export.close()


def test_a_sample_ends_with_its_run(tmp_path: Path) -> None:
    export, disk = make_export({"sda": order_of(tmp_path / "index")}), Watched(waits=True)
    before = sorted(tmp_path.iterdir())
    with ThreadPoolExecutor(2) as executor:
        begun = executor.submit(export.begin, "sda", bytes(16), disk, HASHER)
        assert disk.reading.wait(DEADLINE)
        export.stop()
        closed = executor.submit(export.close)
        disk.goes_on.set()
        with pytest.raises(StoppedError):
            begun.result(DEADLINE)
        closed.result(DEADLINE)
    assert disk.bytes_read <= SAMPLERS * GRANULE
    assert sorted(tmp_path.iterdir()) == before, "the next index was begun, and is gone"


def test_a_sample_is_read_by_several_at_once(tmp_path: Path) -> None:
    """Of 1 TiB it is 83,886 reads; at some milliseconds each one after the other took ten minutes."""
    at_once = threading.Barrier(SAMPLERS, timeout=DEADLINE)

    class Together(MemoryDisk):
        def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
            at_once.wait()
            return super().read(start, length, buffer)

    assert SIZE // GRANULE % SAMPLERS == 0
    export = make_export({"sda": order_of(tmp_path / "index")})
    account = export.begin("sda", bytes(16), Together(noise(SIZE)), HASHER)
    assert account.indexed is not None
    assert (account.indexed.bytes_sampled, account.indexed.bytes_missed) == (SIZE, 0)
    export.close()


def test_a_read_of_the_sample_that_fails_ends_it(tmp_path: Path) -> None:
    class Failing(MemoryDisk):
        def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
            self.bytes_read += length
            raise DiskError("It is broken.")

    export, disk = make_export({"sda": order_of(tmp_path / "index")}), Failing(noise(SIZE))
    with pytest.raises(DiskError, match="broken"):
        export.begin("sda", bytes(16), disk, HASHER)
    assert disk.bytes_read <= SAMPLERS * GRANULE
    export.close()


def test_no_sync_begins_after_the_end(tmp_path: Path) -> None:
    export = make_export({"sda": order_of(tmp_path / "index")})
    export.close()
    with pytest.raises(StoppedError):
        export.begin("sda", bytes(32), Watched(), HASHER)


def test_an_index_that_proves_itself_ends_with_its_run(tmp_path: Path) -> None:
    """Of a disk of many TiB that takes minutes, too."""

    def stop() -> None:
        export.stop()

    export = Export({}, [], settle=stop, indexes={"sda": order_of(tmp_path / "index")})
    disk = Watched()
    with pytest.raises(StoppedError):
        export.begin("sda", bytes(16), disk, HASHER)
    assert disk.bytes_read == 0
