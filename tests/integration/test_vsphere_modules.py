# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vsphere modules through ansible-playbook: their arguments, what they print, and what they never print."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.ansible_host import PlaybookRun, Playground
from tests.support.vsphere_modules import connection_of, fresh_modules

pytestmark = pytest.mark.timeout(600)
MIB = 1 << 20
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


def task(registered: str, module: str, /, **arguments: Any) -> dict[str, Any]:
    return {"register": registered, f"ferry.hvm.{module}": arguments}


def snapshot(registered: str, state: str, /, **more: Any) -> dict[str, Any]:
    arguments = {
        "state": state,
        "migration_id": "web01",
        "name": "web01",
        **more.pop("options", {}),
    }
    return {**task(registered, "vsphere_snapshot", **arguments), "diff": True, **more}


TASKS = [
    task("vms", "vsphere_vm_info"),
    snapshot("checked", "present", check_mode=True, options={"change_tracking": "enabled"}),
    snapshot("taken", "present", options={"change_tracking": "enabled", "quiesce": "required"}),
    snapshot("again", "present", options={"change_tracking": "enabled", "quiesce": "required"}),
    task("left", "vsphere_snapshot_info", of_ferry=True),
    task(
        "changes",
        "vsphere_changed_extents_info",
        name="web01",
        migration_id="web01",
        baselines="{{ taken.snapshot.baselines }}",
    ),
    snapshot("removed", "absent"),
    {
        **task("refused", "vsphere_snapshot", state="absent", migration_id="web01", moid="vm-4711"),
        "ignore_errors": True,
    },
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[PlaybookRun, str]:
    """A run of all modules at the highest verbosity, and the password that it was given."""
    folder = tmp_path_factory.mktemp("vsphere")
    with fresh_modules(folder / "vcenter", {"size": MIB}) as modules:
        connection = connection_of(modules.vcenter)
        tasks = [
            {**each, "module_defaults": {"group/ferry.hvm.vsphere": connection}} for each in TASKS
        ]
        return Playground(folder, LOCAL).run(tasks, "-vvvv"), modules.vcenter.password


@pytest.fixture(scope="module")
def results(run: tuple[PlaybookRun, str]) -> Any:
    assert run[0].status == 0, run[0].output
    return run[0].results


def test_check_mode_diff_and_second_run_tell_the_truth(results: Any) -> None:
    changed = {each: results[each]["changed"] for each in ("checked", "taken", "again", "removed")}
    assert changed == {"checked": True, "taken": True, "again": False, "removed": True}
    assert results["checked"]["diff"] == results["taken"]["diff"]
    assert results["again"]["diff"]["before"] == results["taken"]["diff"]["after"]
    assert results["removed"]["snapshot"] is None


def test_infos_tell_of_vm_snapshot_and_changes(results: Any) -> None:
    assert [each["name"] for each in results["vms"]["vms"]] == ["web01"]
    assert [each["migration_id"] for each in results["left"]["snapshots"]] == ["web01"]
    assert [each["extents"] for each in results["changes"]["disks"]] == [[]]


def test_failure_names_kind_object_and_hint(results: Any) -> None:
    assert results["refused"]["failed"] is True
    assert results["refused"]["error"]["kind"] == "input"
    assert "vm-4711" in results["refused"]["msg"]


def test_password_is_in_no_output(run: tuple[PlaybookRun, str]) -> None:
    played, password = run
    assert len(password) > 8
    assert password not in played.output
    assert password not in str(played.results)


def test_missing_library_is_named(tmp_path: Path) -> None:
    """An interpreter without packages: the module loads, and says what it needs."""
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    variables = {**LOCAL, "ansible_python_interpreter": str(bare / "bin" / "python")}
    where = {
        "hostname": "127.0.0.1",
        "username": "operator",
        "password": "none-of-it",
        "name": "web01",
    }
    asked = {**task("vms", "vsphere_vm_info", **where), "ignore_errors": True}
    played = Playground(tmp_path, variables).run([asked])
    assert played.results["vms"]["failed"] is True
    assert "Failed to import the required Python library (pyvmomi)" in played.results["vms"]["msg"]
    assert "No module named 'pyVmomi'" in played.results["vms"]["msg"]
