# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator's guide and the role `workload` promise to be complete is held against the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
GUIDE = (CHECKOUT / "docs/operators-guide.md").read_text()


def finding_codes() -> Iterator[str]:
    """The codes of preflight's findings, where a check has its own in its text."""
    for path in (CHECKOUT / "plugins/module_utils/workload").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "Finding":
                continue
            if isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)


def test_the_guide_says_what_to_do_about_each_finding() -> None:
    codes = set(finding_codes())
    assert len(codes) > 20
    assert [code for code in sorted(codes) if f"`{code}`" not in GUIDE] == []


def test_the_role_of_the_variables_knows_those_of_all_roles() -> None:
    options = {
        path.parts[-3]: set(yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"])
        for path in (CHECKOUT / "roles").glob("*/meta/argument_specs.yml")
    }
    workload = options.pop("workload")
    unknown = {
        (role, name)
        for role, names in options.items()
        for name in names
        if name.startswith("ferry_") and name not in workload
    }
    assert unknown == set()
