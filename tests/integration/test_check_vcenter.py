# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook by which a user checks a real vCenter, run against the lab's."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.ansible_host import CHECKOUT, Playground, environment
from tests.support.vsphere_modules import VsphereModules, connection_of, fresh_modules
from tests.unit.plugins.module_utils.replication.rig import noise

pytestmark = pytest.mark.timeout(600)

MIB = 1 << 20
CONTENTS = (noise(3 * MIB) + bytes(MIB), noise(MIB, seed=2))
PYTHON = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


@dataclass
class Check:
    """A run of the playbook for web01: how it ended, and its report."""

    modules: VsphereModules
    folder: Path

    def run(self, *arguments: str, **variables: Any) -> tuple[int, str, dict[str, Any]]:
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        chosen = json.dumps({"check_vcenter_report": str(report), **variables})
        inventory = ("-i", str(self._inventory()), "-l", "web01")
        done = subprocess.run(
            [program, "ferry.hvm.check_vcenter", *inventory, "-e", chosen, *arguments],
            cwd=CHECKOUT,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        told = json.loads(report.read_text()) if report.exists() else {}
        return done.returncode, done.stdout + done.stderr, told

    def snapshots(self) -> list[Any]:
        """The snapshots of the VM, by the vCenter's own record."""
        return list(self.modules.control.state()["vms"]["web01"]["snapshots"] or [])

    def _inventory(self) -> Path:
        connection = connection_of(self.modules.vcenter)
        password = self.modules.vcenter.directory / "password"
        connection["password"] = f"{{{{ lookup('ansible.builtin.file', '{password}') }}}}"
        reached = {f"ferry_vcenter_{name}": value for name, value in connection.items()}
        host = {"ferry_vm": "web01", "ferry_source_worker": "worker1", **reached}
        path = self.folder / "inventory.json"
        path.write_text(json.dumps({"all": {"hosts": {"web01": host, "worker1": PYTHON}}}))
        return path


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Check]:
    folder = tmp_path_factory.mktemp("check")
    images = [folder / f"{number}.raw" for number in range(len(CONTENTS))]
    for image, content in zip(images, CONTENTS):
        image.write_bytes(content)
    disks = [{"image": str(image)} for image in images]
    with fresh_modules(folder / "vcenter", *disks) as modules:
        yield Check(modules, folder)


def test_the_report_tells_what_was_seen_and_nothing_is_left(check: Check) -> None:
    status, output, report = check.run("-vvv", check_vcenter_change_tracking="enabled")
    assert status == 0, output
    assert (report["readers_agree"], report["readers_broken"]) == (True, [])
    assert [each["snapshot"]["consistency"] for each in report["snapshots"]] == [
        "filesystem_consistent"
    ] * 2
    assert [each["delta_reason"] for each in report["changes"]] == [None, None]
    assert (report["left"], report["failure"], check.snapshots()) == ([], "", [])
    assert check.modules.vcenter.password not in output + json.dumps(report)
    by_reader = {each["item"]: each for each in report["readers"]}
    assert [each["item"] for each in report["readers"]] == [
        "datastore",
        "export",
        "vddk",
        "datastore",
    ]
    wanted = [hashlib.blake2b(content, digest_size=32).hexdigest() for content in CONTENTS]
    for reader in ("datastore", "export"):
        assert [disk["digest"] for disk in by_reader[reader]["disks"]] == wanted
    assert "The reader vddk cannot be used" in by_reader["vddk"]["msg"]


def test_a_guest_that_cannot_be_quiesced_fails_the_check_and_is_reported(check: Check) -> None:
    check.modules.control.add_fault("application_quiesce")
    status, output, report = check.run(ferry_quiesce="required")
    assert status != 0
    assert "Take a snapshot: " in report["failure"], output
    assert check.snapshots() == []


def test_a_reader_that_fails_fails_the_check(check: Check) -> None:
    """Whatever it says, unless it is that it cannot be used here."""
    status, output, report = check.run(check_vcenter_readers=["unknown"])
    assert status != 0
    assert report["readers_broken"] == ["unknown"], output
    assert check.snapshots() == []


def test_a_dry_run_takes_no_snapshot_and_writes_no_report(check: Check) -> None:
    before = check.modules.control.state()["vms"]["web01"]
    status, output, report = check.run("--check")
    assert (status, report) == (0, {}), output
    assert check.modules.control.state()["vms"]["web01"] == before


# What the readers found of each disk, and whether they agree.
DIGESTS: dict[str, tuple[dict[str, list[int]], bool]] = {
    "the same": ({"datastore": [1, 2], "export": [1, 2]}, True),
    "disks alike": ({"datastore": [1, 1], "export": [1, 1]}, True),
    "one differs": ({"datastore": [1, 2], "export": [1, 3]}, False),
    "disks mixed up": ({"datastore": [1, 2], "export": [2, 1]}, False),
    "one reader": ({"datastore": [1, 2]}, True),
    "no reader": ({}, False),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the role's rules say of each of DIGESTS: whether the readers agree, and which are broken."""
    rules = CHECKOUT / "roles" / "check_vcenter" / "vars" / "main.yml"
    judged = [
        _judged(f"case_{number}", digests)
        for number, (digests, _agree) in enumerate(DIGESTS.values())
    ]
    run = Playground(tmp_path_factory.mktemp("rules"), PYTHON).run(
        [{"ansible.builtin.include_vars": str(rules)}, *judged]
    )
    assert run.status == 0, run.output
    return {name: run.results[f"case_{number}"]["msg"] for number, name in enumerate(DIGESTS)}


def _judged(register: str, digests: dict[str, list[int]]) -> dict[str, Any]:
    results: list[dict[str, Any]] = [
        {
            "disks": [
                {"key": 2000 + number, "digest": str(each)} for number, each in enumerate(found)
            ]
        }
        for found in digests.values()
    ]
    refused = {"item": "vddk", "failed": True, "msg": "The reader vddk cannot be used: ..."}
    broken = {"item": "export", "failed": True, "msg": "The stream ended early"}
    return {
        "ansible.builtin.debug": {
            "msg": ["{{ check_vcenter_readers_agree }}", "{{ check_vcenter_broken }}"]
        },
        "vars": {"check_vcenter_read": {"results": [*results, refused, broken]}},
        "register": register,
    }


@pytest.mark.parametrize("name", DIGESTS)
def test_readers_agree_where_each_disk_has_one_digest(said: dict[str, Any], name: str) -> None:
    _digests, agree = DIGESTS[name]
    assert said[name] == [agree, ["export"]]
