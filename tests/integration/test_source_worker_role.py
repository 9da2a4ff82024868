# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role that prepares a source worker, on this machine, with its Python in the test's folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.integration.ansible_host import Playground

# pip fetches and builds one package.
pytestmark = pytest.mark.timeout(600)


def test_the_python_reads_vms_and_is_made_once(tmp_path: Path) -> None:
    place = tmp_path / "source-worker"
    here = {
        "ansible_connection": "local",
        # As the guide has it in the inventory, where it does not exist before the first run.
        "ansible_python_interpreter": str(place / "bin" / "python"),
        "source_worker_directory": str(place),
    }
    role = {"ansible.builtin.import_role": {"name": "ferry.hvm.source_worker"}}
    playground = Playground(tmp_path, here)
    first, again = playground.run([role]), playground.run([role])
    assert first.status == 0, first.output
    # Noting the results is the playground's own change, each time.
    assert ("changed=3" in first.output, "changed=1" in again.output) == (True, True), again.output
    command = [str(place / "bin" / "python"), "-c", "import pyVmomi; print(pyVmomi.__file__)"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert Path(told.strip()).is_relative_to(place)
