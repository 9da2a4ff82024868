# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which resize brings an instance to its volumes, and which are refused."""

from __future__ import annotations

from typing import Any, Sequence

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.creation import WantedVolume
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.errors import NotAllowedNowError
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.volume_set import plan_volume_set

from tests.unit.plugins.module_utils.morpheus.samples import DATA, GIB, ROOT, machine


def plan(*wanted: tuple[str, int], absent: Sequence[str] = (), **made: Any) -> Any:
    volumes = [WantedVolume(name, size, datastore="ds") for name, size in wanted]
    return plan_volume_set(machine(**made), volumes, absent)


def test_volumes_as_large_as_wanted_or_larger_are_left_alone_even_while_it_runs() -> None:
    assert plan(("root", 2 * GIB), ("data", 1), status="running", power="on").steps == ()


def test_what_is_missing_is_added_what_is_small_grown_and_what_is_unwanted_removed() -> None:
    (step,) = plan(("root", 3 * GIB - 1), ("more", 1), absent=["data", "gone"]).steps
    assert [each.name for each in step.added] == ["more"]
    assert step.grown == {11: 3 * GIB}
    assert [each.name for each in step.removed] == ["data"]


def test_the_diff_names_sizes_as_the_appliance_will_make_them() -> None:
    changed = plan(("more", 1))
    assert changed.before["volumes"][0] == {"name": "root", "size": "2.0 GiB (2147483648)"}
    more = {"name": "more", "size": "1.0 GiB (1073741824)", "datastore": "ds"}
    assert changed.after["volumes"][2] == more
    assert changed.after["volumes"][:2] == changed.before["volumes"]


@pytest.mark.parametrize(
    ("wanted", "absent", "made", "words"),
    [
        pytest.param([("more", 1)], [], {"status": "running"}, "cannot be changed", id="it runs"),
        pytest.param([], ["root"], {}, "is the root", id="the root shall go"),
        pytest.param(
            [("root", 1)], [], {"volumes": [ROOT, {**DATA, "name": "root"}]}, "one name", id="twins"
        ),
    ],
)
def test_what_an_instance_forbids_is_refused(
    wanted: list[tuple[str, int]], absent: list[str], made: dict[str, Any], words: str
) -> None:
    with pytest.raises(NotAllowedNowError, match=words):
        plan(*wanted, absent=absent, **made)


def test_a_volume_is_not_both_wanted_and_to_be_deleted() -> None:
    with pytest.raises(InputError, match="to be deleted: data"):
        plan(("data", 1), absent=["data"])
