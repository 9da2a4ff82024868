# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""vsphere_snapshot against the lab's vCenter, and what both can against the packaged simulator alone.

The packaged simulator is the judge that is not ours; it has no chains and no change tracking.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.errors import (
    AmbiguousNameError,
    CertificateError,
    GoneError,
    LoginError,
    NoSuchObjectError,
    NotAllowedNowError,
)
from pyVmomi import vim

from lab.vcenter.server import local_vcenter
from tests.support.vcenter_client import log_in
from tests.support.vsphere_modules import VsphereModules, diff_of, fresh_modules, plain_modules

MIB = 1 << 20
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(params=["ours", "plain"])
def modules(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VsphereModules]:
    """The lab's vCenter, and the packaged simulator alone."""
    if request.param == "plain":
        with plain_modules(tmp_path) as opened:
            yield opened
    else:
        with fresh_modules(tmp_path, {"size": MIB}, {"size": 2 * MIB}) as opened:
            yield opened


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[VsphereModules]:
    with fresh_modules(tmp_path, {"size": MIB}, {"size": 2 * MIB}) as opened:
        yield opened


def test_snapshot_comes_once_and_goes_once(modules: VsphereModules) -> None:
    taken = modules.snapshot()
    again = modules.snapshot()
    assert (taken.changed, again.changed) == (True, False)
    assert again.result["snapshot"]["moid"] == taken.result["snapshot"]["moid"]
    assert diff_of(again) == {"before": diff_of(taken)["after"], "after": diff_of(taken)["after"]}
    removed, again = modules.remove(), modules.remove()
    assert (removed.changed, again.changed) == (True, False)
    assert removed.result["snapshot"] is None
    assert modules.snapshots() == []


def test_check_mode_says_what_a_run_does_and_does_nothing(modules: VsphereModules) -> None:
    checked = modules.snapshot(check_mode=True)
    assert modules.snapshots() == []
    assert checked.result["snapshot"] is None
    taken = modules.snapshot()
    assert (checked.changed, diff_of(checked)) == (taken.changed, diff_of(taken))
    checked = modules.remove(check_mode=True)
    assert len(modules.snapshots()) == 1
    removed = modules.remove()
    assert (checked.changed, diff_of(checked)) == (removed.changed, diff_of(removed))


def test_snapshot_is_of_all_disks_without_memory(modules: VsphereModules) -> None:
    vm = modules.call("vm_info", name=modules.vm).result["vms"][0]
    taken = modules.take()
    assert [each["key"] for each in taken["disks"]] == [each["key"] for each in vm["disks"]]
    assert [each["capacity"] for each in taken["disks"]] == [
        each["capacity"] for each in vm["disks"]
    ]
    assert [each["has_parent"] for each in taken["disks"]] == [False] * len(vm["disks"])


def test_audit_lists_what_ferry_took_and_for_whom(modules: VsphereModules) -> None:
    modules.snapshot()
    modules.snapshot(migration_id="other")
    found = modules.snapshots(of_ferry=True)
    assert [each["migration_id"] for each in found] == ["web01", "other"]
    assert {each["vm"]["name"] for each in found} == {modules.vm}
    assert [each["name"] for each in modules.snapshots(migration_id="other")] == ["ferry-other"]
    assert len(modules.snapshots(name=modules.vm)) == 2


def test_vm_is_found_by_each_of_its_names(modules: VsphereModules) -> None:
    vm = modules.call("vm_info", name=modules.vm).result["vms"][0]
    for called in (
        {"moid": vm["moid"]},
        {"uuid": vm["instance_uuid"]},
        {"name": vm["path"]},
    ):
        assert modules.call("vm_info", **called).result["vms"] == [vm]


def test_names_that_nothing_has_are_refused(modules: VsphereModules) -> None:
    for called in (
        {"name": "none"},
        {"name": "/DC0/vm/none"},
        {"uuid": "5032a1f0-8f3c-7a1e-2d44-0"},
    ):
        with pytest.raises(NoSuchObjectError, match="There is no VM"):
            modules.snapshot(**called)
    with pytest.raises(GoneError, match="vm-4711"):
        modules.snapshot(moid="vm-4711")
    assert modules.call("vm_info", name="none").result["vms"] == []


