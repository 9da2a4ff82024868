# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The moves of a migration, as a client makes them, against the appliance with null machines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.appliance_api import DESCRIPTION, MIB, Api, creation, eventually, fresh_api


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with fresh_api(tmp_path) as client:
        yield client


@pytest.mark.skipif(not DESCRIPTION.exists(), reason=f"the vendor's {DESCRIPTION.name} is not here")
def test_the_vendors_description_is_what_answers_are_checked_against(api: Api) -> None:
    assert api.description["info"]["version"] == "8.1.2"


def test_the_worker_volume_crosses_and_the_root_comes_back(api: Api) -> None:
    target = api.create_instance("web01")
    creator = api.create_instance("creator", config={"imageId": api.create_image("w", b"x" * MIB)})
    own_root = api.server(target)["volumes"][0]
    worker = api.server(creator)["volumes"][0]["id"]

    assert api.move(creator, worker, "detach").is_success
    assert api.move(target, own_root["id"], "detach").is_success
    attach = {"mountPoint": api.mount_point(target, "0"), "rootVolume": True}
    assert api.move(target, worker, "attach", attach).is_success
    (attached,) = api.server(target)["volumes"]
    assert (attached["id"], attached["rootVolume"]) == (worker, True)

    assert api.request("DELETE", f"/api/instances/{creator}?preserveVolumes=on").is_success
    api.await_gone(f"/api/instances/{creator}")
    assert api.move(target, worker, "detach").is_success
    assert api.move(target, own_root["id"], "attach", attach).is_success
    assert api.request("DELETE", f"/api/storage-volumes/{worker}?force=on").is_success
    assert api.request("GET", f"/api/storage-volumes/{worker}").status == 404
    assert api.server(target)["volumes"] == [own_root]


def test_start_and_stop_pass_through_their_states(api: Api) -> None:
    number = api.create_instance("web01")
    api.put("/lab/config", {"delay": 0.5})

    assert api.put(f"/api/instances/{number}/start?server=true").json["results"]
    assert api.instance(number)["status"] == "starting"
    api.await_status(number, "running")
    assert api.server(number)["powerState"] == "on"

    api.put(f"/api/instances/{number}/stop?server=true")
    assert api.instance(number)["status"] == "stopping"
    api.await_status(number, "stopped")
    assert api.server(number)["powerState"] == "off"


def test_a_guest_that_ignores_the_power_button_stays_stopping_until_the_deadline(api: Api) -> None:
    number = api.create_instance("web01")
    api.put(f"/api/instances/{number}/start?server=true")
    api.await_status(number, "running")
    api.put("/lab/config", {"guests_obey": False, "stop_deadline": 1, "delay": 0})

    api.put(f"/api/instances/{number}/stop?server=true")

    assert api.instance(number)["status"] == "stopping"
    assert api.server(number)["powerState"] == "on"
    api.await_status(number, "stopped")


def test_without_server_true_the_machine_goes_on_running(api: Api) -> None:
    number = api.create_instance("web01")
    api.put(f"/api/instances/{number}/start?server=true")
    api.await_status(number, "running")

    assert api.put(f"/api/instances/{number}/stop").is_success

    assert api.instance(number)["status"] == "running"


def test_the_address_that_the_guest_tells_is_shown_while_it_runs(api: Api) -> None:
    number = api.create_instance("web01")
    assert api.instance(number)["connectionInfo"] == []

    api.put(f"/api/instances/{number}/start?server=true")
    told = eventually(lambda: api.instance(number)["connectionInfo"] or None, "an address")

    server = api.server(number)
    assert told[0]["ip"] == server["internalIp"] == server["interfaces"][0]["ipAddress"]
    api.put(f"/api/instances/{number}/stop?server=true")
    api.await_status(number, "stopped")
    assert api.server(number)["internalIp"] is None


