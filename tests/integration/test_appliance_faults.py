# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The switches by which tests make the appliance fail, and what a restart leaves."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.appliance_api import MIB, Api, fresh_api


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with fresh_api(tmp_path) as client:
        yield client


def test_a_fault_is_for_so_many_matching_requests(api: Api) -> None:
    fault = {"path": "^/api/zones$", "method": "GET", "times": 2, "status": 503, "message": "Full"}
    api.request("POST", "/lab/faults", fault)

    assert api.request("GET", "/api/groups").status == 200
    answers = [api.request("GET", "/api/zones") for _unused in range(3)]

    assert [answer.status for answer in answers] == [503, 503, 200]
    assert answers[0].refusal == "Full"


def test_a_failed_upload_is_answered_after_its_last_byte(api: Api) -> None:
    number = api.create_image("w", b"x")
    fault = {"path": "/upload$", "status": 500, "message": "No space left on device"}
    api.request("POST", "/lab/faults", fault)

    answer = api.request(
        "POST", f"/api/virtual-images/{number}/upload?filename=large", data=bytes(32 * MIB)
    )

    assert answer.refusal == "No space left on device"
    files = api.get(f"/api/virtual-images/{number}")["cloudFiles"]
    assert [file["name"] for file in files] == ["w.img"]


def test_a_proxy_answers_with_a_page(api: Api) -> None:
    api.request("POST", "/lab/faults", {"path": "/api/", "status": 502, "html": True})

    assert api.request("GET", "/api/zones").content_type == "text/html"


def test_an_answer_may_get_lost_after_the_request_was_carried_out(api: Api) -> None:
    number = api.create_image("w", b"x")
    fault = {"path": "virtual-images", "method": "DELETE", "status": 500, "carried_out": True}
    api.request("POST", "/lab/faults", fault)

    assert api.request("DELETE", f"/api/virtual-images/{number}").status == 500
    assert api.request("DELETE", f"/api/virtual-images/{number}").status == 404


def test_faults_can_be_taken_back(api: Api) -> None:
    api.request("POST", "/lab/faults", {"path": ".", "status": 500})
    assert len(api.get("/lab/faults")["faults"]) == 1

    api.request("DELETE", "/lab/faults")

    assert api.request("GET", "/api/zones").status == 200


def test_a_killed_server_comes_back_with_its_objects_and_running_machines(tmp_path: Path) -> None:
    with fresh_api(tmp_path) as api:
        number = api.create_instance("web01", tags=[{"name": "ferry", "value": "web01"}])
        api.put(f"/api/instances/{number}/start?server=true")
        before = api.await_status(number, "running")
        os.kill(api.appliance.pid, signal.SIGKILL)

    with fresh_api(tmp_path) as api:
        after = api.instance(number)
        assert (after["status"], after["tags"]) == ("running", before["tags"])
        assert after["volumes"] == before["volumes"]
        api.put(f"/api/instances/{number}/stop?server=true")
        api.await_status(number, "stopped")


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        pytest.param("PUT", "/stop?server=true", "stopped", id="stopping goes on"),
        pytest.param("DELETE", "?preserveVolumes=on", None, id="removing goes on"),
    ],
)
def test_a_move_that_a_kill_interrupted_is_finished(
    tmp_path: Path, verb: str, path: str, status: str | None
) -> None:
    with fresh_api(tmp_path) as api:
        number = api.create_instance("web01")
        api.put(f"/api/instances/{number}/start?server=true")
        api.await_status(number, "running")
        api.put("/lab/config", {"delay": 30})
        assert api.request(verb, f"/api/instances/{number}{path}").is_success
        os.kill(api.appliance.pid, signal.SIGKILL)

    with fresh_api(tmp_path) as api:
        if status:
            api.await_status(number, status)
        else:
            api.await_gone(f"/api/instances/{number}")
            assert api.get("/api/storage-volumes")["meta"]["total"] == 1


def test_a_provisioning_that_a_kill_interrupted_has_failed(tmp_path: Path) -> None:
    with fresh_api(tmp_path) as api:
        number = api.create_instance("web01")
        api.put("/lab/config", {"delay": 30})
        volume = api.instance(number)["volumes"][0]
        api.put(f"/api/instances/{number}/resize", {"volumes": [{**volume, "size": 2}]})
        os.kill(api.appliance.pid, signal.SIGKILL)

    with fresh_api(tmp_path) as api:
        instance = api.await_status(number, "failed")
        assert instance["statusMessage"] == "the appliance was restarted meanwhile"
        assert instance["volumes"] == [volume]
