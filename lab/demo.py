# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: a real migration on this one machine, from the first sync to a delta, with proof."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from . import migration
from .errors import LabError
from .guests.marker import BootReport
from .settings import LabSettings
from .up import bring_up

SOURCE = "web01"


def show(lab: LabSettings) -> None:
    """Carry web01 across and a change after it; raises LabError where a proof does not hold."""
    began = time.monotonic()
    bring_up(lab, [SOURCE])
    image = migration.build_worker_image()
    source = migration.source_report(lab, SOURCE)
    _title(f"{SOURCE} runs on {source.driver}, and cannot boot on virtio as it is")
    reports = {
        "first sync": _sync_and_prove(lab, "initial_os", str(image), source, source.file_count)
    }
    _title(f"changing files on {SOURCE} while it runs")
    file_count = migration.change_source(lab, SOURCE, f"demo-{int(time.time())}")
    reports["delta"] = _sync_and_prove(lab, "delta_os", str(image), source, file_count)
    _show_table(reports)
    _show_way_on(lab, str(image), time.monotonic() - began)


def _sync_and_prove(
    lab: LabSettings, playbook: str, image: str, source: BootReport, file_count: int
) -> dict[str, Any]:
    _title(f"ansible-playbook {playbook}.yml -l {SOURCE}")
    console = migration.clone_console(lab, SOURCE)
    booted = migration.report_count(console)
    report = migration.sync(lab, playbook, SOURCE, "-e", f"ferry_worker_image={image}")
    _title("waiting for the clone to come up on the isolated network")
    proof = migration.prove(source, migration.wait_for_report(console, booted), file_count)
    for fact, held in proof.facts:
        print(f"    {'proved ' if held else 'FAILED '} {fact}")
    if not proof.holds:
        raise LabError(f"The clone of {SOURCE} is not what its source is", f"Console: {console}")
    content: dict[str, Any] = report[SOURCE]
    return content


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


def _show_way_on(lab: LabSettings, image: str, took: float) -> None:
    _title(f"done in {took:.0f} s; the lab stays up")
    print(f"""
    consoles    {lab.appliance_directory}/console-*.log
    inventory   {lab.inventory}
    by hand     . .venv/bin/activate
                ansible-playbook delta_os.yml -i {lab.inventory} -l {SOURCE} \\
                  -e ferry_worker_image={image}
    end it      make demo-down
""")


def _title(text: str) -> None:
    print(f"\n==> {text}", flush=True)
