# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The morpheus modules through ansible-playbook against the lab's appliance, each step thrice.

One run of ansible-playbook takes the whole sequence; the tests look at what it brought back.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from tests.integration.morpheus_steps import (
    SOURCE_MAC,
    WORKER,
    Step,
    Taken,
    run_in_ansible,
    steps,
)
from tests.support.appliance_api import fresh_api

# 51 module runs of a second or two each; several times that on a loaded machine.
pytestmark = pytest.mark.timeout(900)

NAMES = [step.name for step in steps(Path("unused"))]


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Taken]:
    """What came of each step, by its name."""
    folder = tmp_path_factory.mktemp("modules")
    image = folder / "worker.iso"
    image.write_bytes(b"worker" * 50_000)
    (folder / "appliance").mkdir()
    with fresh_api(folder / "appliance") as api:
        found = run_in_ansible(api.appliance, steps(image), folder)
    return {each.step.name: each for each in found}


@pytest.mark.parametrize("name", NAMES)
def test_step_succeeds_and_says_that_it_changed_something(
    taken: dict[str, Taken], name: str
) -> None:
    assert taken[name].done.get("failed", False) is False
    assert taken[name].done["changed"] is True


@pytest.mark.parametrize("name", NAMES)
def test_second_run_changes_nothing(taken: dict[str, Taken], name: str) -> None:
    again = taken[name].again
    assert again["changed"] is False
    assert again["diff"]["before"] == again["diff"]["after"]


@pytest.mark.parametrize("name", NAMES)
def test_check_mode_says_the_same_as_the_run(taken: dict[str, Taken], name: str) -> None:
    assert taken[name].checked["changed"] is True
    assert taken[name].checked["diff"] == taken[name].done["diff"]
    assert taken[name].checked["diff"]["before"] != taken[name].checked["diff"]["after"]


@pytest.mark.parametrize("name", NAMES)
def test_check_mode_changes_nothing_on_the_appliance(taken: dict[str, Taken], name: str) -> None:
    assert taken[name].records_before == taken[name].records_after_check


@pytest.mark.parametrize(("name", "following"), list(pairwise(NAMES)))
def test_run_is_seen_in_the_records_that_check_mode_left_alone(
    taken: dict[str, Taken], name: str, following: str
) -> None:
    assert taken[name].records_after_check != taken[following].records_before


def test_upload_returns_the_whole_file(taken: dict[str, Taken]) -> None:
    image = taken["upload the image"].done["image"]
    assert image["files"] == [{"name": f"{WORKER}.raw", "length": 300_000}]
    assert image["complete"] is True
    assert image["tags"]["ferry"] == "web01"


def test_target_is_made_off_with_empty_disks_in_the_order_of_their_units(
    taken: dict[str, Taken],
) -> None:
    instance = taken["create the target"].done["instance"]
    assert (instance["status"], instance["power_state"]) == ("stopped", "off")
    disks = [(each["name"], each["unit"], each["root"]) for each in instance["volumes"]]
    assert disks == [("root", 0, True), ("data", 1, False)]
    # 1 GiB and a byte: the appliance makes whole GiB.
    assert [each["size"] for each in instance["volumes"]] == [2 << 30, 2 << 30]
    assert [each["network"] for each in instance["interfaces"]] == ["migration"]
    assert instance["tags"] == {"ferry": "web01"}


def test_worker_volume_is_the_only_root_while_it_is_attached(taken: dict[str, Taken]) -> None:
    attached = taken["give the worker volume"].done["volume"]
    assert (attached["instance"], attached["root"], attached["unit"]) == ("web01", True, 0)
    volumes = taken["start"].done["instance"]["volumes"]
    assert [each["name"] for each in volumes if each["root"]] == [WORKER]


def test_running_instance_tells_its_address(taken: dict[str, Taken]) -> None:
    instance = taken["start"].done["instance"]
    assert (instance["status"], instance["power_state"]) == ("running", "on")


def test_snapshot_holds_all_volumes_of_the_target(taken: dict[str, Taken]) -> None:
    done = taken["take a snapshot"].done
    assert done["snapshot"]["status"] == "complete"
    assert done["snapshot"]["active"] is True
    held = [each["id"] for each in done["instance"]["volumes"]]
    assert sorted(done["snapshot"]["volume_ids"]) == sorted(held)
    assert taken["delete the snapshot"].done["snapshot"] is None


def test_volumes_are_added_grown_and_deleted_and_the_rest_stays(taken: dict[str, Taken]) -> None:
    before = taken["give the guest's root back"].done["volume"]
    instance = taken["add, grow and delete volumes"].done["instance"]
    made = [(each["name"], each["size"] >> 30, each["root"]) for each in instance["volumes"]]
    assert made == [("root", 3, True), ("more", 1, False)]
    assert instance["volumes"][0]["id"] == before["id"]
    assert [each["network"] for each in instance["interfaces"]] == ["migration"]


def test_volumes_survive_rewiring_and_other_tags_stay(taken: dict[str, Taken]) -> None:
    instance = taken["mark and rewire"].done["instance"]
    assert [each["name"] for each in instance["volumes"]] == ["root", "more"]
    cards = [(each["network"], each["mac"]) for each in instance["interfaces"]]
    assert cards == [("production", SOURCE_MAC)]
    assert instance["tags"] == {"ferry": "web01", "ferry_generation": "2"}
    assert instance["labels"] == ["ferry", "wave-1"]


def test_cpus_and_memory_of_its_own_survive_both_resizes(taken: dict[str, Taken]) -> None:
    """The appliance of the lab gives an instance its plan's where a resize does not name them."""
    records = json.loads(taken["delete the worker volume"].records_before)
    (target,) = [each for each in records["instances"] if each["name"] == "web01"]
    assert (target["cores"], target["memory"]) == (2, 2 << 30)


def test_info_modules_of_an_empty_appliance_return_empty_lists(tmp_path: Path) -> None:
    (tmp_path / "appliance").mkdir()
    with fresh_api(tmp_path / "appliance") as api:
        api.create_image("only-to-have-records", b"x")
        infos = [
            Step(kind, f"{kind}_info", {"name": "none"}) for kind in ("image", "instance", "volume")
        ]
        found = run_in_ansible(api.appliance, infos, tmp_path)
    assert [each.done["changed"] for each in found] == [False, False, False]
    assert [each.done[f"{each.step.name}s"] for each in found] == [[], [], []]
