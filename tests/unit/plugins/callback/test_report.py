# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a run: what was carried, what is claimed, where the time went, what failed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.ferry.hvm.plugins.callback.report import _lines

CHECKOUT = Path(__file__).resolve().parents[4]
SYNC: dict[str, Any] = {
    "steps": {"preflight": 0.4, "start_worker": 21.0, "replicate_source_data": 65.0},
    "replication": {
        "disks": [
            {
                "name": "sda",
                "size": 2 << 30,
                "compared": 2 << 30,
                "sent": 3 << 20,
                "claim": {
                    "root": "87fb59faa5c1c5fc0011223344556677",
                    "algorithm": "blake2b",
                    "source_view": "moving",
                    "source_read": {"read": 2 << 30},
                    "target_read": "read_back",
                    "source_unused": 1 << 30,
                    "target_index": None,
                },
            }
        ]
    },
}


def test_a_sync_shows_its_bytes_its_claim_and_its_longest_step_first() -> None:
    assert _lines("web01", SYNC) == [
        "",
        "FERRY web01",
        "  sda: 2.0 GiB on disk, 2.0 GiB compared, 3.0 MiB sent",
        "    claim: root 87fb59faa5c1c5fc (blake2b), source moving, 2.0 GiB of it read, target read_back",
        "    of it 1.0 GiB are zeros because no file system used them",
        "  time: replicate_source_data 1 min 05 s, start_worker 21 s",
    ]


def test_the_reader_of_a_vms_disk_is_shown_and_why_all_of_it_was_read() -> None:
    (disk,) = SYNC["replication"]["disks"]
    read = {**disk, "reader": "export", "delta_reason": "no_baseline"}
    lines = _lines("web01", {"steps": {}, "replication": {"disks": [read]}})
    assert lines[3] == "    read by export, whole (no_baseline)"


def test_what_a_target_index_saved_is_shown() -> None:
    (disk,) = SYNC["replication"]["disks"]
    used = {"offered": 2 << 30, "adopted": 2 << 30, "sampled": 256 << 20, "read": 257 << 20}
    claim = {**disk["claim"], "target_read": "index", "target_index": used}
    lines = _lines("web01", {"steps": {}, "replication": {"disks": [{**disk, "claim": claim}]}})
    assert lines[4] == "    target: 2.0 GiB by its index, 256.0 MiB of that read"


def test_a_failure_names_its_step() -> None:
    lines = _lines("web01", {"steps": {"start_worker": 2.0}, "failed_step": "start_worker"})
    assert lines[-1] == "  failed in step start_worker"


PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: waits
    - ansible.builtin.command: "false"
      changed_when: false
"""


def test_a_real_run_is_written_as_json_with_the_roles_as_steps(tmp_path: Path) -> None:
    tasks = tmp_path / "roles" / "waits" / "tasks"
    tasks.mkdir(parents=True)
    (tasks / "main.yml").write_text("- ansible.builtin.command: 'true'\n")
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    report = tmp_path / "report.json"
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), str(tmp_path / "play.yml")],
        cwd=CHECKOUT,
        env={**os.environ, "FERRY_REPORT_FILE": str(report)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    written = json.loads(report.read_text())["localhost"]
    assert list(written["steps"]) == ["waits"]
    assert written["failed_step"] == ""