def test_an_iso_gives_a_blank_root_and_a_medium_that_can_be_ejected(api: Api) -> None:
    image = api.create_image("installer", b"x" * MIB, imageType="iso")
    number = api.create_instance("web01", config={"imageId": image})
    uuid = api.server(number)["volumes"][0]["uuid"]

    root = api.appliance.directory / "volumes" / f"{uuid}.qcow2"
    assert root.stat().st_size < MIB
    assert "in the drive" in api.request("DELETE", f"/api/virtual-images/{image}").refusal
    assert api.put(f"/api/instances/eject?server=true&ids={number}").is_success
    assert api.request("DELETE", f"/api/virtual-images/{image}?removeFromCloud=true").is_success


def test_removal_deletes_volumes_unless_told_to_preserve_them(api: Api) -> None:
    dropped, kept = api.create_instance("dropped"), api.create_instance("kept")
    kept_volume = api.server(kept)["volumes"][0]["uuid"]

    api.request("DELETE", f"/api/instances/{dropped}")
    api.request("DELETE", f"/api/instances/{kept}?preserveVolumes=true&force=true")
    api.await_gone(f"/api/instances/{dropped}")
    api.await_gone(f"/api/instances/{kept}")

    left = api.get("/api/storage-volumes")["storageVolumes"]
    assert [volume["uuid"] for volume in left] == [kept_volume]
    files = (api.appliance.directory / "volumes").iterdir()
    assert [file.name for file in files] == [f"{kept_volume}.qcow2"]


def test_a_resize_grows_adds_and_removes_volumes_and_changes_networks(api: Api) -> None:
    volumes = creation("web01")["volumes"]
    data = {"id": -1, "rootVolume": False, "name": "data", "size": 1}
    number = api.create_instance("web01", volumes=[*volumes, data])
    instance, mac = api.instance(number), api.server(number)["interfaces"][0]["macAddress"]
    root = instance["volumes"][0]

    answer = api.put(
        f"/api/instances/{number}/resize",
        {
            "volumes": [{**root, "size": 2}, {"id": -1, "name": "more", "size": 3}],
            "networkInterfaces": [
                {"id": instance["interfaces"][0]["id"], "network": {"id": "network-23"}},
                {"network": {"id": 21}, "macAddress": "00:50:56:00:00:0B"},
            ],
        },
    )

    assert answer.is_success
    api.await_status(number, "stopped")
    server = api.server(number)
    sizes = [(volume["name"], volume["maxStorage"] >> 30) for volume in server["volumes"]]
    assert sizes == [("root", 2), ("more", 3)]
    nics = [(nic["macAddress"], nic["network"]["name"]) for nic in server["interfaces"]]
    assert nics == [(mac, "isolated"), ("00:50:56:00:00:0b", "production")]
    assert api.get("/api/storage-volumes")["meta"]["total"] == 2


def test_tags_and_labels_are_added_removed_and_replaced(api: Api) -> None:
    number = api.create_instance("web01", tags=[{"name": "a", "value": "1"}], labels=["ferry"])
    change = {
        "addTags": [{"name": "b", "value": "2"}],
        "removeTags": [{"name": "a"}],
        "labels": ["x", "y"],
    }
    path = f"/api/instances/{number}"

    assert api.instance(number)["labels"] == ["ferry"]
    assert api.put(path, {"instance": change}).is_success
    assert api.instance(number)["tags"] == [{"name": "b", "value": "2"}]
    assert api.instance(number)["labels"] == ["x", "y"]
    api.put(path, {"instance": {"tags": [{"name": "c", "value": None}]}})
    assert api.instance(number)["tags"] == [{"name": "c", "value": ""}]


def test_each_move_is_a_process_that_ends(api: Api) -> None:
    number = api.create_instance("web01")
    (process,) = api.get(f"/api/processes?instanceId={number}")["processes"]

    assert (process["processType"]["code"], process["status"]) == ("provision", "complete")
    assert api.get(f"/api/processes/{process['id']}")["process"] == process
    assert api.request("GET", "/api/processes/1").status == 404
