# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A long fat link is kept full: what a target asks for before the first answer comes.

No answer is given until as much was asked for as 10 Gbit/s carry in 100 ms, over one connection. A target that
asked for less would wait for ever, and so no clock is needed to see it.
"""

from __future__ import annotations

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication import sync, worklist
from ansible_collections.ferry.hvm.plugins.module_utils.replication import target as target_room
from ansible_collections.ferry.hvm.plugins.module_utils.replication.answers import Answers
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.messages import Request
from ansible_collections.ferry.hvm.plugins.module_utils.replication.sync import connections_for

from tests.unit.plugins.module_utils.replication.rig import Rig

pytestmark = pytest.mark.timeout(120)

ON_THE_WAY = 10_000_000_000 // 8 // 10
SIZE = 160 * CHUNK


def marked(byte: int) -> bytearray:
    """Chunks of zeros but for their first byte, so not zero unless that is 0."""
    content = bytearray(SIZE)
    content[::CHUNK] = bytes([byte]) * (SIZE // CHUNK)
    return content


# What marks the target's chunks; the source's are marked 1. Made by the test: a table of disks would be
# held by each process of the whole run.
TARGETS = {
    "a first sync asks for what it lacks": 0,
    "a delta compares": 1,
    "a delta compares, and all differs": 2,
}


@pytest.mark.parametrize("mark", TARGETS.values(), ids=TARGETS.keys())
def test_a_target_asks_for_enough_to_fill_a_long_link(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, mark: int
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

    source, target = marked(1), MemoryDisk(marked(mark))
    rig.sync(rig.source(MemoryDisk(source)), target, connections=1)

    assert target.content == source


@pytest.mark.parametrize(
    ("rate", "round_trip", "wanted"),
    [
        (0.0, 0.0, 2),
        (10e9 / 8, 0.0002, 2),
        (80e6, 0.1, 2),
        (84e6, 0.1, 3),
        (400e6, 0.08, 8),
    ],
)
def test_connections_follow_what_is_on_its_way(rate: float, round_trip: float, wanted: int) -> None:
    assert connections_for(rate, round_trip) == wanted


@pytest.mark.parametrize(("asked_for", "opened"), [(0, 8), (1, 1), (3, 3)])
def test_a_long_link_gets_more_connections_unless_their_number_was_given(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, asked_for: int, opened: int
) -> None:
    """No answer is given until all the connections are there that may come; one each is for size and root."""
    monkeypatch.setattr(sync, "LOOK", 0.01)
    monkeypatch.setattr(target_room, "MOST_OPEN", 4)  # Else two of them would take all there is.
    monkeypatch.setattr(worklist, "SPAN", CHUNK)
    monkeypatch.setattr(sync, "connections_for", lambda _rate, _round_trip: 99)
    source, target = rig.source(MemoryDisk(marked(1))), MemoryDisk(bytes(SIZE))
    has_work = Answers.has_work.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(
        Answers,
        "has_work",
        property(lambda self: source.connection_count > opened and has_work(self)),
    )
    rig.sync(source, target, connections=asked_for)
    assert target.content == marked(1)
    assert source.connection_count == 1 + opened + 1
