# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Syncs of a VM's snapshot: the lab's vCenter at one end, the engine as a sender runs it, disks in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vm_snapshot_view import (
    open_vm_snapshot,
)
from ansible_collections.ferry.hvm.plugins.module_utils.errors import FerryError
from ansible_collections.ferry.hvm.plugins.module_utils.replication.digests import calibrate
from ansible_collections.ferry.hvm.plugins.module_utils.replication.export import Export
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.plan import DiskReport
from ansible_collections.ferry.hvm.plugins.module_utils.replication.receiver import (
    plan_sync,
    run_sync,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.source_view import SourceView

from tests.support.vsphere_modules import VsphereModules, connection_of, fresh_modules
from tests.unit.plugins.module_utils.replication.rig import RUN, Source, make_papers, noise

MIB = 1 << 20
GRANULE = 64 << 10
KEYS = (2000, 2001)
# Half of the first disk and the end of the second were never written.
CONTENTS = (noise(20 * MIB) + bytes(20 * MIB), noise(3 * MIB, seed=2) + bytes(5 * MIB))
# The random sample of a delta (promise 2): all granules of disks as small as these.
SAMPLE = 256 * GRANULE

pytestmark = pytest.mark.timeout(300)


class VmMigration:
    """web01, whose disks were read into memory by an earlier sync, or not yet."""

    def __init__(self, modules: VsphereModules, folder: Path) -> None:
        self.modules = modules
        self.folder = folder
        self.targets = [MemoryDisk(bytes(len(content))) for content in CONTENTS]

    def sync(self, reader: str = "auto", **wanted: Any) -> dict[str, DiskReport]:
        """Take a snapshot, carry its disks, remove it; the target then equals it by the vCenter's own copy."""
        snapshot = self.modules.take(change_tracking="enabled")
        frozen = [self._export(key, snapshot["moid"]) for key in KEYS]
        try:
            with self.view(reader=reader, **wanted) as view:
                reports = self._carry(view)
                self.passed = sum(opened().passed for opened in view.disks.values())
        finally:
            self.modules.remove()
        assert [bytes(target.content) for target in self.targets] == frozen
        return {each.name: each for each in reports}

    @contextmanager
    def view(self, **wanted: Any) -> Iterator[SourceView]:
        """The view as a sender opens it."""
        view = open_vm_snapshot({"migration": "web01", "vm_snapshot": self._wanted(**wanted)})
        self.told = view.told
        try:
            yield view
        finally:
            view.close()

    def write(self, key: int, offset: int, data: bytes) -> None:
        """The guest writes."""
        self.modules.control.write("web01", key, offset, data)

    def _carry(self, view: SourceView) -> tuple[DiskReport, ...]:
        ours, theirs = make_papers(), make_papers()
        source = Source({}, own=ours, peer=theirs.certificate)
        source.export = Export(
            view.disks, calibrate(), view=view.view, order=view.order, indexes=view.indexes
        )
        (self.folder / "key.pem").write_text(theirs.key)
        (self.folder / "cert.pem").write_text(theirs.certificate)
        pairs = [
            {"source": f"disk-{key}", "target": f"memory-{key}", "size": len(content)}
            for key, content in zip(KEYS, CONTENTS)
        ]
        targets = {f"memory-{key}": target for key, target in zip(KEYS, self.targets)}
        plan = plan_sync(
            run=RUN,
            address="127.0.0.1",
            directory=str(self.folder),
            peer_certificate=ours.certificate,
            disks=pairs,
            source_view=view.view.word,
            patience=5.0,
        )
        try:
            return run_sync(
                plan, open_disk=lambda path: targets[path], connect=source.connect
            ).disks
        finally:
            source.join()
            source.export.close()

    def _wanted(self, **wanted: Any) -> dict[str, Any]:
        connection = connection_of(self.modules.vcenter)
        authorities = Path(connection.pop("ca_path")).read_text()
        usual = {
            **connection,
            "authorities": authorities,
            "validate_certs": True,
            "timeout": 60,
            "moid": None,
            "uuid": None,
            "name": "web01",
            "reader": "auto",
            "reads_all": False,
            "reads_per_host": 2,
            "reads_per_datastore": 2,
            "left_out_disks": [],
            "index_directory": str(self.folder / "indexes"),
        }
        return {**usual, **wanted}

    def _export(self, key: int, snapshot: str) -> bytes:
        image = self.folder / "frozen.raw"
        self.modules.control.export_raw("web01", key, image, snapshot=snapshot)
        return image.read_bytes()


@pytest.fixture
def migration(tmp_path: Path) -> Iterator[VmMigration]:
    images = []
    for key, content in zip(KEYS, CONTENTS):
        image = tmp_path / f"{key}.raw"
        image.write_bytes(content)
        images.append({"image": str(image)})
    folder = tmp_path / "run"
    folder.mkdir()
    with fresh_modules(tmp_path / "vcenter", *images) as modules:
        yield VmMigration(modules, folder)


@pytest.mark.parametrize("reader", ["datastore", "export"])
def test_every_reader_carries_the_snapshot_and_not_what_was_written_since(
    migration: VmMigration, reader: str
) -> None:
    reports = migration.sync(reader)
    assert (migration.passed > 0) is (reader == "export"), (
        "a stream brings what it is not asked for"
    )
    assert {each.claim.source_view for each in reports.values()} == {"vcenter_snapshot"}
    assert {told["reader"] for told in migration.told.values()} == {reader}
    migration.write(2000, 5 * MIB + 100, b"changed")
    migration.write(2001, 0, bytes(MIB))
    reports = migration.sync(reader)
    assert reports["disk-2000"].data == GRANULE


def test_a_delta_by_change_tracking_reads_what_changed_and_the_sample(
    migration: VmMigration,
) -> None:
    first = migration.sync("export")
    assert migration.told["disk-2000"]["delta_reason"] == "no_baseline"
    assert first["disk-2000"].claim.source_read.read == len(CONTENTS[0])
    migration.write(2000, 7 * MIB, noise(3 * GRANULE, seed=3))
    migration.modules.control.reset_counters()
    second = migration.sync()
    assert migration.told["disk-2000"]["delta_reason"] == ""
    assert migration.told["disk-2000"]["changed"] == 3 * GRANULE
    read = second["disk-2000"].claim.source_read
    assert (read.read, read.sampled, read.missed) == (3 * GRANULE, SAMPLE, 0)
    counted = migration.modules.control.counters()["web01/2000/folder"]
    assert counted <= 1.05 * (read.read + read.sampled)


def test_a_change_that_tracking_kept_quiet_about_is_found_by_reading_all(
    migration: VmMigration,
) -> None:
    migration.sync()
    migration.write(2000, 3 * MIB, b"nobody tells of this")
    migration.modules.control.add_fault("omit_extent")
    reports = migration.sync(reads_all=True)
    assert reports["disk-2000"].claim.source_read.missed == GRANULE


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("reset_change_id", "change_id_reset"),
        ("rewind_change_id", "counter_went_back"),
        ("file_fault", "query_failed"),
    ],
)
def test_doubt_makes_a_delta_read_all(migration: VmMigration, spoil: str, reason: str) -> None:
    migration.sync()
    migration.write(2000, MIB, b"changed")
    migration.sync()
    migration.write(2000, 2 * MIB, b"changed again")
    control = migration.modules.control
    if spoil == "file_fault":
        control.add_fault(spoil)
    else:
        getattr(control, spoil)("web01", 2000)
    reports = migration.sync()
    assert migration.told["disk-2000"]["delta_reason"] == reason
    read = reports["disk-2000"].claim.source_read
    assert read.read >= len(CONTENTS[0])
    assert read.indexed == 0


@pytest.mark.parametrize(
    ("reader", "fault"),
    [
        ("datastore", {"kind": "session_expired", "after_bytes": 4 * MIB}),
        ("export", {"kind": "lease_expired", "after_bytes": 4 * MIB}),
        ("export", {"kind": "session_expired", "after_bytes": 4 * MIB}),
    ],
)
def test_what_expires_in_mid_copy_is_opened_again(
    migration: VmMigration, reader: str, fault: dict[str, Any]
) -> None:
    migration.modules.control.add_fault(**fault)
    migration.sync(reader)


def test_where_a_flat_disk_is_no_file_auto_takes_the_export_and_says_why(
    migration: VmMigration,
) -> None:
    """As on vSAN and vVols."""
    migration.modules.control.change_settings(object_store=True)
    migration.sync()
    told = migration.told["disk-2000"]
    assert told["reader"] == "export"
    assert "not datastore: " in told["reader_reason"]
    assert "404" in told["reader_reason"]


def test_without_a_snapshot_there_is_no_view(migration: VmMigration) -> None:
    with pytest.raises(FerryError, match="has no snapshots of migration web01"), migration.view():
        pass
