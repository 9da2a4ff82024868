# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What real clients send (recorded from the vendor's CLI and collection), and how lists and logins answer."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

import pytest

from tests.support.appliance_api import MIB, Answer, Api, fresh_api

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with fresh_api(tmp_path_factory.mktemp("appliance")) as client:
        yield client


def log_in(api: Api, query: Mapping[str, str], form: Mapping[str, str]) -> Answer:
    path = f"/oauth/token?{urlencode(query)}"
    return api.request("POST", path, data=urlencode(form).encode(), headers=FORM)


@pytest.mark.parametrize("in_query", [(), ("grant_type", "client_id", "scope", "username")])
def test_a_login_may_put_its_parameters_into_the_query_or_the_form(
    api: Api, in_query: tuple[str, ...]
) -> None:
    given = {
        "grant_type": "password",
        "client_id": "morph-cli",
        "scope": "write",
        "username": api.appliance.username,
        "password": api.appliance.password,
    }
    query = {name: value for name, value in given.items() if name in in_query}
    form = {name: value for name, value in given.items() if name not in in_query}

    answer = log_in(api, query, form)

    assert answer.status == 200
    assert answer.json["token_type"] == "bearer"


def test_the_same_client_gets_the_same_token_until_it_is_refreshed(api: Api) -> None:
    user = {"username": api.appliance.username, "password": api.appliance.password}
    password = {"grant_type": "password", "client_id": "one", **user}
    first, second = log_in(api, {}, password).json, log_in(api, {}, password).json
    assert first == second

    refresh = {"grant_type": "refresh_token", "client_id": "one"}
    third = log_in(api, refresh, {"refresh_token": first["refresh_token"]}).json

    assert third["access_token"] != first["access_token"]
    old = {"Authorization": f"Bearer {first['access_token']}"}
    assert api.request("GET", "/api/whoami", headers=old).status == 401


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"password": "wrong"}, 401, "invalid_grant"),
        ({"username": "nobody"}, 401, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 401, "invalid_grant"),
        ({"grant_type": "magic"}, 400, "unsupported_grant_type"),
    ],
)
def test_a_wrong_login_answers_in_oauths_way(
    api: Api, change: Mapping[str, str], status: int, error: str
) -> None:
    right = {"username": api.appliance.username, "password": api.appliance.password}

    answer = log_in(api, {}, {"grant_type": "password", "client_id": "x", **right, **change})

    assert (answer.status, answer.json["error"]) == (status, error)


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Basic abc"])
def test_without_a_valid_bearer_nothing_is_answered(api: Api, authorization: str) -> None:
    answer = api.request("GET", "/api/instances", headers={"Authorization": authorization})

    assert (answer.status, answer.json["success"]) == (401, False)


def test_the_scheme_may_be_written_in_any_case_and_tells_the_version(api: Api) -> None:
    head = {"Authorization": f"BEARER {api.token}"}

    whoami = api.request("GET", "/api/whoami", headers=head).json

    assert whoami["appliance"]["buildVersion"] == "8.1.2"
    assert api.get("/api/ping")["buildVersion"] == "8.1.2"
    anonymous = api.request("GET", "/api/ping", headers={"Authorization": ""})
    assert anonymous.json == {"success": True, "buildVersion": ""}


@pytest.mark.parametrize("body", [b"null", b"{}", b""])
def test_an_action_takes_null_an_empty_object_and_nothing(api: Api, body: bytes) -> None:
    number = api.create_instance(f"web-{len(body)}")
    path = f"/api/instances/{number}/stop?server=true&muteMonitoring=false"

    answer = api.request("PUT", path, data=body)

    assert answer.json["results"] == {str(number): {"success": True, "msg": None}}


def test_the_generic_client_sends_forms_and_uuids(api: Api) -> None:
    server = api.server(api.create_instance("web-form"))
    volume = server["volumes"][0]

    path = f"/api/servers/{server['uuid']}/volumes/{volume['uuid']}/detach?force=true"

    assert api.request("PUT", path, data=b"", headers=FORM).is_success


def test_an_upload_may_be_packed(api: Api) -> None:
    created = api.request(
        "POST", "/api/virtual-images", {"virtualImage": {"name": "packed", "imageType": "raw"}}
    )
    number = created.json["virtualImage"]["id"]
    head = {"Content-Type": "application/gzip", "Content-Encoding": "gzip"}
    path = f"/api/virtual-images/{number}/upload?filename=w.raw&extractedContentLength={MIB}"

    assert api.request("POST", path, data=gzip.compress(bytes(MIB)), headers=head).is_success

    (file,) = api.get(f"/api/virtual-images/{number}")["cloudFiles"]
    assert (file["name"], file["contentLength"]) == ("w.raw", MIB)
    assert (api.appliance.directory / "images" / str(number) / "w.raw").read_bytes() == bytes(MIB)


def test_an_upload_as_a_form_or_without_a_name_is_refused(api: Api) -> None:
    number = api.create_image("plain", b"x")
    path = f"/api/virtual-images/{number}/upload"
    form = {"Content-Type": "multipart/form-data; boundary=x"}

    refused = api.request("POST", f"{path}?filename=w", data=b"x", headers=form)

    assert "octet-stream" in refused.refusal
    assert "filename is required" in api.request("POST", path, data=b"x").refusal


