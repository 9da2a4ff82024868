# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps lead to a snapshot and away from it, and what forbids one."""

from __future__ import annotations

from typing import Any, List, Type

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import FerryError, InputError
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.disks import (
    Controller,
    snapshot_obstacle,
)
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.errors import (
    NotAllowedNowError,
    NotOursError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.snapshot_plan import (
    Consolidate,
    EnableTracking,
    Quiesce,
    Remove,
    SnapshotPlan,
    SnapshotSeen,
    StartTracking,
    Take,
    WantedSnapshot,
    plan_absent,
    plan_present,
)
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.snapshots import (
    OF_A_STOPPED_VM,
    TO_START_TRACKING,
    Snapshot,
)

from tests.unit.plugins.module_utils.vsphere.vsphere_samples import disk, machine, snapshot

FOREIGN = Snapshot("snapshot-9", "before update", "by hand")
OTHERS = snapshot(name="ferry-db01", description="Made by Ferry for migration db01. It goes.")
FOR_TRACKING = snapshot(TO_START_TRACKING, moid="snapshot-2")


def seen(**of_machine: Any) -> SnapshotSeen:
    return SnapshotSeen(machine(**of_machine), "web01")


def present(of_machine: Any = None, **wanted: Any) -> SnapshotPlan:
    return plan_present(seen(**(of_machine or {})), WantedSnapshot("web01", **wanted))


def kinds(plan: SnapshotPlan) -> List[Type[Any]]:
    return [type(step) for step in plan.steps]


def test_snapshot_is_taken_once_for_all_disks() -> None:
    plan = present()
    assert kinds(plan) == [Take]
    assert plan.diff()["before"]["snapshot"] is None
    assert plan.diff()["after"]["snapshot"] == "ferry-web01"


def test_second_run_has_nothing_to_do() -> None:
    plan = present({"snapshots": (snapshot(),)}, quiesce=Quiesce.REQUIRED)
    assert not plan.is_change
    assert plan.before == plan.after


@pytest.mark.parametrize("other", [FOREIGN, OTHERS], ids=["by hand", "another migration's"])
def test_snapshots_of_others_stay(other: Snapshot) -> None:
    assert kinds(present({"snapshots": (other,)})) == [Take]
    assert not plan_absent(seen(snapshots=(other,))).is_change


def test_snapshot_that_only_started_tracking_is_not_taken_for_that_of_a_sync() -> None:
    # Killed between the two: its disks have change ids of a moment that no sync may begin with.
    plan = present({"snapshots": (FOR_TRACKING,)})
    assert plan.steps[0] == Remove(FOR_TRACKING)
    assert kinds(plan) == [Remove, Take]


def test_all_of_a_migration_go_the_youngest_first() -> None:
    found = plan_absent(seen(snapshots=(snapshot(), FOR_TRACKING), needs_consolidation=True))
    assert found.steps == (Remove(FOR_TRACKING), Remove(snapshot()), Consolidate())
    assert found.after["needs_consolidation"] is False


def test_disks_that_a_killed_removal_left_are_merged() -> None:
    assert plan_absent(seen(needs_consolidation=True)).steps == (Consolidate(),)


@pytest.mark.parametrize(
    ("wanted", "of_machine", "is_quiesced", "may_fall_back"),
    [
        pytest.param(Quiesce.REQUIRED, {}, True, False, id="required"),
        pytest.param(Quiesce.TRY, {}, True, True, id="try"),
        pytest.param(
            Quiesce.TRY, {"has_running_tools": False}, False, True, id="try without Tools"
        ),
        pytest.param(Quiesce.NO, {}, False, False, id="no"),
        pytest.param(
            Quiesce.REQUIRED,
            {"power_state": "poweredOff"},
            False,
            False,
            id="required, powered off",
        ),
    ],
)
def test_quiescing_is_asked_of_a_running_guest(
    wanted: Quiesce, of_machine: Any, is_quiesced: bool, may_fall_back: bool
) -> None:
    step = present(of_machine, quiesce=wanted).steps[0]
    assert isinstance(step, Take)
    assert (step.is_quiesced, step.may_fall_back) == (is_quiesced, may_fall_back)


def test_snapshot_says_that_its_vm_was_off() -> None:
    step = present({"power_state": "poweredOff"}).steps[0]
    assert isinstance(step, Take)
    assert OF_A_STOPPED_VM in step.description


def test_tracking_of_a_running_vm_starts_with_a_snapshot_of_its_own() -> None:
    plan = present(enables_tracking=True)
    assert kinds(plan) == [EnableTracking, StartTracking, Take]
    assert plan.before["change_tracking"] is False
    assert plan.after["change_tracking"] is True


def test_tracking_of_a_stopped_vm_starts_at_once() -> None:
    plan = present({"power_state": "poweredOff"}, enables_tracking=True)
    assert kinds(plan) == [EnableTracking, Take]


def test_tracking_that_is_on_is_left_alone() -> None:
    plan = present({"is_tracking_changes": True, "snapshots": (FOREIGN,)}, enables_tracking=True)
    assert kinds(plan) == [Take]


def test_tracking_that_is_on_is_not_said_to_go_off() -> None:
    assert present({"is_tracking_changes": True}).after["change_tracking"] is True


SHARED = disk(2001, controller=Controller(1001, "LsiLogic", 1, "virtualSharing"))


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        pytest.param(disk(2001, mode="independent_persistent"), "independent", id="independent"),
        pytest.param(
            disk(2001, mode="independent_nonpersistent"), "independent", id="nonpersistent"
        ),
        pytest.param(disk(2001, raw_mapping="physicalMode"), "raw device", id="physical RDM"),
        pytest.param(disk(2001, sharing="sharingMultiWriter"), "multi-writer", id="multi-writer"),
        pytest.param(SHARED, "shared with other VMs", id="shared bus"),
    ],
)
def test_disk_that_a_snapshot_does_not_hold_stops_it_until_it_is_named(
    lost: Any, told: str
) -> None:
    disks = {"disks": (disk(2000), lost)}
    with pytest.raises(NotAllowedNowError, match=told):
        present(disks)
    assert kinds(present(disks, left_out=frozenset({2001}))) == [Take]