def test_wrong_password_is_not_shown(modules: VsphereModules) -> None:
    with pytest.raises(LoginError, match="Check username") as caught:
        modules.call("vm_info", password="s3cret-and-wrong")
    assert "s3cret" not in str(caught.value)


def test_certificate_of_another_authority_is_refused(modules: VsphereModules) -> None:
    with pytest.raises(CertificateError, match="ca_path"):
        modules.call("vm_info", ca_path="/etc/ssl/certs/ca-certificates.crt")


def test_migration_id_that_is_no_name_is_refused(modules: VsphereModules) -> None:
    with pytest.raises(InputError, match="migration_id"):
        modules.snapshot(migration_id="web 01")


def test_name_that_two_vms_have_is_refused(tmp_path: Path) -> None:
    # On a vCenter VMs of one name are in two folders; its search for a uuid tells them apart.
    with plain_modules(tmp_path) as modules:
        vms = modules.call("vm_info").result["vms"]
        assert len({each["name"] for each in vms}) == len(vms) > 1
        move_and_rename(modules, vms[1]["moid"], vms[0]["name"])
        with pytest.raises(AmbiguousNameError, match=f"Give the moid: .*{vms[1]['moid']}"):
            modules.snapshot(name=vms[0]["name"])
        assert len(modules.call("vm_info", name=vms[0]["name"]).result["vms"]) == 2
        assert modules.snapshot(moid=vms[1]["moid"]).changed


def move_and_rename(modules: VsphereModules, moid: str, name: str) -> None:
    """The VM has the name in a folder of its own; by pyvmomi alone."""
    client = log_in(modules.vcenter)
    vm = vim.VirtualMachine(moid, client.service._stub)
    folder = client.content.rootFolder.childEntity[0].vmFolder.CreateFolder("moved")
    client.wait(folder.MoveIntoFolder_Task([vm]))
    client.wait(vm.Rename_Task(name))


def test_quiesced_snapshot_says_so(ours: VsphereModules) -> None:
    taken = ours.take(quiesce="required")
    assert (taken["quiesced"], taken["consistency"]) == (True, "filesystem_consistent")


def test_snapshot_of_a_stopped_vm_says_so_also_later(tmp_path: Path) -> None:
    with fresh_modules(tmp_path, {"size": MIB}, powered_off=True) as modules:
        assert modules.take(quiesce="required")["consistency"] == "powered_off"
        assert not modules.snapshot(quiesce="required").changed


def test_without_tools_quiescing_is_refused_or_left(tmp_path: Path) -> None:
    with fresh_modules(tmp_path, {"size": MIB}, tools_absent=True) as modules:
        with pytest.raises(NotAllowedNowError, match="VMware Tools do not run"):
            modules.snapshot(quiesce="required")
        outcome = modules.snapshot(quiesce="try")
        assert outcome.result["snapshot"]["consistency"] == "crash_consistent"
        assert "as after a crash" in outcome.warnings[0]
        with pytest.raises(NotAllowedNowError, match="was not quiesced"):
            modules.snapshot(quiesce="required")


LOST_DISKS: dict[str, dict[str, Any]] = {
    "independent": {"mode": "independent_persistent"},
    "raw device": {"raw_mapping": "physicalMode"},
    "multi-writer": {"sharing": "sharingMultiWriter"},
    "shared": {"shared_bus": "virtualSharing", "bus": 1},
}


@pytest.mark.parametrize("told", LOST_DISKS)
def test_disk_that_a_snapshot_does_not_hold_is_named(tmp_path: Path, told: str) -> None:
    with fresh_modules(tmp_path, {"size": MIB}, {"size": MIB, **LOST_DISKS[told]}) as modules:
        with pytest.raises(NotAllowedNowError, match=f"disk 2001.*{told}"):
            modules.snapshot()
        assert modules.snapshots() == []


