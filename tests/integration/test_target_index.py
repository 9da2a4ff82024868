# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM whose target is reverted: the delta reads of the target's volume what changed, and a sample.

This machine is source worker, target worker and controller; the vCenter is the lab's, the volume a loop device. What
a preparation does, and the appliance's revert, are writes of this test.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lab.vcenter.server import Vcenter, local_vcenter
from tests.integration.ansible_host import Playground, free_port
from tests.integration.replication_ends import (
    MIB,
    RUNS,
    Worker,
    absent,
    differs,
    loop_device,
    make_disk,
    started,
    write_random,
)
from tests.support.vsphere_modules import VsphereModules, connection_of

# The other files that need the machine for themselves may be at work first.
pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures("alone")]

SIZE = 300 * MIB
# Of the chunks that are offered 256 are read, whatever the disk's size.
SAMPLE = 256 * MIB
DISK = "disk-2000"
MIGRATION = "test-target-index"
INDEXES = Path("/var/lib/ferry/indexes") / MIGRATION
KEPT = {"instance": "1002", "snapshot": "1044", "volumes": {DISK: "1007"}}


class Migration:
    """One VM, its target's volume, and the appliance's snapshot of that."""

    def __init__(self, vcenter: Vcenter, folder: Path, device: str, worker: Worker) -> None:
        self.modules = VsphereModules(vcenter)
        self.volume = folder / "volume.img"
        self.kept = folder / "kept.img"
        self.frozen = folder / "frozen.raw"
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        self._playground = Playground(folder, here)
        self._device = device
        self._worker = worker
        self._syncs = 0

    def sync(self, target_index: dict[str, Any] | None = None) -> dict[str, Any]:
        """Take a snapshot, carry it; return what the last task told of the disk. The target is the source then."""
        self._syncs += 1
        self.modules.remove(migration_id=MIGRATION)
        taken = self.modules.take(migration_id=MIGRATION, change_tracking="enabled")
        control = self.modules.control
        control.export_raw(self.modules.vm, 2000, self.frozen, snapshot=taken["moid"])
        run = self._playground.run([*self._tasks(target_index), absent(MIGRATION)])
        assert run.status == 0, run.output
        assert run.results["synced"]["replication"]["state"] == "done", run.output
        assert differs(self.frozen, self.volume) == ""
        (disk,) = run.results["synced"]["replication"]["disks"]
        return dict(disk)

    def _tasks(self, target_index: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
        run, port = f"{MIGRATION}-{self._syncs}", free_port()
        read = {**connection_of(self.modules.vcenter), "reader": "datastore"}
        told = {} if target_index is None else {"target_index": target_index}
        certificate = self._worker.certificate(run)
        source = {"port": port, "vm_snapshot": {**read, "name": self.modules.vm}, **told}
        yield started(MIGRATION, run, certificate, **source)
        arguments = {
            "migration_id": MIGRATION,
            "run": run,
            "address": "127.0.0.1",
            "port": port,
            "source_certificate": "{{ opened.export.certificate }}",
            "source_disks": "{{ opened.export.disks }}",
            "source_view": "{{ opened.export.source_view }}",
            "target_disks": [{"source": DISK, "path": self._device}],
            "initial": self._syncs == 1,
        }
        yield {"ferry.hvm.worker_replicate": arguments, "register": "synced"}

    def prepare_and_keep(self, root: str) -> dict[str, Any]:
        """Change the guest, take the target's snapshot, have the source worker note it; return what it said."""
        write_random(self.volume, start=3 * MIB, length=8192, seed=7)
        shutil.copy(self.volume, self.kept)
        arguments = {
            "migration_id": MIGRATION,
            **KEPT,
            "roots": {DISK: root, "disk-2001": root},
            "changed_extents": {DISK: [{"start": 3 * MIB, "length": 8192}], "disk-2001": []},
        }
        task = {"ferry.hvm.source_target_index": arguments, "register": "noted"}
        run = self._playground.run([{**task, "check_mode": True, "register": "planned"}, task])
        assert run.status == 0, run.output
        assert run.results["planned"]["changed"] is True
        return dict(run.results["noted"])

    def boot_and_revert(self) -> None:
        """A tester's clone writes all over the volume; the appliance brings it back."""
        write_random(self.volume, start=0, length=64 * MIB, seed=8)
        self.volume.write_bytes(self.kept.read_bytes())


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[Migration]:
    image = make_disk(tmp_path / "web01.raw", SIZE, seed=1)
    vms = [{"name": "web01", "disks": [{"image": str(image)}]}]
    worker = Worker()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, INDEXES, ignore_errors=True)
        stack.callback(worker.clean)
        vcenter = stack.enter_context(local_vcenter(tmp_path / "vcenter", {"vms": vms}))
        device = stack.enter_context(loop_device(tmp_path / "volume.img", SIZE))
        yield Migration(vcenter, tmp_path, device, worker)
        assert not (RUNS / MIGRATION).exists()


def test_a_delta_after_a_revert_reads_what_changed_and_a_sample(migration: Migration) -> None:
    first = migration.sync()
    assert first["claim"]["target_index"] is None
    noted = migration.prepare_and_keep(first["claim"]["root"])
    assert noted["changed"] is True
    assert list(noted["doubts"]) == ["disk-2001"]
    assert "compares all of disk-2001" in noted["warnings"][0]
    note = INDEXES / f"{DISK}.index.target"
    assert note.exists()

    migration.boot_and_revert()
    control = migration.modules.control
    control.write("web01", 2000, 100 * MIB + 5, b"the guest wrote this")
    delta = migration.sync(KEPT)
    used = delta["claim"]["target_index"]
    assert delta["claim"]["target_read"] == "index"
    assert used == {
        "offered": SIZE - 2 * MIB,
        "adopted": SIZE - 2 * MIB,
        "sampled": SAMPLE,
        "read": SAMPLE + 2 * MIB,
    }
    assert not note.exists()

    control.write("web01", 2000, 50 * MIB, b"and this")
    after = migration.sync(KEPT)
    assert "nothing was noted" in after["target_index_reason"]
    assert after["claim"]["target_read"] == "read_back"
    assert after["claim"]["target_index"] is None
