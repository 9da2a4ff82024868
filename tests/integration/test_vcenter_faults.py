# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's vCenter: what it can be made to do wrong, and what a restart leaves."""

from __future__ import annotations

import http.client
import os
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

from lab.errors import LabError
from lab.vcenter.server import start_vcenter, stop_vcenter
from tests.support.vcenter_client import (
    DEADLINE,
    KIB64,
    Client,
    changed_areas,
    disk_of,
    fresh_client,
    log_in,
)

MIB = 1 << 20


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with fresh_client(tmp_path / "vcenter", {"size": 64 * MIB}) as opened:
        yield opened


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        ("application_quiesce", vim.fault.ApplicationQuiesceFault),
        ("filesystem_quiesce", vim.fault.FilesystemQuiesceFault),
        ("snapshot", vim.fault.GenericVmConfigFault),
    ],
)
def test_a_snapshot_fails_once_and_leaves_nothing(
    client: Client, kind: str, raised: type[Exception]
) -> None:
    vm = client.vm("web01")
    client.vcenter.control.add_fault(kind)

    with pytest.raises(raised):
        client.take_snapshot(vm, quiesce=True)

    assert vm.snapshot is None
    assert disk_of(vm).backing.parent is None
    client.take_snapshot(vm, quiesce=True)


def test_a_snapshot_whose_removal_fails_stays(client: Client) -> None:
    vm = client.vm("web01")
    snapshot = client.take_snapshot(vm)
    client.vcenter.control.add_fault("removal")

    with pytest.raises(vim.fault.GenericVmConfigFault):
        client.remove_snapshot(snapshot)

    assert vm.snapshot.currentSnapshot == snapshot
    client.remove_snapshot(snapshot)


def test_a_call_whose_answer_is_lost_was_carried_out(client: Client) -> None:
    vm = client.vm("web01")
    client.vcenter.control.add_fault("soap_lost_answer", method="CreateSnapshot_Task")

    with pytest.raises((http.client.HTTPException, ConnectionError)):
        vm.CreateSnapshot_Task("lost", "", False, False)

    last = time.monotonic() + DEADLINE
    while vm.snapshot is None:
        assert time.monotonic() < last
    assert [each.name for each in vm.snapshot.rootSnapshotList] == ["lost"]


def test_a_busy_vcenter_answers_with_503(client: Client) -> None:
    vm = client.vm("web01")
    client.take_snapshot(vm)
    for kind in ("soap_unavailable", "file_unavailable"):
        client.vcenter.control.add_fault(kind)

    assert client.get(client.folder("web01/web01-flat.vmdk"))[0] == 503
    assert client.get(client.folder("web01/web01-flat.vmdk"))[0] == 200
    with pytest.raises(http.client.HTTPException, match="503"):
        vm.Reload()
    assert vm.name == "web01"


def test_a_waiting_client_is_woken_by_the_end_of_a_task(client: Client) -> None:
    task = client.vm("web01").CreateSnapshot_Task("s", "", False, False)

    assert WaitForTask(task) == "success"
    assert task.info.entity._moId == "vm-101"


def test_a_fault_may_be_for_another_machine(client: Client) -> None:
    client.vcenter.control.add_fault("snapshot", vm="db01")

    client.take_snapshot(client.vm("web01"))

    assert [each["kind"] for each in client.vcenter.control.state()["faults"]] == ["snapshot"]


def test_a_failed_consolidation_is_seen_only_by_who_looks(client: Client) -> None:
    vm = client.vm("web01")
    snapshot = client.take_snapshot(vm)
    client.vcenter.control.add_fault("consolidation")

    client.remove_snapshot(snapshot)

    assert vm.snapshot is None
    assert vm.runtime.consolidationNeeded is True


def test_the_changed_areas_fail_once(client: Client) -> None:
    vm = client.vm("web01")
    client.track(vm)
    snapshot = client.take_snapshot(vm)
    client.vcenter.control.add_fault("file_fault")

    with pytest.raises(vim.fault.FileFault):
        vm.QueryChangedDiskAreas(snapshot, 2000, 0, "*")
    assert changed_areas(vm, snapshot, "*") == []


def test_a_slow_task_lets_the_machine_answer_meanwhile(client: Client) -> None:
    vm = client.vm("web01")
    client.vcenter.control.add_fault("slow_task", seconds=1.0)
    began = time.monotonic()

    task = vm.CreateSnapshot_Task("slow", "", False, False)

    assert client.read(task, "info.state") == "running"
    assert vm.snapshot is None
    client.wait(task)
    assert time.monotonic() - began >= 1.0


def test_a_snapshot_leaves_the_tree_before_its_disks_are_merged(client: Client) -> None:
    vm = client.vm("web01")
    snapshot = client.take_snapshot(vm)
    client.vcenter.control.add_fault("slow_task", seconds=1.0)

    task = snapshot.RemoveSnapshot_Task(False)

    assert vm.snapshot is None
    assert vm.runtime.consolidationNeeded is True
    assert task in vm.recentTask
    client.wait(task)
    assert vm.runtime.consolidationNeeded is False


