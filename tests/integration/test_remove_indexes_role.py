# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role that has a source worker forget a migration that has ended, on this machine."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vm_snapshot import INDEXES

from tests.integration.ansible_host import Playground

OWN, OTHER = "test-remove-indexes", "test-remove-indexes-2"


@pytest.fixture
def indexes() -> Iterator[dict[str, Path]]:
    """Where source_export keeps them unless it is told otherwise: an index of each of two migrations."""
    files = {name: Path(INDEXES) / name / "disk-2000.index" for name in (OWN, OTHER)}
    for path in files.values():
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    yield files
    for path in files.values():
        shutil.rmtree(path.parent, ignore_errors=True)


def test_the_indexes_of_a_migration_go_and_those_of_others_stay(
    indexes: dict[str, Path], tmp_path: Path
) -> None:
    here = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ferry_migration_id": OWN,
        "ferry_vm": "web01",
        "ferry_instance": "web01",
    }
    role = {"ansible.builtin.import_role": {"name": "ferry.hvm.remove_indexes"}}
    playground = Playground(tmp_path, here)
    planned = playground.run([role], "--check")
    assert (planned.status, indexes[OWN].exists()) == (0, True), planned.output
    done = playground.run([role])
    assert done.status == 0, done.output
    assert (indexes[OWN].parent.exists(), indexes[OTHER].exists()) == (False, True)
