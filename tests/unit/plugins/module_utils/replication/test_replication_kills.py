# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Either end is killed at every frame of a sync; the next sync ends with the same disk and a true claim."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication import dialer
from ansible_collections.ferry.hvm.plugins.module_utils.replication.channel import Channel
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK, GRANULE
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.messages import Frame

from tests.unit.plugins.module_utils.replication.rig import (
    Killed,
    Rig,
    Source,
    noise,
    patched,
    reference_root,
)

# Old content, new content: same, zero, data and differences in one small disk.
OLD = noise(CHUNK) + bytes(CHUNK) + noise(CHUNK, seed=5) + noise(99, seed=6)
NEW = patched(OLD, (GRANULE, b"new"), (CHUNK, noise(CHUNK, seed=7)), (2 * CHUNK, bytes(CHUNK)))


# A source that was never reached is not dialled again: more likely a wrong address than a fault.
FIRST_CONNECTION = 2


class Reaper:
    """Kills whoever says or hears the frame of this number."""

    def __init__(self, at: int, on_death: Callable[[], None] = lambda: None) -> None:
        self._left = at
        self._on_death = on_death
        self.has_struck = False

    def look(self, channel: Channel) -> None:
        self._left -= 1
        if self._left == -1:
            self.has_struck = True
            channel.close()
            self._on_death()
            raise Killed

    def channel(self) -> type[Channel]:
        """A channel whose owner is killed."""
        reaper = self

        class MortalChannel(Channel):
            def send(self, frame: Frame, payload: bytes | memoryview = b"") -> None:
                reaper.look(self)
                super().send(frame, payload)

            def receive(self, wait: float) -> Frame | None:
                frame = super().receive(wait)
                if frame is not None:
                    reaper.look(self)
                return frame

        return MortalChannel


def test_a_target_that_is_killed_at_any_frame_leaves_a_disk_that_the_next_sync_mends(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in itertools.count():
        reaper = Reaper(at)
        target, source = MemoryDisk(OLD), rig.source(MemoryDisk(NEW))
        with monkeypatch.context() as patch:
            patch.setattr(dialer, "Channel", reaper.channel())
            try:
                rig.sync(source, target, connections=1)
            except Killed:
                assert json.loads((rig.directory / "result.json").read_text())["state"] == "failed"
        sync_and_check(rig, source, target)
        if not reaper.has_struck:
            break
    assert at > 20


def test_a_source_that_is_killed_at_any_frame_is_gone_on_with_after_its_restart(rig: Rig) -> None:
    for at in itertools.count(FIRST_CONNECTION):
        source = rig.source(MemoryDisk(NEW))
        reaper = Reaper(at, on_death=source.restart)
        source.channel_type = reaper.channel()
        target = MemoryDisk(OLD)
        sync_and_check(rig, source, target)
        if not reaper.has_struck:
            break
    assert at > 20


def sync_and_check(rig: Rig, source: Source, target: MemoryDisk) -> None:
    report = rig.sync(source, target, connections=1)
    assert target.content == NEW
    claim = report.disks[0].claim
    assert claim.root == reference_root(NEW, claim.algorithm)
