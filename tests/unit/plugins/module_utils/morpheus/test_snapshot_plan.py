# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps bring a snapshot about, away, or back; and how long the appliance is waited for."""

from __future__ import annotations

from typing import Any, Dict

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus import processes, snapshots
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.client import MorpheusClient
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.errors import (
    AmbiguousNameError,
    NoSuchObjectError,
    NotAllowedNowError,
    StateFailedError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.snapshot_plan import (
    Drop,
    Revert,
    SnapshotSeen,
    Take,
    plan_absent,
    plan_present,
    plan_reverted,
    tell_moved,
)
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.snapshots import (
    Snapshot,
    parse_snapshot,
)

from tests.unit.plugins.module_utils.morpheus.fake_appliance import FakeAppliance, Reply
from tests.unit.plugins.module_utils.morpheus.samples import DATA, ROOT, machine

NAME = "ferry-snapshot-web01.2"


def snapshot(number: int = 5, **changes: Any) -> Snapshot:
    """A snapshot in the words of the vendor's example."""
    thing: Dict[str, Any] = {
        "id": number,
        "name": NAME,
        "description": None,
        "status": "complete",
        "snapshotCreated": "2026-11-28T14:00:00Z",
        "currentlyActive": True,
        "snapshotFiles": [{"id": 1, "volume": {"id": 11}}, {"id": 2, "volume": None}],
        **changes,
    }
    return parse_snapshot(thing)


def seen(*found: Snapshot, **changes: Any) -> SnapshotSeen:
    return SnapshotSeen(machine(**changes), NAME, found)


def test_words_of_the_appliance_are_read() -> None:
    read = snapshot()
    assert (read.description, read.is_active, read.volume_ids) == ("", True, (11,))
    assert not read.is_passing
    assert snapshot(status="Creating").is_passing
    assert not snapshot(status="Failed").is_passing
    assert snapshot(snapshotCreated=None, dateCreated="then").created == "then"


def test_missing_snapshot_is_taken() -> None:
    plan = plan_present(seen(), "Sync 2")
    (step,) = plan.steps
    assert isinstance(step, Take)
    assert (step.name, step.description) == (NAME, "Sync 2")
    assert plan.before == {"snapshots": []}
    assert plan.after == {"snapshots": [{"name": NAME, "status": "complete"}]}


def test_whole_snapshot_is_not_taken_anew() -> None:
    assert not plan_present(seen(snapshot(4, status="failed"), snapshot()), "").is_change


def test_failed_snapshot_makes_room_first() -> None:
    plan = plan_present(seen(snapshot(status="failed")), "")
    assert [type(step) for step in plan.steps] == [Drop, Take]


def test_all_of_the_name_go_the_latest_first() -> None:
    plan = plan_absent(seen(snapshot(4), snapshot(5)))
    assert [step.snapshot.id for step in plan.steps if isinstance(step, Drop)] == [5, 4]
    assert plan.after == {"snapshots": []}
    assert not plan_absent(seen()).is_change


def test_machine_that_is_off_returns_each_time_it_is_asked() -> None:
    plan = plan_reverted(seen(snapshot()), must_exist=True)
    assert [type(step) for step in plan.steps] == [Revert]
    assert plan.after["disks"] == f'as they were at "{NAME}", 2026-11-28T14:00:00Z'


def test_machine_whose_last_revert_was_cut_off_returns() -> None:
    assert plan_reverted(seen(snapshot(), status="failed"), must_exist=True).is_change


def test_running_machine_does_not_return() -> None:
    with pytest.raises(NotAllowedNowError, match="is not off"):
        plan_reverted(seen(snapshot(), status="running", power="on"), must_exist=True)


def test_missing_snapshot_is_an_error_only_where_it_must_exist() -> None:
    assert not plan_reverted(seen(), must_exist=False).is_change
    with pytest.raises(NoSuchObjectError, match=f'no whole snapshot "{NAME}"'):
        plan_reverted(seen(), must_exist=True)


def test_failed_snapshot_is_none_to_return_to() -> None:
    with pytest.raises(NoSuchObjectError):
        plan_reverted(seen(snapshot(status="failed")), must_exist=False)


def test_name_of_two_snapshots_is_none_to_return_to() -> None:
    with pytest.raises(AmbiguousNameError, match="2 snapshots"):
        plan_reverted(seen(snapshot(4), snapshot(5)), must_exist=True)


def test_revert_that_moved_volumes_is_told() -> None:
    worker = {**DATA, "id": 20, "name": "worker", "rootVolume": True, "unitNumber": "0"}
    told = tell_moved(machine(volumes=[worker, DATA]), machine(volumes=[ROOT, DATA]))
    assert 'had volume "worker" (id 20) as root, volume "data" (id 12)' in told
    assert 'has volume "root" (id 11) as root, volume "data" (id 12)' in told
    assert tell_moved(machine(), machine()) == ""


def process(number: int, status: str, **words: str) -> Dict[str, Any]:
    return {"id": number, "processType": {"code": "snapshot"}, "status": status, **words}


def history(appliance: FakeAppliance, *answers: list[Dict[str, Any]]) -> None:
    replies = [Reply({"processes": each}) for each in answers]
    appliance.answers("GET", "/api/instances/100/history", *replies)


def test_watch_sees_only_what_began_since(appliance: FakeAppliance, client: MorpheusClient) -> None:
    old = [process(7, "failed"), process(8, "running")]
    history(appliance, old, old, [*old, process(9, "queued")], [*old, process(9, "complete")])
    watch = processes.watch(client, 100)
    assert [watch.is_quiet() for _again in range(3)] == [True, False, True]


def test_watch_tells_why_the_appliance_failed(
    appliance: FakeAppliance, client: MorpheusClient
) -> None:
    history(appliance, [], [process(9, "failed", error="no space left")])
    watch = processes.watch(client, 100)
    with pytest.raises(StateFailedError, match='"snapshot" for instance 100: no space left'):
        watch.is_quiet()


def test_snapshots_come_oldest_first_and_by_exact_name(
    appliance: FakeAppliance, client: MorpheusClient
) -> None:
    found = [{"id": 9, "name": NAME}, {"id": 7, "name": NAME}, {"id": 8, "name": f"{NAME}1"}]
    appliance.answers("GET", "/api/instances/100/snapshots", Reply({"snapshots": found}))
    listed = snapshots.list_named(client, machine().instance, NAME)
    assert [each.id for each in listed] == [7, 9]
