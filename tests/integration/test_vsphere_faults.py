# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong around a snapshot: it ends right or in a clear error, and leaves what it says it leaves.

Runs that were killed are killed: a process of their own gets SIGKILL while the vCenter is at work.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import Outcome
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.errors import (
    NotAsAskedError,
    QuiesceError,
    RefusedError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.waiting import TooSlowError

from lab.vcenter.server import start_vcenter, stop_vcenter
from tests.support.events import await_event
from tests.support.vcenter_client import Client, log_in
from tests.support.vsphere_modules import VsphereModules, connection_of, diff_of, fresh_modules

MIB = 1 << 20
# Long enough for this process to see a task at work, and to do something meanwhile.
SLOW = 3.0
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def modules(tmp_path: Path) -> Iterator[VsphereModules]:
    with fresh_modules(tmp_path, {"size": MIB}, {"size": 2 * MIB}) as opened:
        yield opened


def await_task(client: Client, name: str) -> None:
    """A task of this name works on web01."""
    vm = client.vm("web01")

    def is_at_work() -> bool:
        running = [
            client.read(task, "info.descriptionId")
            for task in client.read(vm, "recentTask")
            if client.read(task, "info.state") == "running"
        ]
        return any(name in each for each in running)

    await_event(f"{name} is at work", is_at_work)


@contextmanager
def at_work(work: Callable[[], Outcome]) -> Iterator[Future[Outcome]]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


def test_quiescing_that_fails_is_left_where_it_was_only_tried(modules: VsphereModules) -> None:
    modules.control.add_fault("filesystem_quiesce")
    outcome = modules.snapshot(quiesce="try")
    assert outcome.result["snapshot"]["consistency"] == "crash_consistent"
    assert "as after a crash" in outcome.warnings[0]
    assert len(modules.snapshots()) == 1


def test_quiescing_that_fails_where_it_is_required_leaves_nothing(modules: VsphereModules) -> None:
    modules.control.add_fault("application_quiesce")
    with pytest.raises(QuiesceError, match="ApplicationQuiesceFault"):
        modules.snapshot(quiesce="required")
    assert modules.snapshots() == []


def test_snapshot_that_fails_is_an_error_of_the_vcenter(modules: VsphereModules) -> None:
    modules.control.add_fault("snapshot")
    with pytest.raises(RefusedError, match=r"a snapshot of vm-.*: GenericVmConfigFault"):
        modules.snapshot()
    assert modules.snapshots() == []


def test_snapshot_whose_host_was_lost_is_looked_for_before_another_is_taken(
    modules: VsphereModules,
) -> None:
    modules.control.add_fault("host_lost")
    assert modules.snapshot().changed
    assert len(modules.snapshots()) == 1


def test_removal_that_leaves_files_is_followed_by_a_consolidation(modules: VsphereModules) -> None:
    modules.snapshot()
    modules.control.add_fault("consolidation")
    outcome = modules.remove()
    assert outcome.result["vm"]["needs_consolidation"] is False
    assert modules.control.state()["vms"]["web01"]["chains"][0]["parents"] == {}


def test_consolidation_that_does_not_help_is_told_and_made_up_for(modules: VsphereModules) -> None:
    modules.snapshot()
    modules.control.add_fault("consolidation", times=2)
    with pytest.raises(NotAsAskedError, match="still need it"):
        modules.remove()
    outcome = modules.remove()
    assert (outcome.changed, diff_of(outcome)["before"]["needs_consolidation"]) == (True, True)
    assert outcome.result["vm"]["needs_consolidation"] is False
    assert not modules.remove().changed


def test_removal_that_another_run_left_at_work_is_awaited(modules: VsphereModules) -> None:
    taken = modules.take()
    client = log_in(modules.vcenter)
    modules.control.change_settings(task_seconds=SLOW)
    snapshot = client.read(client.vm("web01"), "snapshot").rootSnapshotList[0].snapshot
    assert snapshot._moId == taken["moid"]
    snapshot.RemoveSnapshot_Task(False)
    assert not modules.remove().changed
    assert modules.snapshots() == []


def kill_at_work(modules: VsphereModules, state: str, task: str) -> None:
    """Run the module in a process of its own, and kill that while the vCenter's task is at work."""
    call = {
        "state": state,
        "migration_id": "web01",
        "name": "web01",
        **connection_of(modules.vcenter),
    }
    name = "ansible_collections.ferry.hvm.plugins.modules.vsphere_snapshot"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-m", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": call}).encode())
        process.stdin.close()
        await_task(log_in(modules.vcenter), task)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_run_that_was_killed_while_it_took_the_snapshot_is_finished(
    modules: VsphereModules,
) -> None:
    modules.control.change_settings(task_seconds=SLOW)
    kill_at_work(modules, "present", "createSnapshot")
    outcome = modules.snapshot()
    assert not outcome.changed
    assert [each["moid"] for each in modules.snapshots()] == [outcome.result["snapshot"]["moid"]]


