# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.workload.naming import (
    LONGEST_ID,
    migration_id,
    workloads_alike,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("web01", "web01", id="as it is"),
        pytest.param("Web_01.example.COM", "web-01-example-com", id="a full host name"),
        pytest.param("-web--01-", "web-01", id="hyphens at the ends and in a row"),
        pytest.param("w" * LONGEST_ID, "w" * LONGEST_ID, id="the longest"),
    ],
)
def test_an_id_is_a_part_of_a_dns_label(name: str, expected: str) -> None:
    assert migration_id(name) == expected


@pytest.mark.parametrize("name", ["", "___", "w" * (LONGEST_ID + 1)])
def test_a_name_that_makes_no_id_is_told(name: str) -> None:
    with pytest.raises(InputError, match=r"cannot be a migration's id.*ferry_migration_id"):
        migration_id(name)


def test_workloads_of_one_id_or_one_target_are_alike() -> None:
    variables = {
        "web01": {"ferry_instance": "web01"},
        "web.01": {"ferry_instance": "other", "ferry_migration_id": "WEB01"},
        "db01": {"ferry_instance": "web01"},
        "app01": {"ferry_instance": "app01"},
    }
    assert workloads_alike(variables, "web01", list(variables)) == ["web.01", "db01"]
    assert workloads_alike(variables, "app01", list(variables)) == []
    assert workloads_alike(variables, "web01", ["web01", "app01"]) == []
