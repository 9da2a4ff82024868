# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A source that is one forward stream: asked once, rising, over one connection; right after any accident."""

from __future__ import annotations

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK, GRANULE
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.messages import Order

from tests.unit.plugins.module_utils.replication.rig import Rig, noise, patched
from tests.unit.plugins.module_utils.replication.test_replication_faults import (
    Harm,
    RottenDisk,
    dying,
)

OLD = noise(40 * CHUNK + 4096) + bytes(12 * CHUNK)
NEW = patched(OLD, (7, b"!"), (20 * CHUNK, bytes(3 * CHUNK)), (45 * CHUNK, noise(GRANULE, seed=2)))


class Stream(MemoryDisk):
    """Counts how often it had to begin anew; what lies between two reads is passed."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.begins = 0
        self._at = len(content)

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        self.begins += start < self._at
        self._at = start + length
        return super().read(start, length, buffer)


@pytest.mark.parametrize(
    ("before", "initial"), [(bytes(len(NEW)), True), (OLD, False)], ids=["first sync", "delta"]
)
def test_a_stream_is_read_once_from_its_begin_to_its_end(
    rig: Rig, before: bytes, initial: bool
) -> None:
    stream, target = Stream(NEW), MemoryDisk(before)
    source = rig.source(stream, order=Order.ASCENDING)
    report = rig.sync(source, target, initial=initial, connections=4)
    assert target.content == NEW
    assert stream.begins == 1
    changed = sum(
        min(GRANULE, len(NEW) - at)
        for at in range(0, len(NEW), GRANULE)
        if before[at : at + GRANULE] != NEW[at : at + GRANULE]
    )
    assert report.disks[0].data <= changed


def test_a_stream_that_is_taken_for_a_disk_is_read_right_but_not_once(rig: Rig) -> None:
    stream, target = Stream(NEW), MemoryDisk(OLD)
    rig.sync(rig.source(stream), target, connections=1)
    assert target.content == NEW
    assert stream.begins > 1


def test_a_lost_connection_and_a_bad_write_make_the_stream_begin_anew(rig: Rig) -> None:
    stream, target = Stream(NEW), RottenDisk(OLD, times=1)
    source = rig.source(stream, order=Order.ASCENDING, channel_type=dying(Harm(at=20)))
    report = rig.sync(source, target)
    assert target.content == NEW
    # For the repair at least: the connection may be lost before it has begun, when answers come late.
    assert stream.begins > 1
    assert report.disks[0].repaired == 1