def test_run_that_was_killed_while_it_removed_the_snapshot_is_finished(
    modules: VsphereModules,
) -> None:
    modules.snapshot()
    modules.control.change_settings(task_seconds=SLOW)
    kill_at_work(modules, "absent", "removeSnapshot")
    modules.remove()
    assert modules.snapshots() == []


def test_session_that_expires_during_a_task_is_opened_again(modules: VsphereModules) -> None:
    modules.control.change_settings(task_seconds=SLOW)
    with at_work(modules.snapshot) as run:
        await_task(log_in(modules.vcenter), "createSnapshot")
        modules.control.expire_sessions()
    assert run.result().changed
    assert len(modules.snapshots()) == 1


@pytest.mark.parametrize("state", ["present", "absent"])
def test_vcenter_that_restarts_during_a_task_is_waited_for(
    modules: VsphereModules, state: str
) -> None:
    """With it go its sessions and its tasks: whether the work was done must be looked at."""
    if state == "absent":
        modules.snapshot()
    modules.control.change_settings(task_seconds=SLOW)
    with at_work(lambda: modules.snapshot(state)) as run:
        await_task(log_in(modules.vcenter), "Snapshot")
        stop_vcenter(modules.vcenter.directory)
        port = urlsplit(modules.vcenter.url).port
        start_vcenter(modules.vcenter.directory, {"vms": []}, port=port or 0)
    assert run.result().changed
    assert len(modules.snapshots()) == (1 if state == "present" else 0)


def test_vm_that_is_exported_is_waited_for(modules: VsphereModules) -> None:
    """A lease that a killed run left keeps the VM until it expires."""
    modules.snapshot()
    client = log_in(modules.vcenter)
    lease = (
        client.read(client.vm("web01"), "snapshot").rootSnapshotList[0].snapshot.ExportSnapshot()
    )
    await_event("the lease is ready", lambda: client.read(lease, "state") == "ready")
    with pytest.raises(TooSlowError, match=r"the removal of snapshot.*TaskInProgress"):
        modules.remove(wait_timeout=1)
    with at_work(modules.remove) as run:
        await_task_failed(client)
        modules.control.expire_leases()
    assert run.result().changed


def await_task_failed(client: Client) -> None:
    """A removal after those there were has been refused."""
    vm = client.vm("web01")

    def count() -> int:
        tasks = client.read(vm, "recentTask")
        return sum(client.read(task, "info.state") == "error" for task in tasks)

    before = count()
    await_event("a removal is refused", lambda: count() > before)


def test_vcenter_is_reached_through_a_proxy(modules: VsphereModules) -> None:
    with connect_proxy() as (port, asked):
        assert modules.call("vm_info", proxy_host="127.0.0.1", proxy_port=port).result["vms"]
    address = urlsplit(modules.vcenter.url).netloc
    assert asked
    assert all(each.startswith(f"CONNECT {address} ") for each in asked)


@contextmanager
def connect_proxy() -> Iterator[tuple[int, list[str]]]:
    """An HTTP proxy that connects: its port, and the first line of each thing it was asked for."""

    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve_proxy, args=(listener, asked), daemon=True).start()
        yield listener.getsockname()[1], asked
        listener.shutdown(socket.SHUT_RDWR)


def _serve_proxy(listener: Any, asked: list[str]) -> None:

    while True:
        try:
            client, _address = listener.accept()
        except OSError:
            return
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        asked.append(head.decode().splitlines()[0])
        host, _colon, port = asked[-1].split()[1].rpartition(":")
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=_pump, args=(one, other), daemon=True).start()


def _pump(source: Any, target: Any) -> None:
    while True:
        try:
            data = source.recv(65536)
            target.sendall(data)
        except OSError:
            return
        if not data:
            target.close()
            return
