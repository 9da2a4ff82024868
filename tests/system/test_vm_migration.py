# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM crosses by its vCenter: first sync by the export of its snapshot, delta by change tracking, real boots.

The tests are one story, told in its order. The vCenter's own copy of a snapshot and qemu-img are the judges
of bytes, the clone's boot is the judge of the preparation.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vm_snapshot import INDEXES

from lab import migration, qemu, vms
from lab.guests.marker import BootReport
from lab.settings import lab_settings
from lab.up import bring_up_vms, take_down
from lab.vcenter.server import Vcenter
from tests.support.awx import Job
from tests.support.migration_world import CHECKOUT, World, differs

pytestmark = [pytest.mark.boots, pytest.mark.timeout(1500)]

# The instance is named as its migration.
VM, INSTANCE = "web01", "vm-web01"
DISKS = (vms.ROOT_KEY, vms.DATA_KEY)
REPLICATE = "ferry.hvm.worker_replicate"
PREPARES = "The guest on the worker's disks can boot on KVM"
DEADLINE = 600.0


@dataclass
class VmWorld:
    """The lab with its vCenter, and how web01 would come up."""

    world: World
    vcenter: Vcenter
    source: BootReport

    def sync(self, step: str, *arguments: str) -> dict[str, Any]:
        """Run the playbook; what it prints is the test's output."""
        report = migration.sync(
            self.world.lab,
            f"{step}_vm",
            VM,
            *("-e", f"ferry_worker_image={self.world.image}"),
            *arguments,
            inventory=self.world.lab.vm_inventory,
        )
        mine: dict[str, Any] = report[VM]
        return mine

    def write(self, word: str) -> None:
        """The VM's guest writes to both of its disks."""
        written = vms.in_vm(self.vcenter, VM, migration.CHANGE_DATA, word)
        self.source = replace(self.source, file_count=int(written))

    @contextmanager
    def delta_at_preparation(self) -> Iterator[subprocess.Popen[str]]:
        """A `delta_vm` that an operator typed has carried the disks, and begins to prepare them; then it ends."""
        command = self.world.command("delta_vm", VM, inventory=self.world.lab.vm_inventory)
        with subprocess.Popen(
            command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        ) as playbook:
            assert playbook.stdout is not None
            heard = list(takewhile(lambda line: PREPARES not in line, playbook.stdout))
            assert playbook.poll() is None, "".join(heard)
            yield playbook
            playbook.stdout.read()

    def differences(self) -> list[str]:
        """What qemu-img finds between the VM's disks and the target's, which nothing writes to meanwhile.

        The VM does not run: its disks are what the snapshot froze.
        """
        before = self._written_at()
        with TemporaryDirectory(dir=self.world.lab.directory) as scratch:
            for key in DISKS:
                image = Path(scratch, f"{key}.raw")
                self.vcenter.control.export_raw(VM, key, image)
            found = [differs(Path(scratch, f"{key}.raw"), self._volume(key)) for key in DISKS]
        assert self._written_at() == before
        return [each for each in found if each]

    def await_writes(self) -> None:
        """Wait until the target's disks are written to, which a preparation does once it has decided."""
        before, last = self._written_at(), time.monotonic() + DEADLINE
        while self._written_at() == before:
            assert time.monotonic() < last, "the preparation writes nothing"
            time.sleep(0.02)

    def cut_power(self) -> None:
        """The target's machine ends in this moment."""
        number = self.world.instance(INSTANCE)["id"]
        pid = qemu.find_pid(self.world.lab.appliance_directory / "machines" / str(number))
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def _written_at(self) -> list[int]:
        return [self._volume(key).stat().st_mtime_ns for key in DISKS]

    def _volume(self, key: int) -> Path:
        return self.world.volume_file(INSTANCE, f"disk-{key}")

    def job(self, step: str, at_task: Callable[[str], None]) -> tuple[Job, dict[str, Any]]:
        """Run the playbook as AWX does; return the job, and what its report says of the VM."""
        report, job = self.world.lab.directory / "report-awx.json", Job(at_task=at_task)
        job.run(
            Path(mkdtemp(prefix="awx-", dir=self.world.lab.directory), "job"),
            environment={"FERRY_REPORT_FILE": str(report)},
            playbook=f"{step}_vm.yml",
            inventory=str(self.world.lab.vm_inventory),
            limit=VM,
            extravars={"ferry_worker_image": str(self.world.image), "ferry_target_index": True},
        )
        assert job.status == "successful", job.output()
        return job, json.loads(report.read_text())[VM]

    def await_proof(self, booted: int) -> list[str]:
        """Wait for the clone's boot; return what does not hold."""
        console = migration.clone_console(self.world.lab, INSTANCE)
        clone = migration.wait_for_report(console, booted)
        proof = migration.prove(self.source, clone, self.source.file_count)
        return [fact for fact, held in proof.facts if not held]

    def booted(self) -> int:
        return migration.report_count(migration.clone_console(self.world.lab, INSTANCE))

    def source_snapshots(self) -> list[str]:
        """The snapshots of the VM, by the vCenter's own record."""
        machine = self.vcenter.control.state()["vms"][VM]
        return [str(each["name"]) for each in machine["snapshots"] or []]

    def target_snapshots(self) -> list[str]:
        number = self.world.instance(INSTANCE)["id"]
        found = self.world.api.get(f"/api/instances/{number}/snapshots")["snapshots"]
        return [str(each["name"]) for each in found]


