# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPUs and memory of a machine are named in every resize, and compared after it."""

from __future__ import annotations

from typing import Any, Dict

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.errors import NotAsAskedError
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.machines import (
    Machine,
    refuse_other_size,
)

from tests.unit.plugins.module_utils.morpheus.samples import GIB, machine

OWN = {"maxCores": 3, "maxMemory": 3 * GIB, "coresPerSocket": 1}


def sized(**changes: Any) -> Machine:
    return machine(server={**OWN, **changes})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param({}, OWN, id="all"),
        pytest.param(
            {"coresPerSocket": None}, {"maxCores": 3, "maxMemory": 3 * GIB}, id="no sockets"
        ),
        pytest.param({"maxCores": 0, "maxMemory": None}, {"coresPerSocket": 1}, id="not told"),
    ],
)
def test_what_the_appliance_tells_of_the_size_is_named(
    changes: Dict[str, Any], named: Dict[str, int]
) -> None:
    assert sized(**changes).plan_options == named


def test_a_machine_that_kept_its_size_is_fine() -> None:
    refuse_other_size(sized(), sized())
    refuse_other_size(sized(maxCores=None), sized())
    refuse_other_size(sized(), sized(maxCores=None))


@pytest.mark.parametrize("lost", [{"maxCores": 1}, {"maxMemory": GIB}, {"coresPerSocket": 3}])
def test_a_machine_that_lost_its_size_is_told_with_both(lost: Dict[str, Any]) -> None:
    with pytest.raises(NotAsAskedError, match="had coresPerSocket 1, maxCores 3") as caught:
        refuse_other_size(sized(), sized(**lost))
    ((name, value),) = lost.items()
    assert f"{name} {value}" in caught.value.what
