# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk added, grown or removed at the source, and what becomes of the target's volumes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.units import GIB
from ansible_collections.ferry.hvm.plugins.module_utils.workload.volume_changes import (
    VolumeChanges,
    Wishes,
    held_volumes,
    plan_changes,
)


def disk(name: str, size: int = GIB) -> dict[str, Any]:
    return {"name": name, "size": size}


def volume(name: str, size: int = GIB, number: int = 1) -> dict[str, Any]:
    return {"id": number, "name": name, "size": size, "root": False, "unit": number}


def plan(disks: list[dict[str, Any]], volumes: list[dict[str, Any]], **said: Any) -> VolumeChanges:
    return plan_changes(disks, volumes, Wishes(datastore="ds", **said))


def changed(found: VolumeChanges) -> list[tuple[str, int, str]]:
    return [(each.name, each.size, each.datastore) for each in found.changes]


def test_a_target_that_fits_needs_nothing() -> None:
    found = plan([disk("a"), disk("b", 1)], [volume("a", 9 * GIB), volume("b")])
    assert (changed(found), found.kept, found.deleted, found.tell()) == ([], [], [], [])


def test_a_new_disk_gets_a_volume_of_whole_gib_on_its_datastore() -> None:
    disks = [disk("a"), disk("b", GIB + 1), disk("c")]
    found = plan(disks, [volume("a")], datastores={"c": "fast"})
    assert changed(found) == [("b", 2 * GIB, "ds"), ("c", GIB, "fast")]
    assert found.tell()[0] == "volume b of 2.0 GiB (2147483648) is made on ds for disk b"


def test_a_grown_disks_volume_grows_and_a_smaller_disks_volume_does_not_shrink() -> None:
    found = plan([disk("a", GIB + 1), disk("b", 1)], [volume("a"), volume("b", 2 * GIB)])
    assert changed(found) == [("a", 2 * GIB, "ds")]
    assert found.tell() == ["volume a grows from 1.0 GiB (1073741824) to 2.0 GiB (2147483648)"]


def test_a_volume_whose_disk_is_gone_stays_unless_it_was_named() -> None:
    disks, volumes = [disk("a")], [volume("a"), volume("b"), volume("c")]
    found = plan(disks, volumes, deletable=["c", "long gone"])
    assert (found.kept, found.deleted, changed(found)) == (["b"], ["c"], [])
    assert found.as_options()["absent"] == ["c"]


def test_volumes_that_pair_by_order_still_grow() -> None:
    found = plan([disk("sda", 2 * GIB), disk("sdb")], [volume("root"), volume("data")])
    assert changed(found) == [("root", 2 * GIB, "ds")]


def test_the_operators_map_names_the_volume_of_a_new_disk() -> None:
    found = plan([disk("sda"), disk("sdb")], [volume("root")], disk_map={"sda": "root"})
    assert changed(found) == [("sdb", GIB, "ds")]
    found = plan([disk("sda"), disk("sdb")], [volume("sda")], disk_map={"sdb": "data"})
    assert changed(found) == [("data", GIB, "ds")]


@pytest.mark.parametrize(
    ("volumes", "said", "words"),
    [
        pytest.param(["x"], {}, "Cannot tell", id="no name is equal, and the counts differ"),
        pytest.param([], {}, "Cannot tell", id="no volume at all"),
        pytest.param(["x", "y"], {"disk_map": {"a": "z"}}, "Cannot tell", id="a map of typos"),
        pytest.param(["x", "a", "b"], {}, "root volume x takes no disk", id="the root has no disk"),
        pytest.param(
            ["x", "a", "b"], {"deletable": ["x"]}, "root volume x", id="the root shall go"
        ),
        pytest.param(["a", "a"], {}, "one name", id="two volumes of one name"),
        pytest.param(["a"], {"disk_map": {"b": "a"}}, "Two disks", id="two disks of one volume"),
        pytest.param(["a", "b"], {"deletable": ["b"]}, "take a disk", id="a volume in use"),
        pytest.param(["a"], {"deletable": ["b"]}, "take a disk", id="a volume to be made"),
    ],
)
def test_what_would_be_a_guess_or_a_loss_is_refused(
    volumes: list[str], said: dict[str, Any], words: str
) -> None:
    made = [volume(name, number=number) for number, name in enumerate(volumes)]
    with pytest.raises(InputError, match=words):
        plan([disk("a"), disk("b")], made, **said)


def test_a_root_that_is_attached_nowhere_is_not_taken_for_missing() -> None:
    instance = {"name": "web01", "tags": {"ferry_guest_root": "1"}, "volumes": [volume("a")]}
    assert [each["name"] for each in held_volumes(instance, worker="w")] == ["a"]
    with pytest.raises(InputError, match=r"root volume \(id 1\) is not attached"):
        held_volumes({**instance, "volumes": []}, worker="w")