@pytest.fixture(scope="module")
def vm_world() -> Iterator[VmWorld]:
    lab = lab_settings("vm-test", 3)
    take_down(lab, keep=False)
    try:
        vcenter = bring_up_vms(lab, [VM])
        world = World.of(lab, migration.build_worker_image())
        yield VmWorld(world, vcenter, vms.expected_report(lab, vcenter, VM))
    finally:
        take_down(lab, keep=False)


@pytest.fixture(scope="module")
def first_sync(vm_world: VmWorld) -> dict[str, Any]:
    """web01 crossed by the export of its snapshot, and its clone was proven."""
    report = vm_world.sync("initial", "-e", "ferry_reader=export")
    assert vm_world.await_proof(0) == []
    return report


def test_a_vm_crosses_by_the_export_of_its_snapshot(
    vm_world: VmWorld, first_sync: dict[str, Any]
) -> None:
    claims = [disk["claim"]["source_view"] for disk in first_sync["replication"]["disks"]]
    assert claims == ["vcenter_snapshot"] * 2
    assert vm_world.source_snapshots() == []
    assert vm_world.target_snapshots() == [f"ferry-snapshot-{INSTANCE}.1"]
    assert vm_world.world.leftovers() == []


@pytest.mark.usefixtures("first_sync")
def test_a_clone_that_was_booted_is_the_snapshot_again_and_its_worker_loses_its_power(
    vm_world: VmWorld,
) -> None:
    """The clone wrote to its disks. The power fails while the preparation writes to them."""
    vm_world.write("half-prepared")
    with vm_world.delta_at_preparation() as playbook:
        assert vm_world.differences() == []
        vm_world.await_writes()
        vm_world.cut_power()
    assert playbook.returncode != 0
    assert vm_world.source_snapshots() == []
    assert vm_world.world.leftovers() == []


@pytest.mark.usefixtures("first_sync")
def test_a_delta_over_half_a_preparation_carries_what_was_written_and_reads_little_more(
    vm_world: VmWorld,
) -> None:
    """It is a job of AWX's."""
    vm_world.write("delta")
    booted = vm_world.booted()
    vm_world.vcenter.control.reset_counters()
    found: list[list[str]] = []

    def look(task: str) -> None:
        if task.endswith(PREPARES):
            found.append(vm_world.differences())

    job, report = vm_world.job("delta", look)
    assert found == [[]]
    shown = [line for line in job.lines_during(REPLICATE) if line.startswith(f"{INSTANCE}: ")]
    assert shown[0].startswith(f"{INSTANCE}:   0.0 %, ")
    assert " in sync after " in shown[-1]
    read = [disk["claim"]["source_read"] for disk in report["replication"]["disks"]]
    wanted = sum(each["read"] + each["sampled"] for each in read)
    assert sum(each["indexed"] for each in read) > 0
    assert sum(each["missed"] for each in read) == 0
    assert sum(vm_world.vcenter.control.counters().values()) <= 1.05 * wanted
    assert vm_world.await_proof(booted) == []
    assert vm_world.source_snapshots() == []
    # The sync whose preparation was lost was the second: its data had been proven.
    assert vm_world.target_snapshots() == [f"ferry-snapshot-{INSTANCE}.3"]
    assert vm_world.world.leftovers() == []
    assert sorted(path.name for path in notes()) == [f"disk-{key}.index.target" for key in DISKS]


@pytest.mark.soak
@pytest.mark.usefixtures("first_sync")
def test_a_delta_that_reverted_its_target_reads_of_it_what_changed_and_a_sample(
    vm_world: VmWorld,
) -> None:
    """The clone of the sync before wrote to its disks; the revert undoes that, and a sample finds it undone."""
    vm_world.write("index")
    found: list[list[str]] = []

    def look(task: str) -> None:
        if task.endswith(PREPARES):
            found.append(vm_world.differences())

    _job, report = vm_world.job("delta", look)
    assert found == [[]]
    for disk in report["replication"]["disks"]:
        used = disk["claim"]["target_index"]
        assert (disk["claim"]["target_read"], disk["target_index_reason"]) == ("index", "")
        assert 0 < used["adopted"] == used["offered"] < disk["size"]
        assert used["read"] == disk["size"] - used["adopted"] + used["sampled"]
    assert vm_world.target_snapshots() == [f"ferry-snapshot-{INSTANCE}.4"]
    assert vm_world.world.leftovers() == []


def notes() -> list[Path]:
    """What this machine, the source worker, has noted of the target's snapshot."""
    return list((Path(INDEXES) / INSTANCE).glob("*.target"))
