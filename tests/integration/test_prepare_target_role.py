# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kind of sync a preparation is, by the role's own rule; the target's tags are what it knows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.ansible_host import CHECKOUT, Playground

pytestmark = pytest.mark.timeout(120)

PYTHON = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}

# The tags that earlier steps left, whether the operator calls it the final sync, and what it is.
CASES: dict[str, tuple[dict[str, str], bool, str]] = {
    "the first": ({"ferry_generation": "1"}, False, "first"),
    "after a first whose preparation failed": ({"ferry_generation": "2"}, False, "first"),
    "prepared once more": (
        {"ferry_generation": "2", "ferry_first_prepared": "2"},
        False,
        "first",
    ),
    "after it": ({"ferry_generation": "3", "ferry_first_prepared": "2"}, False, "delta"),
    "the final": ({"ferry_generation": "4", "ferry_first_prepared": "2"}, True, "final"),
    "the final is the first": ({"ferry_generation": "1"}, True, "final"),
}


def test_a_sync_is_the_first_until_one_was_prepared(tmp_path: Path) -> None:
    rules = CHECKOUT / "roles" / "prepare_target" / "vars" / "main.yml"
    judged: list[dict[str, Any]] = [
        {
            "ansible.builtin.debug": {"msg": "{{ prepare_target_kind }}"},
            "vars": {
                "prepare_target_observed": {"instances": [{"tags": tags}]},
                "workload_is_final_sync": is_final,
            },
            "register": f"case_{number}",
        }
        for number, (tags, is_final, _kind) in enumerate(CASES.values())
    ]

    run = Playground(tmp_path, PYTHON).run([{"ansible.builtin.include_vars": str(rules)}, *judged])

    assert run.status == 0, run.output
    told = {name: run.results[f"case_{number}"]["msg"] for number, name in enumerate(CASES)}
    assert told == {name: kind for name, (_tags, _is_final, kind) in CASES.items()}
