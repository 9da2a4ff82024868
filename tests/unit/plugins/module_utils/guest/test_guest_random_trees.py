# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random trees of Debian's family, from files to files: refused for a reason, or edited line by line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.changes import EditFile
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import PlanError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import GuestFacts
from ansible_collections.ferry.hvm.plugins.module_utils.guest.inspection import inspect
from ansible_collections.ferry.hvm.plugins.module_utils.guest.network import Interface
from ansible_collections.ferry.hvm.plugins.module_utils.guest.plan import make_plan
from ansible_collections.ferry.hvm.plugins.module_utils.guest.rules import Options
from ansible_collections.ferry.hvm.plugins.module_utils.guest.tree import GuestTree
from hypothesis import given, settings

from tests.unit.plugins.module_utils.guest.guest_samples import SDA1, guest
from tests.unit.plugins.module_utils.guest.random_trees import NAME, NEW, OLD, Tree, trees

OPTIONS = Options(interfaces=(Interface(NAME, (OLD, NEW)),))


def no_program(program: str, _packed: IO[bytes]) -> IO[bytes]:
    raise AssertionError(f"{program} is not needed")


def no_run(argv: Sequence[str]) -> bytes:
    raise AssertionError(f"{argv[0]} is not needed")


def look_into(tree: GuestTree) -> GuestFacts:
    usual = guest()
    return inspect(
        tree,
        disks=usual.disks,
        file_systems=usual.file_systems,
        root=SDA1,
        decompress=no_program,
        run=no_run,
    )


def content(root: Path) -> dict[str, bytes]:
    """Return every file of the tree, by the guest's path."""
    found = (path for path in root.rglob("*") if path.is_file())
    return {f"/{path.relative_to(root)}": path.read_bytes() for path in found}


def lay_down(root: Path, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


# Comments, tabs, quotes, missing files and bytes that are no UTF-8: what each line becomes was said first.
@settings(max_examples=200)
@given(trees())
def test_200_random_trees_change_in_the_intended_lines_and_nowhere_else(made: Tree) -> None:
    with TemporaryDirectory() as folder:
        root, tree = Path(folder), GuestTree(folder)
        lay_down(root, made.before)
        facts = look_into(tree)
        if made.is_refused:
            with pytest.raises(PlanError):
                make_plan(facts, OPTIONS)
        else:
            for change in make_plan(facts, OPTIONS).changes:
                if isinstance(change, EditFile):
                    tree.write(change.path, change.after)
        assert content(root) == (made.before if made.is_refused else made.after)
