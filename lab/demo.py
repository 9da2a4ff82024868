# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: a real migration on this one machine, from the first sync to a delta, with proof."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import migration, vms
from .errors import LabError
from .guests.marker import BootReport
from .settings import LabSettings
from .up import bring_up, bring_up_vms

SOURCE = "web01"


def show(lab: LabSettings) -> None:
    """Carry the VM web01 across and a change after it; raises LabError where a proof does not hold."""
    began = time.monotonic()
    vcenter = bring_up_vms(lab, [SOURCE])
    image = migration.build_worker_image()
    source = vms.expected_report(lab, vcenter, SOURCE)
    way = _Way(lab, "vm", lab.vm_inventory, f"vm-{SOURCE}", str(image))
    reports = {"first sync": way.sync_and_prove("initial", source, "-e", "ferry_reader=export")}
    _title(f"the guest of {SOURCE} writes")
    word = f"demo-{int(time.time())}"
    file_count = int(vms.in_vm(vcenter, SOURCE, migration.CHANGE_DATA, word))
    reports["delta"] = way.sync_and_prove("delta", replace(source, file_count=file_count))
    _show_table(reports)
    way.show_way_on(time.monotonic() - began)


def show_os(lab: LabSettings) -> None:
    """Carry the running server web01 across and a change after it; raises LabError as `show` does."""
    began = time.monotonic()
    bring_up(lab, [SOURCE])
    image = migration.build_worker_image()
    source = migration.source_report(lab, SOURCE)
    _title(f"{SOURCE} runs on {source.driver}, and cannot boot on virtio as it is")
    way = _Way(lab, "os", lab.inventory, SOURCE, str(image))
    reports = {"first sync": way.sync_and_prove("initial", source)}
    _title(f"changing files on {SOURCE} while it runs")
    file_count = migration.change_source(lab, SOURCE, f"demo-{int(time.time())}")
    reports["delta"] = way.sync_and_prove("delta", replace(source, file_count=file_count))
    _show_table(reports)
    way.show_way_on(time.monotonic() - began)


@dataclass(frozen=True)
class _Way:
    """One of the two sequences, "vm" or "os", and where its workload's clone is."""

    lab: LabSettings
    kind: str
    inventory: Path
    instance: str
    image: str

    def sync_and_prove(self, step: str, source: BootReport, *arguments: str) -> dict[str, Any]:
        """Run the playbook, wait for the clone, and hold it against `source`; return the sync's report."""
        name = f"{step}_{self.kind}"
        _title(f"ansible-playbook {name}.yml -l {SOURCE}")
        console = migration.clone_console(self.lab, self.instance)
        booted = migration.report_count(console)
        more = ("-e", f"ferry_worker_image={self.image}", *arguments)
        report = migration.sync(self.lab, name, SOURCE, *more, inventory=self.inventory)
        _title("waiting for the clone to come up on the isolated network")
        clone = migration.wait_for_report(console, booted)
        proof = migration.prove(source, clone, source.file_count)
        for fact, held in proof.facts:
            print(f"    {'proved ' if held else 'FAILED '} {fact}")
        if not proof.holds:
            raise LabError(
                f"The clone of {SOURCE} is not what its source is", f"Console: {console}"
            )
        content: dict[str, Any] = report[SOURCE]
        return content

    def show_way_on(self, took: float) -> None:
        """Say what is there to look at, and how to go on by hand."""
        _title(f"done in {took:.0f} s; the lab stays up")
        print(f"""
    consoles    {self.lab.appliance_directory}/console-*.log
    inventory   {self.inventory}
    by hand     . .venv/bin/activate
                ansible-playbook delta_{self.kind}.yml -i {self.inventory} -l {SOURCE} \\
                  -e ferry_worker_image={self.image}
    end it      make demo-down
""")


def _show_table(reports: Mapping[str, Mapping[str, Any]]) -> None:
    _title("what the syncs did")
    print(f"    {'sync':<11}{'disk':<6}{'on disk':>12}{'compared':>12}{'sent':>12}  claim")
    for name, report in reports.items():
        for disk in report["replication"]["disks"]:
            sizes = "".join(
                f"{disk[key] / 2**20:>8.1f} MiB" for key in ("size", "compared", "sent")
            )
            claim = disk["claim"]
            words = f"{claim['source_view']}, {claim['target_read']}, root {claim['root'][:16]}"
            print(f"    {name:<11}{disk['name']:<6}{sizes}  {words}")
    print(f"\n    {'seconds per step':<30}" + "".join(f"{name:>12}" for name in reports))
    for step in next(iter(reports.values()))["steps"]:
        took = "".join(f"{report['steps'].get(step, 0.0):>12.1f}" for report in reports.values())
        print(f"    {step:<30}{took}")


def _title(text: str) -> None:
    print(f"\n==> {text}", flush=True)