def test_an_expired_session_is_refused_everywhere(client: Client) -> None:
    vm = client.vm("web01")
    client.take_snapshot(vm)

    client.vcenter.control.expire_sessions()

    with pytest.raises(vim.fault.NotAuthenticated):
        vm.CreateSnapshot_Task("s", "", False, False)
    with pytest.raises(vim.fault.NotAuthenticated):
        client.read(vm, "name")
    assert client.get(client.folder("web01/web01-flat.vmdk"))[0] == 401
    assert log_in(client.vcenter).vm("web01").name == "web01"


def test_an_idle_session_expires(tmp_path: Path) -> None:
    with fresh_client(tmp_path, options=["-session-timeout", "200ms"]) as client:
        last = time.monotonic() + DEADLINE
        while client.get(client.folder("web01/web01.vmdk"))[0] != 401:
            assert time.monotonic() < last

        with pytest.raises(vim.fault.NotAuthenticated):
            client.read(client.vm("web01"), "name")


def test_a_session_expires_in_the_middle_of_a_read(client: Client) -> None:
    client.take_snapshot(client.vm("web01"))
    client.vcenter.control.add_fault("session_expired", after_bytes=MIB)

    with pytest.raises(http.client.IncompleteRead):
        client.get(client.folder("web01/web01-flat.vmdk"))

    assert client.get(client.folder("web01/web01-flat.vmdk"))[0] == 401


@pytest.mark.parametrize(
    "refused",
    [
        lambda control: control.add_fault("none such"),
        lambda control: control.change_settings(task_second=1),
        lambda control: control.write("web01", 2000, 64 * MIB, b"x"),
        lambda control: control.write("web01", 2001, 0, b"x"),
        lambda control: control.write("db01", 2000, 0, b"x"),
        lambda control: control.grow("web01", 2000, MIB),
    ],
    ids=["fault", "setting", "past the end", "disk", "machine", "smaller"],
)
def test_a_switch_refuses_what_is_not_there(client: Client, refused: Any) -> None:
    with pytest.raises(LabError):
        refused(client.vcenter.control)


def test_a_disk_with_snapshots_does_not_grow(client: Client) -> None:
    client.take_snapshot(client.vm("web01"))

    with pytest.raises(LabError, match="snapshots"):
        client.vcenter.control.grow("web01", 2000, 128 * MIB)


def test_the_switches_need_the_token(client: Client) -> None:
    address = f"{client.vcenter.url}/ferry-lab/state"

    assert client.get(address, {"X-Ferry-Lab-Token": "guessed"})[0] == 403


def restarted(client: Client) -> Client:
    """The same vCenter after a kill."""
    stop_vcenter(client.vcenter.directory)
    return log_in(start_vcenter(client.vcenter.directory, {}))


def test_a_restart_keeps_machines_disks_snapshots_and_tracking(
    client: Client, tmp_path: Path
) -> None:
    vm = client.vm("web01")
    client.track(vm)
    first = client.take_snapshot(vm, "first")
    known = disk_of(first).backing.changeId
    client.vcenter.control.write("web01", 2000, 5 * KIB64, b"x")

    again = restarted(client)

    vm = again.vm("web01")
    assert vm._moId == "vm-101"
    assert vm.snapshot.currentSnapshot._moId == first._moId
    assert disk_of(vm.snapshot.currentSnapshot).backing.changeId == known
    second = again.take_snapshot(vm, "second")
    assert changed_areas(vm, second, known) == [(5 * KIB64, KIB64)]
    assert again.live(tmp_path)[5 * KIB64 :][:1] == b"x"


def test_a_restart_forgets_sessions_and_tasks(client: Client) -> None:
    client.vcenter.control.add_fault("slow_task", seconds=DEADLINE)
    task = client.vm("web01").CreateSnapshot_Task("never", "", False, False)
    cookie = client.cookie()

    again = restarted(client)

    assert again.vm("web01").snapshot is None
    head = {"Cookie": cookie}
    assert again.get(again.folder("web01/web01.vmdk"), head, cookie=False)[0] == 401
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        again.read(type(task)(task._moId, again.service._stub), "info.state")


def test_a_kill_in_the_middle_of_a_merge_loses_nothing(client: Client, tmp_path: Path) -> None:
    vm = client.vm("web01")
    snapshot = client.take_snapshot(vm)
    content = os.urandom(MIB) * 64
    image = tmp_path / "content.raw"
    image.write_bytes(content)
    client.vcenter.control.import_raw("web01", 2000, image)
    base = client.vcenter.directory / "datastore1" / "web01" / "web01-flat.vmdk"

    snapshot.RemoveSnapshot_Task(False)
    last = time.monotonic() + DEADLINE
    with base.open("rb") as file:
        while os.pread(file.fileno(), 16, 0) != content[:16]:
            assert time.monotonic() < last
    again = restarted(client)

    vm = again.vm("web01")
    assert vm.snapshot is None
    assert again.live(tmp_path) == content
    again.wait(vm.ConsolidateVMDisks_Task())
    assert again.live(tmp_path) == content
    assert disk_of(vm).backing.parent is None
    assert base.read_bytes() == content


def test_the_certificate_is_the_labs_own(client: Client) -> None:
    untrusting = http.client.HTTPSConnection(
        client.vcenter.url.removeprefix("https://"), context=ssl.create_default_context()
    )
    with pytest.raises(ssl.SSLCertVerificationError):
        untrusting.request("GET", "/about")
