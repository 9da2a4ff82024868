# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports point one way: the table below is the architecture, and this test holds it.

    modules | action -> entry -> one room -> errors, units -> stdlib

Rooms never import each other; they meet in a module or a role.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Iterator

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PLUGINS = CHECKOUT / "plugins"
PREFIX = "ansible_collections.ferry.hvm.plugins."

ROOMS = ("replication", "guest", "morpheus", "vsphere", "worker", "workload")
NOUNS = ("module_utils.errors", "module_utils.units", "module_utils.model")
API_ROOMS = ("morpheus", "vsphere")
# What the rooms that speak to somebody else's API share.
CLIENTS = ("module_utils.waiting", "module_utils.trust", "module_utils.change_plan")
MAY_IMPORT = {
    "module_utils.errors": (),
    "module_utils.units": (),
    "module_utils.model": ("module_utils.units",),
    "module_utils.waiting": NOUNS,
    "module_utils.trust": NOUNS,
    "module_utils.change_plan": (),
    **{f"module_utils.{room}": (f"module_utils.{room}", *NOUNS) for room in ROOMS},
    **{f"module_utils.{room}": (f"module_utils.{room}", *NOUNS, *CLIENTS) for room in API_ROOMS},
    "module_utils.entry": ("module_utils",),
    "plugin_utils": ("plugin_utils", "module_utils"),
    "doc_fragments": (),
    "modules": ("module_utils",),
    "action": ("plugin_utils", "module_utils"),
    "filter": ("module_utils",),
    "callback": ("module_utils",),
}
MAY_KNOW_ANSIBLE = ("module_utils.entry", "plugin_utils", "modules", "action", "filter", "callback")


def _files() -> list[Path]:
    return sorted(path for path in PLUGINS.rglob("*.py") if path.read_text(encoding="utf-8"))


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(PLUGINS).with_suffix("").parts)


def _imports(path: Path) -> Iterator[str]:
    """Yield what the file imports, the collection's own names without their long prefix."""
    package = _dotted(path).split(".")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.replace(PREFIX, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level]
            yield ".".join([*base, *(node.module or "").split(".")]).rstrip(".")
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").replace(PREFIX, "")


def _is_below(name: str, parents: tuple[str, ...]) -> bool:
    return any(name == parent or name.startswith(f"{parent}.") for parent in parents)


def _row_of(name: str) -> str:
    return next(row for row in MAY_IMPORT if _is_below(name, (row,)))


@pytest.mark.parametrize("path", _files(), ids=_dotted)
def test_imports_follow_the_table(path: Path) -> None:
    row = _row_of(_dotted(path))
    own = [name for name in _imports(path) if _is_below(name, (*MAY_IMPORT, "module_utils"))]
    assert [name for name in own if not _is_below(name, MAY_IMPORT[row])] == []


@pytest.mark.parametrize("path", _files(), ids=_dotted)
def test_rooms_do_not_know_ansible(path: Path) -> None:
    row = _row_of(_dotted(path))
    known = [name for name in _imports(path) if _is_below(name, ("ansible",))]
    assert row in MAY_KNOW_ANSIBLE or known == []


@pytest.mark.parametrize("path", _files(), ids=_dotted)
def test_only_the_entry_layer_fails_a_module(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "fail_json(" not in text or path == PLUGINS / "module_utils" / "entry" / "run.py"


@pytest.mark.parametrize("path", _files(), ids=_dotted)
def test_module_utilities_import_each_other_relatively(path: Path) -> None:
    """So the same files run bundled by Ansible, from a zipapp, and under pytest."""
    if _is_below(_dotted(path), ("module_utils",)):
        assert PREFIX not in path.read_text(encoding="utf-8")
