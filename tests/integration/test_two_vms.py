# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two VMs cross at once through one source worker, and one of them is killed: the other does not notice.

This machine is source worker, both target workers and both controllers. Both syncs are held in the middle by a
limit of bandwidth at which they take minutes, so none of what is done to them meets one that has ended.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.vcenter.server import Vcenter, local_vcenter
from tests.integration.ansible_host import CHECKOUT, Playground, environment, free_port, play
from tests.integration.replication_ends import (
    MIB,
    RUNS,
    Worker,
    absent,
    differs,
    is_alive,
    loop_device,
    processes_of,
    started,
    write_random,
)
from tests.support.events import DEADLINE, await_event
from tests.support.vcenter_client import log_in
from tests.support.vsphere_modules import VsphereModules, connection_of, environment_of

# The other files that need the machine for themselves may be at work first.
pytestmark = [pytest.mark.timeout(1500), pytest.mark.usefixtures("alone")]

SIZE = 64 * MIB
KEY = 2000
# At this a sync of such a disk takes four minutes, and moves every four seconds.
SLOW = 256 * 1024
READERS = {"web01": "export", "db01": "datastore"}


class Migration:
    """One VM, its controller's folder, and the target volume on its worker."""

    def __init__(self, vm: str, vcenter: Vcenter, folder: Path, *, worker: Worker, port: int):
        self.id = f"test-two-vms-{vm}"
        self.modules = VsphereModules(vcenter, vm=vm)
        self.reader = READERS[vm]
        self.run = f"{vm}-1"
        self.frozen = folder / f"{vm}-frozen.raw"
        self.volume = folder / f"{vm}-volume.img"
        self.device = ""
        self._folder = folder / vm
        self._folder.mkdir()
        self._worker = worker
        self._port = port
        self._play: subprocess.Popen[str] | None = None

    @property
    def place(self) -> Path:
        """The run's folder on the target worker."""
        return RUNS / self.run

    @property
    def playground(self) -> Playground:
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        return Playground(self._folder, here)

    def freeze(self, seed: int) -> None:
        """Take the sync's snapshot, and have the guest write on; the vCenter's own copy is the judge's."""
        self.modules.remove(migration_id=self.id)
        taken = self.modules.take(migration_id=self.id, change_tracking="enabled")
        control = self.modules.control
        control.export_raw(self.modules.vm, KEY, self.frozen, snapshot=taken["moid"])
        control.write(self.modules.vm, KEY, 3 * MIB, bytes([seed]) * MIB)

    def begin(self, limit: int) -> None:
        """Start the controller's play: open the snapshot, sync, and whatever came of it close it again."""
        self._play = subprocess.Popen(
            self.playground.command([*self._tasks(limit), absent(self.id)]),
            cwd=CHECKOUT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _tasks(self, limit: int) -> Iterator[dict[str, Any]]:
        read = {**connection_of(self.modules.vcenter), "reader": self.reader}
        yield started(
            self.id,
            self.run,
            self._worker.certificate(self.run),
            port=self._port,
            shared=True,
            bandwidth_limit=limit,
            vm_snapshot={**read, "name": self.modules.vm},
        )
        arguments = {
            "migration_id": self.id,
            "run": self.run,
            "address": "127.0.0.1",
            "port": self._port,
            "source_certificate": "{{ opened.export.certificate }}",
            "source_disks": "{{ opened.export.disks }}",
            "source_view": "{{ opened.export.source_view }}",
            "target_disks": [{"source": f"disk-{KEY}", "path": self.device}],
        }
        yield {
            "ferry.hvm.worker_replicate": arguments,
            "register": "synced",
            "ignore_errors": True,
        }

    def end(self) -> dict[str, Any]:
        """Return the results of the controller's play, when it has ended by itself."""
        assert self._play is not None
        output, _nothing = self._play.communicate(timeout=DEADLINE)
        assert self._play.returncode == 0, output
        return dict(json.loads((self._folder / "results.json").read_text()))

    def kill_controller(self) -> None:
        assert self._play is not None
        self._play.kill()
        self._play.communicate(timeout=DEADLINE)

    def close(self) -> None:
        """Nothing of it is served any more."""
        closed = self.playground.run([absent(self.id)])
        assert closed.results["closed"]["changed"], closed.output

    def begin_anew(self) -> None:
        """What the next command does first, that of a final sync: it follows no run."""
        tasks: list[dict[str, Any]] = [
            {"ansible.builtin.import_role": {"name": "ferry.hvm.observe_source"}},
            {"ansible.builtin.set_fact": {"preflight_result": {"run": self.run}}},
            {"ansible.builtin.import_role": {"name": "ferry.hvm.follow_run"}},
        ]
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ferry_migration_id": self.id,
            "ferry_instance": self.modules.vm,
            "ferry_vm": self.modules.vm,
            "ferry_data_port": self._port,
            "ferry_worker_ssh_private_key_file": "/nonexistent",
            "ferry_final_sync": True,
        }
        inventory = {"all": {"hosts": {"web01": host}}}
        vcenter = environment_of(self.modules.vcenter)
        done = play(self._folder, inventory, tasks, variables=vcenter)
        assert done.status == 0, done.output

    def unlimit(self) -> None:
        arguments = {"migration_id": self.id, "state": "limited", "bandwidth_limit": 0}
        task = {"ferry.hvm.source_export": arguments, "register": "limited"}
        assert self.playground.run([task]).results["limited"]["changed"]

    def sync(self) -> dict[str, Any]:
        """A whole sync after one that was killed, by another run."""
        self.run = re.sub(r"\d+$", lambda old: str(int(old[0]) + 1), self.run)
        self.begin(limit=0)
        return self.end()

    @property
    def done(self) -> int:
        """How many bytes the target has accounted for."""
        progress = self.place / "progress.json"
        disks = json.loads(progress.read_text())["disks"] if progress.exists() else []
        return sum(disk["done"] for disk in disks)

    @property
    def result(self) -> dict[str, Any]:
        """How the receiver ended, {} until it has."""
        path = self.place / "result.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def await_progress(self) -> None:
        """It moves, and is nowhere near its end."""
        before = self.done
        await_event(f"{self.id} moves", lambda: self.done > before)
        assert self.done < SIZE // 2

    @property
    def receiver(self) -> int:
        return int((self.place / "lock").read_text())

    @property
    def sender(self) -> int:
        return int((RUNS / self.id / "lock").read_text())

    @property
    def left_over(self) -> list[str]:
        """What a look for leftovers would list on the vCenter."""
        return [
            each["name"] for each in self.modules.snapshots(of_ferry=True, name=self.modules.vm)
        ]


