# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that hang: the sync fails and names the disk, though both ends say that they are alive."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.replication import (
    channel,
    lane,
    receiver,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.errors import DiskError
from ansible_collections.ferry.hvm.plugins.module_utils.replication.indexed import IndexOrder
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.target_disks import TargetDisk

from tests.unit.plugins.module_utils.replication.rig import DEADLINE, Rig, noise

SIZE = 9 * CHUNK
AT = 7 * CHUNK


class HangingDisk(MemoryDisk):
    """Its `operation` does not return before the test lets it."""

    def __init__(self, operation: str) -> None:
        super().__init__(noise(SIZE))
        self.operation = operation
        self.answers = threading.Event()

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        """See Disk."""
        self._do("reading", start)
        return super().read(start, length, buffer)

    def write(self, start: int, data: memoryview) -> None:
        """See TargetDisk."""
        self._do("writing", start)
        super().write(start, data)

    def zero(self, start: int, length: int) -> None:
        """See TargetDisk."""
        self._do("zeroing", start)
        super().zero(start, length)

    def flush(self) -> None:
        """See TargetDisk."""
        self._do("a flush", AT)
        super().flush()

    def open(self) -> MemoryDisk:
        """Be opened."""
        self._do("opening", AT)
        return self

    def _do(self, operation: str, start: int) -> None:
        if (operation, start) == (self.operation, AT):
            assert self.answers.wait(DEADLINE)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], HangingDisk]]:
    """Makes disks that hang until the test is over; then whoever waits for them is awaited."""
    monkeypatch.setattr(receiver, "LEAVE", 0.1)
    with contextlib.ExitStack() as stack:

        def make(operation: str) -> HangingDisk:
            disk = HangingDisk(operation)
            stack.callback(disk.answers.set)
            return disk

        yield make
    for thread in threading.enumerate():
        if thread.name.startswith("ferry-sync"):
            thread.join(DEADLINE)
            assert not thread.is_alive()


def sync(
    rig: Rig, source: MemoryDisk, open_disk: Callable[[str], TargetDisk], **options: Any
) -> None:
    """Run one sync with a short limit; unlike the rig it does not wait for the source's threads."""
    served = rig.source(source, **options)
    receiver.run_sync(
        rig.plan(SIZE, stall_limit=0.3),
        stop=rig.stop,
        open_disk=open_disk,
        connect=served.connect,
    )


OPERATIONS = {
    "opening": noise(SIZE),
    "reading": noise(SIZE),
    "writing": noise(SIZE, seed=2),
    "zeroing": bytes(SIZE),
    "a flush": noise(SIZE, seed=2),
}


@pytest.mark.parametrize(("operation", "content"), OPERATIONS.items(), ids=OPERATIONS.keys())
def test_a_target_disk_that_hangs_fails_the_sync(
    rig: Rig, hanging: Callable[[str], HangingDisk], operation: str, content: bytes
) -> None:
    target = hanging(operation)
    with pytest.raises(DiskError, match=f"Target disk memory-sda .* hangs: {operation}"):
        sync(rig, MemoryDisk(content), lambda _path: target.open())
    result = json.loads((rig.directory / "result.json").read_text())
    assert (result["state"], result["error"]["kind"]) == ("failed", "permanent")
    assert "restart of the worker" in result["error"]["hint"]
    assert json.loads((rig.directory / "progress.json").read_text())["state"] == "failed"


def test_a_source_disk_that_hangs_fails_the_sync(
    rig: Rig, hanging: Callable[[str], HangingDisk]
) -> None:
    target = MemoryDisk(bytes(SIZE))
    with pytest.raises(DiskError, match="answered nothing about its disk sda"):
        sync(rig, hanging("reading"), lambda _path: target)


def test_a_disk_that_is_slow_is_not_taken_for_one_that_hangs(rig: Rig) -> None:
    class SlowDisk(MemoryDisk):
        def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
            threading.Event().wait(0.2)
            return super().read(start, length, buffer)

    source, target = SlowDisk(noise(SIZE)), MemoryDisk(bytes(SIZE))
    rig.sync(rig.source(source), target, stall_limit=1.0, connections=1)
    assert target.content == source.content


@pytest.fixture
def lively(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ends say all the time that they are alive."""
    monkeypatch.setattr(lane, "TICK", 0.02)
    monkeypatch.setattr(channel, "ALIVE_INTERVAL", 0.02)


def indexes_of(rig: Rig, path: Path) -> dict[str, IndexOrder]:
    """Return the order for a sync of noise(SIZE) whose sample is all of the disk."""
    first = IndexOrder(str(path), {"disk": "2000"}, 1, "52/1")
    source = rig.source(MemoryDisk(noise(SIZE)), indexes={"sda": first})
    rig.sync(source, MemoryDisk(noise(SIZE)))
    source.export.close()
    return {"sda": first._replace(generation=2, since="52/1", change_id="52/2")}


@pytest.mark.usefixtures("lively")
def test_a_sample_that_is_read_for_longer_than_the_limit_is_no_hang(
    rig: Rig, tmp_path: Path
) -> None:
    class SlowDisk(MemoryDisk):
        def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
            threading.Event().wait(0.04)
            return super().read(start, length, buffer)

    source = rig.source(SlowDisk(noise(SIZE)), indexes=indexes_of(rig, tmp_path / "index"))
    report = rig.sync(source, MemoryDisk(noise(SIZE)), stall_limit=1.0)
    assert report.disks[0].claim.source_read.sampled == SIZE


@pytest.mark.usefixtures("lively")
def test_a_read_of_the_sample_that_hangs_is_found(
    rig: Rig, hanging: Callable[[str], HangingDisk], tmp_path: Path
) -> None:
    indexes = indexes_of(rig, tmp_path / "index")
    target = MemoryDisk(noise(SIZE))
    with pytest.raises(DiskError, match="answered nothing about its disk sda"):
        sync(rig, hanging("reading"), lambda _path: target, indexes=indexes)


@pytest.mark.usefixtures("lively")
def test_a_stream_that_skips_for_longer_than_the_limit_is_no_hang(rig: Rig) -> None:
    """A lost connection has an export begin anew; what it skips takes as long as it took to carry it."""

    class Stream(MemoryDisk):
        came = 0

        @property
        def passed(self) -> int:
            return self.came

        def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
            for _grain in range(8 if self.came == 0 else 0):
                threading.Event().wait(0.2)
                self.came += CHUNK
            return super().read(start, length, buffer)

    source, target = Stream(noise(SIZE)), MemoryDisk(bytes(SIZE))
    rig.sync(rig.source(source), target, stall_limit=1.0, connections=1)
    assert target.content == source.content


def test_a_limit_that_no_disk_can_keep_is_refused(rig: Rig) -> None:
    with pytest.raises(InputError, match="stall_limit"):
        rig.plan(SIZE, stall_limit=0.0)