def test_raw_mapping_in_virtual_mode_is_in_the_snapshot() -> None:
    assert snapshot_obstacle(disk(raw_mapping="virtualMode")) == ""


@pytest.mark.parametrize(
    ("of_machine", "wanted", "error", "told"),
    [
        pytest.param(
            {"has_running_tools": False},
            {"quiesce": Quiesce.REQUIRED},
            NotAllowedNowError,
            "VMware Tools do not run",
            id="quiesce required without Tools",
        ),
        pytest.param(
            {"snapshots": (snapshot(is_quiesced=False),)},
            {"quiesce": Quiesce.REQUIRED},
            NotAllowedNowError,
            "was not quiesced",
            id="quiesce required of one that was taken without",
        ),
        pytest.param(
            {"snapshots": (FOREIGN,)},
            {"enables_tracking": True},
            NotAllowedNowError,
            'while it has snapshots: "before update"',
            id="tracking beside a snapshot",
        ),
        pytest.param(
            {"snapshots": (snapshot(),)},
            {"enables_tracking": True},
            NotAllowedNowError,
            "while it has snapshots",
            id="tracking beside our own",
        ),
        pytest.param(
            {"can_track_changes": False},
            {"enables_tracking": True},
            NotAllowedNowError,
            "cannot track changes",
            id="tracking that the host does not offer",
        ),
        pytest.param(
            {"hardware_version": 4},
            {"enables_tracking": True},
            NotAllowedNowError,
            "virtual hardware 4",
            id="tracking of old hardware",
        ),
        pytest.param({}, {"left_out": frozenset({7})}, InputError, "key 7", id="no such disk"),
        pytest.param({"is_template": True}, {}, NotAllowedNowError, "template", id="template"),
        pytest.param(
            {"power_state": "suspended"}, {}, NotAllowedNowError, "suspended", id="suspended"
        ),
        pytest.param(
            {"connection_state": "disconnected"},
            {},
            NotAllowedNowError,
            "disconnected",
            id="lost host",
        ),
        pytest.param(
            {"snapshots": (Snapshot("snapshot-5", "ferry-web01", "by hand"),)},
            {},
            NotOursError,
            "does not carry Ferry's mark",
            id="our name on another's",
        ),
        pytest.param(
            {"snapshots": (snapshot(), snapshot(moid="snapshot-3"))},
            {},
            NotAllowedNowError,
            "2 snapshots of migration web01",
            id="two of ours",
        ),
    ],
)
def test_snapshot_is_refused(
    of_machine: Any, wanted: Any, error: Type[FerryError], told: str
) -> None:
    with pytest.raises(error, match=told):
        present(of_machine, **wanted)