def kill_receiver(killed: Migration) -> None:
    """The power of the target's host fails: its worker is gone without a word."""
    receiver = killed.receiver
    os.kill(receiver, signal.SIGKILL)
    await_event("the receiver is gone", lambda: not is_alive(receiver))
    assert "it left no result" in killed.end()["synced"]["msg"]


def abort(killed: Migration) -> None:
    """The job is cancelled, and its controller with it; the next command stops what goes on before all else."""
    killed.kill_controller()
    killed.begin_anew()
    await_event("the receiver gives up", lambda: killed.result.get("state") == "failed")


def refuse_reads(killed: Migration) -> None:
    """Somebody removes the snapshot by hand: its file is the running VM's, and the host locks it."""
    client = log_in(killed.modules.vcenter)
    (taken,) = client.read(client.vm(killed.modules.vm), "snapshot").rootSnapshotList
    client.remove_snapshot(taken.snapshot)
    synced = killed.end()["synced"]
    assert synced["failed"] is True
    assert "403" in synced["msg"]


WAYS: dict[str, tuple[str, Callable[[Migration], None]]] = {
    "its target worker is killed": ("web01", kill_receiver),
    "its run is aborted": ("web01", abort),
    "its host refuses its reader": ("db01", refuse_reads),
}


@contextmanager
def migration(vm: str, vcenter: Vcenter, folder: Path, **ends: Any) -> Iterator[Migration]:
    one = Migration(vm, vcenter, folder, **ends)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, f"/var/lib/ferry/indexes/{one.id}", ignore_errors=True)
        one.device = stack.enter_context(loop_device(one.volume, SIZE))
        yield one
        if (RUNS / one.id).exists():
            one.close()


@pytest.fixture
def both(tmp_path: Path) -> Iterator[dict[str, Migration]]:
    """Both in the middle of their first sync."""
    for seed, vm in enumerate(READERS):
        (tmp_path / f"{vm}.raw").touch()
        os.truncate(tmp_path / f"{vm}.raw", SIZE)
        write_random(tmp_path / f"{vm}.raw", start=0, length=SIZE, seed=seed)
    vms = [{"name": vm, "disks": [{"image": f"{tmp_path}/{vm}.raw"}]} for vm in READERS]
    worker, port = Worker(), free_port()
    with ExitStack() as stack:
        stack.callback(worker.clean)
        vcenter = stack.enter_context(local_vcenter(tmp_path / "vcenter", {"vms": vms}))
        both = {
            vm: stack.enter_context(migration(vm, vcenter, tmp_path, worker=worker, port=port))
            for vm in READERS
        }
        for each in both.values():
            each.freeze(seed=1)
            each.begin(limit=SLOW)
        for each in both.values():
            each.await_progress()
        yield both


@pytest.mark.parametrize(("killed", "kill"), WAYS.values(), ids=WAYS)
def test_one_of_two_is_killed_and_the_other_goes_on(
    both: dict[str, Migration], killed: str, kill: Callable[[Migration], None]
) -> None:
    lost = both.pop(killed)
    (other,) = both.values()
    sender = other.sender
    assert lost.sender == sender

    kill(lost)
    assert leases(other) == (1 if other.reader == "export" else 0)
    assert lost.left_over == ([] if kill is refuse_reads else [f"ferry-{lost.id}"])
    other.await_progress()

    lost.freeze(seed=2)
    again = lost.sync()
    assert again["opened"]["export"]["pid"] == sender
    assert again["synced"]["replication"]["state"] == "done", again["synced"]
    assert differs(lost.frozen, lost.volume) == ""
    assert again["synced"]["replication"]["disks"][0]["same"] >= MIB

    other.await_progress()
    other.unlimit()
    went_on = other.end()["synced"]["replication"]
    assert went_on["state"] == "done"
    assert went_on["disks"][0]["claim"]["source_view"] == "vcenter_snapshot"
    assert differs(other.frozen, other.volume) == ""

    assert leases(other) == 0
    for each in (lost, other):
        each.modules.remove(migration_id=each.id)
        assert each.left_over == []
    await_event("the sender has left with its last run", lambda: processes_of("two-vms") == [])


def leases(any_of_them: Migration) -> int:
    """How many exports the vCenter holds VMs for."""
    return int(any_of_them.modules.control.state()["leases"])