def test_an_upload_cannot_leave_the_images_directory(api: Api) -> None:
    number = api.create_image("climber", b"x")

    api.request(
        "POST", f"/api/virtual-images/{number}/upload?filename=../../records.json", data=b"y"
    )

    files = api.get(f"/api/virtual-images/{number}")["cloudFiles"]
    assert [file["name"] for file in files] == ["climber.img", "records.json"]


def test_a_cut_upload_is_called_a_success_and_only_its_length_tells(api: Api) -> None:
    api.put("/lab/config", {"truncate_upload": 100})
    number = api.create_image("cut", b"x" * MIB)
    api.put("/lab/config", {"truncate_upload": None})

    (file,) = api.get(f"/api/virtual-images/{number}")["cloudFiles"]
    assert file["contentLength"] == 100


def test_an_image_keeps_what_it_was_said_to_be(api: Api) -> None:
    tags = [{"name": "ferry", "value": "web01"}]
    number = api.create_image("described", b"x", minDisk=MIB, uefi=True, tags=tags, labels=["l"])
    api.put(f"/api/virtual-images/{number}", {"virtualImage": {"name": "renamed", "labels": []}})

    image = api.get(f"/api/virtual-images/{number}")["virtualImage"]

    assert (image["name"], image["minDisk"], image["uefi"]) == ("renamed", MIB, True)
    assert (image["tags"], image["labels"], image["isCloudInit"]) == (tags, [], False)


def test_lists_are_cut_and_filtered(api: Api) -> None:
    numbers = [api.create_image(f"page-{number:02}", b"x") for number in range(30)]

    def names(query: str) -> list[str]:
        return [each["name"] for each in api.get(f"/api/virtual-images?{query}")["virtualImages"]]

    assert len(names("phrase=page-")) == 25
    assert names("phrase=PAGE-&max=2&offset=28") == ["page-28", "page-29"]
    assert names("phrase=page-&max=1&direction=desc") == ["page-29"]
    assert len(names("phrase=page-&max=-1")) == len(numbers)
    assert names("name=page-07") == ["page-07"]
    assert names("name=page") == []
    assert "max must be a number" in api.request("GET", "/api/virtual-images?max=x").refusal


@pytest.mark.parametrize(
    ("path", "key", "name"),
    [
        ("/api/zones", "zones", "Lab Cloud"),
        ("/api/groups", "groups", "Lab Group"),
        ("/api/clusters", "clusters", "lab-cluster"),
        ("/api/service-plans", "servicePlans", "lab-2c-2g"),
        ("/api/instances/service-plans?zoneId=2&layoutId=301", "plans", "lab-1c-1g"),
        ("/api/instance-types?code=mvm", "instanceTypes", "HVM"),
        ("/api/library/layouts?provisionType=kvm", "instanceTypeLayouts", "Single HVM VM"),
        ("/api/networks?name=isolated", "networks", "isolated"),
        ("/api/data-stores?name=lab-datastore", "datastores", "lab-datastore"),
        ("/api/zones/2/data-stores", "datastores", "lab-datastore"),
        ("/api/clusters/5/datastores", "datastores", "lab-datastore"),
        ("/api/zones/2/resource-pools", "resourcePools", "lab-cluster"),
        ("/api/options/zonePools?layoutId=301", "data", "lab-cluster"),
        ("/api/storage-volume-types", "storageVolumeTypes", "Disk"),
        ("/api/provision-types?code=kvm", "provisionTypes", "KVM"),
        ("/api/library/operating-systems/os-types", "osTypes", "Debian 12 64-bit"),
    ],
)
def test_what_is_offered_can_be_looked_up(api: Api, path: str, key: str, name: str) -> None:
    assert name in [entry["name"] for entry in api.get(path)[key]]


def test_networks_are_offered_with_ids_as_a_creation_takes_them(api: Api) -> None:
    networks = api.get("/api/options/zoneNetworkOptions?zoneId=2")["data"]["networks"]

    assert {each["id"]: each["name"] for each in networks}["network-23"] == "isolated"


def test_instances_are_found_by_tag_and_name(api: Api) -> None:
    tags = [{"name": "ferry", "value": "db01"}]
    number = api.create_instance("db01", tags=tags)
    api.create_instance("db02")

    for query in ("tags.ferry=db01", "name=db01", "name=db01&tags.ferry=db01"):
        found = api.get(f"/api/instances?{query}")["instances"]
        assert [each["id"] for each in found] == [number]


def test_details_show_the_server_of_an_instance(api: Api) -> None:
    number = api.create_instance("detailed")

    (container,) = api.get(f"/api/instances/{number}?details=true")["instance"]["containerDetails"]

    assert container["server"]["id"] == api.server(number)["id"]


def test_a_volume_may_be_given_its_unit_by_a_mount_point(api: Api) -> None:
    root = {"id": -1, "rootVolume": True, "size": 1, "controllerMountPoint": "-1:0:9:4"}
    data = {"id": -1, "rootVolume": False, "size": 1}

    server = api.server(api.create_instance("placed", volumes=[root, data]))

    assert [(each["unitNumber"], each["rootVolume"]) for each in server["volumes"]] == [
        ("0", False),
        ("4", True),
    ]
