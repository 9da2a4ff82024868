# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the changes since a baseline may be believed: each doubt of the field has its name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.baselines import (
    Baseline,
    DeltaReason,
    baseline_of,
    doubt,
    parse_change_id,
)

from tests.unit.plugins.module_utils.vsphere.vsphere_samples import CHANGE_ID, MIB, disk

MAP = CHANGE_ID.rpartition("/")[0]
BASELINE = Baseline(2000, "6000C29-2000", 8 * MIB, CHANGE_ID)
HOST = ("8.0.2", 22380479)


def reason(baseline: Any, new: Any, host: Any = HOST) -> Any:
    found = doubt(baseline, new, host)
    return found.reason if found else None


def test_disk_with_a_later_change_id_is_believed() -> None:
    assert reason(BASELINE, disk(change_id=f"{MAP}/5")) is None


def test_snapshot_of_the_baseline_itself_is_believed() -> None:
    # A run that was killed after its sync was verified, and before its snapshot went.
    assert reason(BASELINE, disk()) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"key": 2001}, DeltaReason.DISK_REPLACED, id="another key"),
        pytest.param({"uuid": "6000C29-x"}, DeltaReason.DISK_REPLACED, id="another backing"),
        pytest.param({"capacity": 9 * MIB}, DeltaReason.CAPACITY_CHANGED, id="grown"),
        pytest.param({"capacity": 7 * MIB}, DeltaReason.CAPACITY_CHANGED, id="shrunk"),
        pytest.param({"change_id": ""}, DeltaReason.NO_CHANGE_ID, id="not tracked"),
        pytest.param({"change_id": "*"}, DeltaReason.CHANGE_ID_UNKNOWN, id="an id of another form"),
        pytest.param({"change_id": "52 3c/9"}, DeltaReason.CHANGE_ID_RESET, id="another map"),
        pytest.param({"change_id": f"{MAP}/3"}, DeltaReason.COUNTER_WENT_BACK, id="an older id"),
    ],
)
def test_disk_that_changed_otherwise_is_doubted(change: Any, expected: DeltaReason) -> None:
    assert reason(BASELINE, replace(disk(), **change)) is expected


def test_disk_without_baseline_is_read_as_a_whole() -> None:
    assert reason(None, disk()) is DeltaReason.NO_BASELINE


def test_disks_without_uuid_are_not_taken_for_the_same() -> None:
    assert reason(replace(BASELINE, uuid=""), disk(uuid="")) is DeltaReason.DISK_UNIDENTIFIED


@pytest.mark.parametrize("stored", ["*", "", "52 3c", "52 3c/x", "/4"])
def test_stored_id_that_names_no_moment_is_doubted(stored: str) -> None:
    assert reason(replace(BASELINE, change_id=stored), disk()) is DeltaReason.CHANGE_ID_UNKNOWN


@pytest.mark.parametrize(
    ("host", "is_doubted"),
    [
        pytest.param(("6.0.0", 3073146), True, id="6.0 update 1"),
        pytest.param(("6.0.0", 3247720), False, id="the patch of November 2015"),
        pytest.param(("5.5.0", 2068190), False, id="5.5"),
        pytest.param(("6.7.0", 1), False, id="6.7"),
        pytest.param(("", 0), False, id="a host that tells nothing"),
    ],
)
def test_hosts_that_lose_changes_are_doubted(host: Any, is_doubted: bool) -> None:
    assert (reason(BASELINE, disk(), host) is DeltaReason.HOST_LOSES_CHANGES) is is_doubted


def test_change_id_is_a_map_and_a_counter() -> None:
    found = parse_change_id(CHANGE_ID)
    assert found is not None
    assert (found.map, found.counter) == (MAP, 4)


def test_baseline_of_a_disk_is_what_a_later_sync_compares_with() -> None:
    assert baseline_of(disk()) == BASELINE


@pytest.mark.parametrize("lacking", ["uuid", "change_id"])
def test_disk_that_cannot_be_found_again_has_no_baseline(lacking: str) -> None:
    without: Any = {lacking: ""}
    assert baseline_of(disk(**without)) is None