def test_disks_that_are_left_out_are_not_in_the_result(tmp_path: Path) -> None:
    with fresh_modules(
        tmp_path, {"size": MIB}, {"size": MIB, **LOST_DISKS["independent"]}
    ) as modules:
        taken = modules.take(left_out_disks=[2001], change_tracking="enabled")
        assert [each["key"] for each in taken["disks"]] == [2000]
        assert not modules.snapshot(left_out_disks=[2001], change_tracking="enabled").changed


def test_tracking_starts_once_and_each_disk_gets_a_baseline(ours: VsphereModules) -> None:
    outcome = ours.snapshot(change_tracking="enabled")
    assert diff_of(outcome)["after"]["change_tracking"] is True
    taken = outcome.result["snapshot"]
    assert [each["change_id"] for each in taken["disks"]] == [
        each["change_id"] for each in taken["baselines"]
    ]
    assert [each["key"] for each in taken["baselines"]] == [2000, 2001]
    assert not outcome.warnings
    # What started the tracking is gone: the files are those of the disks themselves.
    assert [each["file"] for each in taken["disks"]] == [
        "[datastore1] web01/web01.vmdk",
        "[datastore1] web01/web01_1.vmdk",
    ]
    assert not ours.snapshot(change_tracking="enabled").changed
    ever_taken = ours.control.state()["vms"]["web01"]["last_snapshot"]
    assert ever_taken == 2


def test_tracking_that_takes_one_more_snapshot_gets_it(ours: VsphereModules) -> None:
    """Whether the first snapshot after enabling carries a change id is not told by the API."""
    ours.control.change_settings(late_change_ids=True)
    taken = ours.take(change_tracking="enabled")
    assert all(each["change_id"] for each in taken["disks"])
    assert len(ours.snapshots()) == 1


def test_tracking_that_was_enabled_by_a_killed_run_starts(ours: VsphereModules) -> None:
    """Killed between enabling and the first snapshot: the next one is what starts the tracking."""
    ours.control.change_settings(late_change_ids=True)
    client = log_in(ours.vcenter)
    client.track(client.vm("web01"))
    taken = ours.take(change_tracking="enabled")
    assert all(each["change_id"] for each in taken["disks"])
    assert len(ours.snapshots()) == 1


def test_tracking_is_refused_beside_snapshots(ours: VsphereModules) -> None:
    ours.snapshot(migration_id="other")
    with pytest.raises(NotAllowedNowError, match='while it has snapshots: "ferry-other"'):
        ours.snapshot(change_tracking="enabled")
    outcome = ours.snapshot()
    assert "cannot be read without their parents" in outcome.warnings[0]


def test_vm_facts_tell_what_a_target_is_made_from(tmp_path: Path) -> None:
    vm = {
        "name": "web01",
        "guest_id": "debian12_64Guest",
        "firmware": "efi",
        "memory_mib": 2048,
        "cpus": 2,
        "nics": [{"mac": "00:50:56:01:02:03", "network": "Production"}],
        "disks": [{"size": MIB}, {"size": MIB, "controller": "lsilogic", "bus": 1, "unit": 3}],
    }
    with local_vcenter(tmp_path, {"vms": [vm]}) as vcenter:
        found = VsphereModules(vcenter).call("vm_info").result["vms"][0]
    assert (found["name"], found["firmware"]) == ("web01", "efi")
    assert (found["cpus"], found["memory"]) == (2, 2 << 30)
    assert (found["path"], found["datacenter"]) == ("/DC0/vm/web01", "DC0")
    assert found["guest"]["tools_running"] is True
    assert [(each["mac"], each["network"]) for each in found["interfaces"]] == [
        ("00:50:56:01:02:03", "Production")
    ]
    places = [(each["key"], each["controller"]["bus"], each["unit"]) for each in found["disks"]]
    assert places == [(2000, 0, 0), (2001, 1, 3)]
    assert all(each["uuid"] for each in found["disks"])
