# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the appliance refuses, with words that name the object and the reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.appliance_api import MIB, Api, creation, fresh_api

ROOT = {"id": -1, "rootVolume": True, "name": "root", "size": 1}
DATA = {"id": -1, "rootVolume": False, "name": "data", "size": 1}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One appliance for all: a refused request leaves nothing behind that another could meet."""
    with fresh_api(tmp_path_factory.mktemp("appliance")) as client:
        yield client


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for an instance that no other test has."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[-60:]


@pytest.fixture(scope="module")
def running(api: Api) -> int:
    number = api.create_instance("running", volumes=[ROOT, DATA])
    api.put(f"/api/instances/{number}/start?server=true")
    api.await_status(number, "running")
    return number


@pytest.mark.parametrize("position", [0, 1], ids=["its root", "another volume"])
def test_no_volume_leaves_a_running_machine(api: Api, running: int, position: int) -> None:
    volume = api.server(running)["volumes"][position]["id"]

    answer = api.move(running, volume, "detach?force=true")

    assert "must be stopped first" in answer.refusal
    assert answer.status == 400
    assert len(api.server(running)["volumes"]) == 2


def test_a_second_root_is_refused(api: Api, name: str) -> None:
    holder, target = api.create_instance(f"{name}-a"), api.create_instance(f"{name}-b")
    spare = api.server(holder)["volumes"][0]["id"]
    api.move(holder, spare, "detach")

    body = {"mountPoint": api.mount_point(target, "5"), "rootVolume": True}

    assert "has a root volume already: root" in api.move(target, spare, "attach", body).refusal


def test_a_taken_unit_is_refused(api: Api, name: str) -> None:
    holder, target = api.create_instance(f"{name}-a"), api.create_instance(f"{name}-b")
    spare = api.server(holder)["volumes"][0]["id"]
    api.move(holder, spare, "detach")

    body = {"mountPoint": api.mount_point(target, "0"), "rootVolume": False}

    assert "Unit 0 is taken" in api.move(target, spare, "attach", body).refusal


def test_a_volume_of_another_instance_is_neither_attached_nor_detached_nor_deleted(
    api: Api, name: str
) -> None:
    holder, target = api.create_instance(f"{name}-a"), api.create_instance(f"{name}-b")
    volume = api.server(holder)["volumes"][0]["id"]
    body = {"mountPoint": api.mount_point(target, "3"), "rootVolume": False}

    assert f"is attached to {name}-a" in api.move(target, volume, "attach", body).refusal
    assert "is not attached to" in api.move(target, volume, "detach").refusal
    answer = api.request("DELETE", f"/api/storage-volumes/{volume}?force=on")
    assert f"is attached to {name}-a" in answer.refusal


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(None, "mountPoint is required", id="no mount point"),
        pytest.param({"unitNumber": 3}, "must be a string", id="unit as a number"),
        pytest.param({"unitNumber": "22"}, "Unit 22 does not exist", id="unit beyond the last"),
        pytest.param({"controller": {"id": 1}}, "has no controller 1", id="foreign controller"),
    ],
)
def test_a_wrong_mount_point_is_refused(
    api: Api, name: str, change: dict[str, Any] | None, reason: str
) -> None:
    number = api.create_instance(name, volumes=[ROOT, DATA])
    volume = api.server(number)["volumes"][1]["id"]
    api.move(number, volume, "detach")
    mount_point = (
        {} if change is None else {"mountPoint": {**api.mount_point(number, "1"), **change}}
    )

    assert reason in api.move(number, volume, "attach", mount_point).refusal


def test_an_instance_without_a_root_does_not_start(api: Api, name: str) -> None:
    number = api.create_instance(name)
    api.move(number, api.server(number)["volumes"][0]["id"], "detach")

    answer = api.put(f"/api/instances/{number}/start?server=true")

    assert "has no root volume" in answer.refusal


def test_moves_do_not_overtake_each_other(api: Api, name: str) -> None:
    number = api.create_instance(name)
    server = api.server(number)
    api.put("/lab/config", {"delay": 1})
    detach = f"/api/servers/{server['id']}/volumes/{server['volumes'][0]['id']}/detach"
    first = api.put(detach)
    api.put("/lab/config", {"delay": 0.05})

    assert first.is_success
    assert "is busy" in api.put(f"/api/instances/{number}/start?server=true").refusal
    assert "is busy" in api.put(detach).refusal
    api.await_status(number, "stopped")


def test_a_locked_instance_is_not_removed(api: Api, name: str) -> None:
    number = api.create_instance(name)
    api.put(f"/api/instances/{number}/lock")

    assert "is locked" in api.request("DELETE", f"/api/instances/{number}?force=on").refusal


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"instance": {"layout": {"id": 9}}}, "layout", id="layout"),
        pytest.param({"instance": {"plan": {"id": 9}}}, "plan", id="plan"),
        pytest.param({"instance": {"site": {"id": 9}}}, "site", id="group"),
        pytest.param({"instance": {"instanceType": {"code": "vm"}}}, "instanceType", id="type"),
        pytest.param({"zoneId": 9}, "zoneId", id="cloud"),
        pytest.param({"config": {"resourcePoolId": "pool-9"}}, "resourcePoolId", id="pool"),
        pytest.param({"config": {"imageId": 9}}, "imageId", id="image"),
        pytest.param({"instance": {"name": "running"}}, "name", id="name taken"),
        pytest.param({"instance": {"name": "../x"}}, "name", id="name with a slash"),
        pytest.param({"volumes": [ROOT, ROOT]}, "volumes", id="two roots"),
        pytest.param({"volumes": [DATA]}, "volumes", id="no root"),
        pytest.param({"volumes": [{**ROOT, "size": 0}]}, "volumes", id="volume without a size"),
        pytest.param({"volumes": [{**ROOT, "size": 9999}]}, "volumes", id="no space"),
        pytest.param({"volumes": [{**ROOT, "datastoreId": 9}]}, "volumes", id="datastore"),
    ],
)
@pytest.mark.usefixtures("running")
def test_a_creation_that_cannot_be_answers_200_and_success_false(
    api: Api, change: dict[str, Any], field: str
) -> None:
    body = creation("fresh")
    body = {
        **body,
        **change,
        "instance": {**body["instance"], **change.get("instance", {})},
        "config": {**body["config"], **change.get("config", {})},
    }

    answer = api.request("POST", "/api/instances", body)

    assert answer.status == 200
    assert answer.json["success"] is False
    assert list(answer.json["errors"]) == [field]
    assert api.get("/api/instances?name=fresh")["meta"]["total"] == 0


def test_an_image_larger_than_the_root_is_refused(api: Api) -> None:
    image = api.create_image("large", b"x" * MIB)
    sparse = api.appliance.directory / "images" / str(image) / "large.img"
    with sparse.open("r+b") as file:
        file.truncate(2048 * MIB)

    answer = api.request("POST", "/api/instances", creation("fresh", config={"imageId": image}))

    assert "image large needs 2.0 GiB" in answer.refusal


@pytest.mark.parametrize("files", [0, 2])
def test_an_image_must_have_one_file(api: Api, files: int) -> None:
    image = api.create_image("odd", b"x")
    if files == 0:
        api.request("DELETE", f"/api/virtual-images/{image}/files?filename=odd.img")
    else:
        api.request("POST", f"/api/virtual-images/{image}/upload?filename=second", data=b"y")

    answer = api.request("POST", "/api/instances", creation("fresh", config={"imageId": image}))

    assert f"has {files} files, not one" in answer.refusal


def test_a_qcow2_that_is_none_makes_the_creation_fail_with_a_reason(api: Api) -> None:
    image = api.create_image("broken", b"not a qcow2", imageType="qcow2")

    answer = api.request("POST", "/api/instances", creation("fresh", config={"imageId": image}))

    assert "not in qcow2 format" in answer.json["msg"]


@pytest.mark.parametrize(
    ("volumes", "reason"),
    [
        pytest.param([{"size": 1}, {"size": 0.5}], "whole number", id="half a GiB"),
        pytest.param([{"size": 1}, {"size": 1}, {**DATA, "rootVolume": True}], "root", id="a root"),
        pytest.param([None, {"size": 2}], "cannot remove the root", id="without its root"),
        pytest.param([{"size": 1}, {"size": 1}], "cannot shrink", id="a shrinking root"),
        pytest.param([{"size": 9999}, {"size": 1}], "not enough space", id="no space"),
        pytest.param([{"id": 1}], "is not one of instance", id="a foreign volume"),
    ],
)
def test_a_resize_that_cannot_be_is_refused(
    api: Api, name: str, volumes: list[dict[str, Any] | None], reason: str
) -> None:
    root_size = 2 if reason == "cannot shrink" else 1
    number = api.create_instance(name, volumes=[{**ROOT, "size": root_size}, DATA])
    present = api.instance(number)["volumes"]
    wanted = [
        {**(present[position] if position < 2 else {}), **change}
        for position, change in enumerate(volumes)
        if change is not None
    ]

    answer = api.put(f"/api/instances/{number}/resize", {"volumes": wanted})

    assert reason in answer.refusal
    assert api.instance(number)["volumes"] == present


def test_a_running_instance_is_not_resized(api: Api, running: int) -> None:
    answer = api.put(f"/api/instances/{running}/resize", {"networkInterfaces": []})

    assert "must be stopped first" in answer.refusal


@pytest.mark.parametrize(
    "path",
    [
        "/api/instances/1",
        "/api/servers/1",
        "/api/storage-volumes/1",
        "/api/virtual-images/1",
        "/api/zones/1",
        "/api/networks/network-1",
        "/api/nothing",
    ],
)
def test_what_does_not_exist_is_a_404_in_json(api: Api, path: str) -> None:
    answer = api.request("GET", path)

    assert (answer.status, answer.content_type) == (404, "application/json")
    assert answer.json["msg"]


def test_the_id_of_an_instance_is_not_the_id_of_a_server(api: Api, running: int) -> None:
    assert api.request("GET", f"/api/servers/{running}").status == 404


def test_a_full_datastore_shows_in_its_free_space(api: Api, name: str) -> None:
    before = api.get("/api/data-stores/12")["datastore"]["freeSpace"]
    api.create_instance(name, volumes=[{**ROOT, "size": 7}])

    after = api.get("/api/data-stores")["datastores"][0]["freeSpace"]

    assert before - after == 7 << 30


def test_a_setting_that_does_not_exist_is_refused(api: Api) -> None:
    assert "Known: capacity" in api.put("/lab/config", {"dealy": 1}).refusal


def test_a_fault_that_cannot_be_is_refused(api: Api) -> None:
    assert "This is no fault" in api.request("POST", "/lab/faults", {"path": "("}).refusal


def test_a_failed_machine_is_told_by_its_instance(tmp_path: Path) -> None:
    with fresh_api(tmp_path) as api:
        number = api.create_instance("web01")
        (tmp_path / "volumes").rename(tmp_path / "elsewhere")

        api.put(f"/api/instances/{number}/resize", {"volumes": [_grown(api, number)]})

        instance = api.await_status(number, "failed")
        assert "qemu-img resize" in instance["statusMessage"]
        (process,) = api.get(f"/api/processes?instanceId={number}&phrase=")["processes"][1:]
        assert (process["status"], process["error"]) == ("failed", instance["statusMessage"])


def _grown(api: Api, number: int) -> dict[str, Any]:
    return {**api.instance(number)["volumes"][0], "size": 2}
