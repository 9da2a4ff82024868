# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changed extents against the lab's vCenter: they hold every byte that differs, or there is a doubt."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.errors import NoSuchObjectError

from tests.support.vcenter_client import log_in
from tests.support.vsphere_modules import VsphereModules, fresh_modules

MIB = 1 << 20
GRANULE = 64 << 10
SIZE = 8 * MIB
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def modules(tmp_path: Path) -> Iterator[VsphereModules]:
    with fresh_modules(tmp_path / "vcenter", {"size": SIZE}, {"size": 2 * MIB}) as opened:
        yield opened


@pytest.fixture
def baselines(modules: VsphereModules) -> Any:
    """What a first sync would keep; its snapshot is gone."""
    taken = modules.take(change_tracking="enabled")
    modules.remove()
    return taken["baselines"]


def content(modules: VsphereModules, image: Path, snapshot: str = "") -> bytes:
    modules.control.export_raw("web01", 2000, image, snapshot=snapshot)
    return image.read_bytes()


def differing(old: bytes, new: bytes) -> set[int]:
    """The granules in which two disks of one size differ."""
    return {
        start // GRANULE
        for start in range(0, len(old), GRANULE)
        if old[start : start + GRANULE] != new[start : start + GRANULE]
    }


def granules(extents: Any) -> set[int]:
    return {
        n
        for each in extents
        for n in range(each["start"] // GRANULE, (each["start"] + each["length"]) // GRANULE)
    }


@pytest.mark.parametrize(
    "paging",
    [
        {},
        {"page_extents": 1},
        {"page_extents": 3, "page_length": 3 * MIB},
        {"page_length": GRANULE},
        {"page_length": 100_000},
    ],
    ids=str,
)
def test_extents_hold_every_byte_that_differs_however_they_are_paged(
    modules: VsphereModules, baselines: Any, tmp_path: Path, paging: dict[str, int]
) -> None:
    chance = random.Random(7)
    before = content(modules, tmp_path / "disk.raw")
    for _unused in range(25):
        length = chance.choice((1, 512, 4096, 200_000))
        modules.control.write(
            "web01", 2000, chance.randrange(SIZE - length), chance.randbytes(length)
        )
    taken = modules.take()
    modules.control.write("web01", 2000, 0, b"after the snapshot")
    after = content(modules, tmp_path / "disk.raw", taken["moid"])
    modules.control.change_settings(**paging)

    found = modules.changes(baselines)
    assert differing(before, after)
    assert granules(found[2000]["extents"]) == differing(before, after)
    assert found[2000]["changed_bytes"] == len(granules(found[2000]["extents"])) * GRANULE
    assert (found[2001]["extents"], found[2001]["changed_bytes"]) == ([], 0)
    assert found[2000]["baseline"] in taken["baselines"]


def test_deltas_follow_each_other(modules: VsphereModules, baselines: Any) -> None:
    for offset in (0, MIB):
        modules.control.write("web01", 2000, offset, b"x")
        modules.snapshot()
        found = modules.changes(baselines)
        assert found[2000]["extents"] == [{"start": offset, "length": GRANULE}]
        baselines = [each["baseline"] for each in found.values()]
        modules.remove()


def test_snapshot_of_the_baseline_itself_has_no_changes(modules: VsphereModules) -> None:
    taken = modules.take(change_tracking="enabled")
    found = modules.changes(taken["baselines"])
    assert [each["extents"] for each in found.values()] == [[], []]


def doubts(modules: VsphereModules, baselines: Any) -> list[Any]:
    modules.snapshot()
    return [each["delta_reason"] for each in modules.changes(baselines).values()]


def test_reset_of_the_change_id_is_a_doubt(modules: VsphereModules, baselines: Any) -> None:
    modules.control.reset_change_id("web01", 2000)
    assert doubts(modules, baselines) == ["change_id_reset", None]


def test_counter_that_goes_back_is_a_doubt(modules: VsphereModules, baselines: Any) -> None:
    for _unused in range(3):
        modules.snapshot()
        modules.remove()
    modules.snapshot()
    later = [each["baseline"] for each in modules.changes(baselines).values()]
    modules.remove()
    modules.control.rewind_change_id("web01", 2001)
    assert doubts(modules, later) == [None, "counter_went_back"]


def test_fault_of_the_query_is_a_doubt(modules: VsphereModules, baselines: Any) -> None:
    modules.snapshot()
    modules.control.add_fault("file_fault")
    found = modules.changes(baselines)[2000]
    assert (found["delta_reason"], found["extents"]) == ("query_failed", None)
    assert "FileFault" in found["delta_detail"]
    assert modules.changes(baselines)[2000]["delta_reason"] is None


def test_grown_disk_is_a_doubt(modules: VsphereModules, baselines: Any) -> None:
    modules.control.grow("web01", 2001, 3 * MIB)
    assert doubts(modules, baselines) == [None, "capacity_changed"]


def test_added_disk_has_no_baseline_and_a_removed_one_is_not_listed(
    modules: VsphereModules, baselines: Any
) -> None:
    key = modules.control.add_disk("web01", size=MIB)
    modules.control.remove_disk("web01", 2001)
    modules.snapshot()
    found = modules.changes(baselines)
    assert {each: found[each]["delta_reason"] for each in found} == {2000: None, key: "no_baseline"}


def test_tracking_that_was_switched_off_is_a_doubt(modules: VsphereModules, baselines: Any) -> None:
    client = log_in(modules.vcenter)
    client.track(client.vm("web01"), on=False)
    modules.snapshot()
    modules.remove()
    assert set(doubts(modules, baselines)) == {"no_change_id"}
    assert modules.changes(baselines)[2000]["baseline"] is None


def test_vm_without_a_snapshot_of_the_migration_is_refused(
    modules: VsphereModules, baselines: Any
) -> None:
    modules.snapshot(migration_id="other")
    with pytest.raises(NoSuchObjectError, match="no snapshots of migration web01"):
        modules.changes(baselines)
