# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two running servers cross in one run, and both clones boot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import migration
from lab.settings import lab_settings
from lab.up import bring_up, take_down
from tests.support.migration_world import World

pytestmark = [pytest.mark.boots, pytest.mark.soak, pytest.mark.timeout(3000)]

SOURCES = ("web01", "db01")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    lab = lab_settings("two-servers", 5)
    take_down(lab, keep=False)
    bring_up(lab, SOURCES)
    try:
        yield World.of(lab, migration.build_worker_image())
    finally:
        take_down(lab, keep=False)


def test_two_servers_cross_in_one_run(world: World) -> None:
    file_counts = {name: migration.source_report(world.lab, name).file_count for name in SOURCES}
    report = world.sync("initial_os", ",".join(SOURCES))
    assert set(report) == set(SOURCES)
    for name, file_count in file_counts.items():
        assert world.await_proof(name, 0, file_count) == []
    assert world.leftovers(*SOURCES) == []
