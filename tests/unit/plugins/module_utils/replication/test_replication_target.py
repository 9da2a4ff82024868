# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The target's end of a connection, seen by what its source is asked and in which order."""

from __future__ import annotations

import time

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication import requests
from ansible_collections.ferry.hvm.plugins.module_utils.replication import target as target_file
from ansible_collections.ferry.hvm.plugins.module_utils.replication.channel import Channel
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.messages import (
    Compare,
    CompareGranules,
    Frame,
)

from tests.unit.plugins.module_utils.replication.rig import Rig, noise, patched


class SlowDisk(MemoryDisk):
    """A source's disk that is slower than its target's: questions queue."""

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        """See Disk."""
        time.sleep(0.01)
        return super().read(start, length, buffer)


def test_questions_about_granules_are_not_passed_by_those_about_chunks(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first chunk differs. Its question is larger than the room that one answer makes."""
    monkeypatch.setattr(target_file, "BATCH", 1)
    monkeypatch.setattr(target_file, "FEW", 99)
    monkeypatch.setattr(requests, "UNANSWERED", 300)  # Eight Compare frames of 37 bytes.
    asked: list[type] = []

    class NotingChannel(Channel):
        def receive(self, wait: float) -> Frame | None:
            frame = super().receive(wait)
            if isinstance(frame, (Compare, CompareGranules)):
                asked.append(type(frame))
            return frame

    old = noise(40 * CHUNK)
    new = patched(old, (0, b"!"))
    source, target = rig.source(SlowDisk(new), channel_type=NotingChannel), MemoryDisk(old)
    rig.sync(source, target, connections=1)
    assert target.content == new
    # Asked while the first answer was on its way: what fits twice at most.
    assert asked.index(CompareGranules) <= 16
