# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Either end is killed at every frame of a delta that trusts its target; the next sync ends with the same disk."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication import dialer
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK, GRANULE
from ansible_collections.ferry.hvm.plugins.module_utils.replication.target_index import take_targets

from tests.unit.plugins.module_utils.replication.reverted_target import TOLD, Migration
from tests.unit.plugins.module_utils.replication.rig import (
    Killed,
    Rig,
    Source,
    noise,
    reference_root,
)
from tests.unit.plugins.module_utils.replication.test_replication_kills import (
    FIRST_CONNECTION,
    Reaper,
)

OLD = noise(4 * CHUNK) + noise(99, seed=6)
PREPARED = (GRANULE, b"prepared")
CHANGED = (2 * CHUNK + 5, b"changed")


class Reverted:
    """A migration that can be put back to where its target was reverted, as often as wanted."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self._migration = Migration(rig, folder, OLD)
        self._migration.sync(self._migration.order(), initial=True)
        self._kept = self._migration.prepare_and_keep(PREPARED)
        self._files = {
            path: path.read_bytes() for path in (self._migration.path, self._migration.note)
        }
        self._migration.change(CHANGED)
        self._order = self._migration.order()

    def source(self) -> Source:
        """Put all back, and serve the next delta."""
        for path, content in self._files.items():
            path.write_bytes(content)
        self._migration.target.content[:] = self._kept
        taken, doubts = take_targets({"sda": self._order}, TOLD)
        assert doubts == {}
        return self._migration.rig.source(self._migration.source, indexes=taken)

    def sync(self, source: Source) -> None:
        """Sync by the plan that trusts the target."""
        plan: dict[str, Any] = {"told": {"target_index": True}, "connections": 1}
        self._migration.rig.put_key()
        self._report = self._migration.rig.sync(source, self._migration.target, **plan)

    def sync_and_check(self, source: Source) -> None:
        """Sync, and hold the target and the claim against the source."""
        self.sync(source)
        assert self._migration.is_right
        claim = self._report.disks[0].claim
        assert claim.root == reference_root(self._migration.source.content, claim.algorithm)
        source.export.close()


def test_a_target_that_is_killed_at_any_frame_leaves_what_the_next_sync_mends(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reverted = Reverted(rig, tmp_path)
    for at in itertools.count():
        reaper, source = Reaper(at), reverted.source()
        with monkeypatch.context() as patch:
            patch.setattr(dialer, "Channel", reaper.channel())
            try:
                reverted.sync(source)
            except Killed:
                source.join()
        reverted.sync_and_check(source)
        if not reaper.has_struck:
            break
    assert at > 20


def restarted(source: Source) -> Callable[[], None]:
    """A sender that takes the place of a killed one: the note is gone, so it vouches for nothing."""

    def restart() -> None:
        source._indexes = {
            name: order._replace(prepared=None) for name, order in (source._indexes or {}).items()
        }
        source.restart()

    return restart


def test_a_source_that_is_killed_at_any_frame_is_gone_on_with_after_its_restart(
    rig: Rig, tmp_path: Path
) -> None:
    reverted = Reverted(rig, tmp_path)
    for at in itertools.count(FIRST_CONNECTION):
        source = reverted.source()
        reaper = Reaper(at, on_death=restarted(source))
        source.channel_type = reaper.channel()
        reverted.sync_and_check(source)
        if not reaper.has_struck:
            break
    assert at > 20
