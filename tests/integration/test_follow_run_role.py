# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which runs of an earlier command are not followed, told by the role on the lab's vCenter.

No worker is there: a run that nothing forbids to follow is given up where the role looks for one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.ansible_host import play
from tests.support.vsphere_modules import VsphereModules, environment_of, fresh_modules

pytestmark = pytest.mark.timeout(300)

# Each host's run, by what this command wants of it: all are of the same VM, whose snapshots are below.
HOSTS: dict[str, dict[str, Any]] = {
    "final": {"ferry_final_sync": True},
    "window": {"ferry_final_sync": True, "ferry_verify": "sampled"},
    "crashed": {"ferry_quiesce": "required"},
    "removed": {},
    "quiesced": {"ferry_quiesce": "required"},
    "full": {"ferry_verify": "full"},
}
SNAPSHOTS = {"final": "try", "window": "try", "crashed": "no", "quiesced": "try", "full": "try"}


@pytest.fixture
def modules(tmp_path: Path) -> Iterator[VsphereModules]:
    with fresh_modules(tmp_path / "vcenter", {"size": 1 << 20}) as modules:
        yield modules


def test_a_run_is_not_followed_that_reads_another_moment_than_this_command_would(
    modules: VsphereModules, tmp_path: Path
) -> None:
    for host, quiesce in SNAPSHOTS.items():
        modules.snapshot(migration_id=host, quiesce=quiesce)
    common = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ferry_instance": "{{ inventory_hostname }}",
        "ferry_vm": modules.vm,
        "ferry_change_tracking": "unchanged",
        "ferry_worker_ssh_private_key_file": "/nonexistent",
    }
    noted = (
        "{{ {'followed': follow_run_name, 'reads_all': workload_vm_snapshot.reads_all} | to_json }}"
    )
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.set_fact": {"preflight_result": {"run": "{{ inventory_hostname }}-1"}}},
        {"ansible.builtin.import_role": {"name": "ferry.hvm.follow_run"}},
        {
            "ansible.builtin.copy": {
                "content": noted,
                "dest": f"{tmp_path}/{{{{ inventory_hostname }}}}.json",
            }
        },
    ]
    inventory = {"all": {"hosts": HOSTS, "vars": common}}

    done = play(tmp_path, inventory, tasks, variables=environment_of(modules.vcenter))

    assert done.status == 0, done.output
    told = {host: json.loads((tmp_path / f"{host}.json").read_text()) for host in HOSTS}
    assert {each["followed"] for each in told.values()} == {""}
    assert {host for host in HOSTS if told[host]["reads_all"]} == {"final", "full"}
    stopped = "of an earlier command is not followed but stopped:"
    for host, reason in {
        "final": "a final sync reads the source anew",
        "window": "a final sync reads the source anew",
        "crashed": 'The snapshot "ferry-crashed"',
        "removed": "the VM has no snapshot of it",
    }.items():
        assert f"{host}: run {host}-1 {stopped} {reason}" in done.output
    # Of these the snapshot is as this command would take it: the role went on to look for the worker.
    for host in ("quiesced", "full"):
        assert f"{host}: run {host}-1 {stopped} " in done.output
        assert "snapshot" not in done.output.partition(f"{host}-1 {stopped} ")[2][:40]
