# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A long fat link is kept full: what a target asks for before the first answer comes.

No answer is given until as much was asked for as 10 Gbit/s carry in 100 ms, over one connection. A target that
asked for less would wait for ever, and so no clock is needed to see it.
"""

from __future__ import annotations

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication.answers import Answers
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.messages import Request

from tests.unit.plugins.module_utils.replication.rig import Rig

pytestmark = pytest.mark.timeout(120)

ON_THE_WAY = 10_000_000_000 // 8 // 10
SIZE = 160 * CHUNK


def marked(byte: int) -> bytearray:
    """Chunks that are not zero."""
    content = bytearray(SIZE)
    content[::CHUNK] = bytes([byte]) * (SIZE // CHUNK)
    return content


DISKS = {
    "a first sync asks for what it lacks": (marked(1), bytearray(SIZE)),
    "a delta compares": (marked(1), marked(1)),
    "a delta compares, and all differs": (marked(1), marked(2)),
}


@pytest.mark.parametrize(("source", "target"), DISKS.values(), ids=DISKS.keys())
def test_a_target_asks_for_enough_to_fill_a_long_link(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, source: bytearray, target: bytearray
) -> None:
    asked = 0
    take_in = Answers.add

    def add(answers: Answers, request: Request) -> None:
        nonlocal asked
        asked += request.length
        take_in(answers, request)

    has_work = Answers.has_work.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(Answers, "add", add)
    monkeypatch.setattr(
        Answers, "has_work", property(lambda self: asked >= ON_THE_WAY and has_work(self))
    )

    disk = MemoryDisk(target)
    rig.sync(rig.source(MemoryDisk(source)), disk, connections=1)

    assert disk.content == source
