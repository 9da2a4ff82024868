# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots as a client of the lab's appliance meets them; answers are checked against the vendor's words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.appliance_api import Api, eventually, fresh_api
from tests.support.volume_bytes import fill, holds

ROOT = {"id": -1, "rootVolume": True, "name": "root", "size": 1}
DATA = {"id": -1, "rootVolume": False, "name": "data", "size": 1}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with fresh_api(tmp_path) as client:
        yield client


@pytest.fixture
def target(api: Api) -> int:
    """An instance, off, with two volumes."""
    return api.create_instance("web01", volumes=[ROOT, DATA])


def take(api: Api, number: int, name: str = "one") -> dict[str, Any]:
    """The new snapshot, when its process has ended."""
    answer = api.put(f"/api/instances/{number}/snapshot", {"snapshot": {"name": name}})
    (process,) = answer.json["processIds"]

    def ended() -> bool | None:
        return api.get(f"/api/processes/{process}")["process"]["status"] == "complete" or None

    eventually(ended, f"snapshot {name}")
    return next(each for each in listed(api, number) if each["name"] == name)


def listed(api: Api, number: int) -> list[dict[str, Any]]:
    return list(api.get(f"/api/instances/{number}/snapshots")["snapshots"])


def path_of(api: Api, number: int, position: int = 0) -> Path:
    uuid = api.server(number)["volumes"][position]["uuid"]
    return api.appliance.directory / "volumes" / f"{uuid}.qcow2"


def test_a_snapshot_is_a_process_first_and_then_in_the_list(api: Api, target: int) -> None:
    api.put("/lab/config", {"delay": 0.5})
    answer = api.put(f"/api/instances/{target}/snapshot", {"snapshot": {"description": "kept"}})
    assert answer.json["processIds"]
    assert listed(api, target) == []
    assert api.instance(target)["isBusy"] is True
    assert "is busy" in api.put(f"/api/instances/{target}/snapshot", {}).refusal

    (snapshot,) = eventually(lambda: listed(api, target) or None, "the snapshot")

    assert snapshot["name"].startswith("web01.")
    assert (snapshot["description"], snapshot["status"]) == ("kept", "complete")
    assert snapshot["currentlyActive"] is True
    held = {each["volume"]["id"] for each in snapshot["snapshotFiles"]}
    assert held == {each["id"] for each in api.server(target)["volumes"]}
    assert api.get(f"/api/snapshots/{snapshot['id']}")["snapshot"] == snapshot


def test_a_revert_passes_through_restoring_and_brings_the_bytes_back(api: Api, target: int) -> None:
    fill(path_of(api, target), 1)
    first = take(api, target)
    fill(path_of(api, target), 2)
    second = take(api, target, "two")
    assert second["parentSnapshot"] == "one"
    api.put("/lab/config", {"delay": 0.5})

    assert api.put(f"/api/instances/{target}/revert-snapshot/{first['id']}").is_success

    assert api.instance(target)["status"] == "restoring"
    api.await_status(target, "stopped")
    assert holds(path_of(api, target), 1)
    assert [each["currentlyActive"] for each in listed(api, target)] == [True, False]


def test_a_deleted_snapshot_is_gone_and_its_bytes_are_not(api: Api, target: int) -> None:
    fill(path_of(api, target), 1)
    snapshot = take(api, target)

    assert api.request("DELETE", f"/api/snapshots/{snapshot['id']}", {}).is_success

    api.await_gone(f"/api/snapshots/{snapshot['id']}")
    assert holds(path_of(api, target), 1)
    assert len(list((api.appliance.directory / "volumes").iterdir())) == 2


def test_a_running_machine_is_neither_kept_nor_reverted(api: Api, target: int) -> None:
    snapshot = take(api, target)
    api.put(f"/api/instances/{target}/start?server=true")
    api.await_status(target, "running")

    for method, path in (
        ("PUT", f"/api/instances/{target}/snapshot"),
        ("PUT", f"/api/instances/{target}/revert-snapshot/{snapshot['id']}"),
        ("DELETE", f"/api/snapshots/{snapshot['id']}"),
    ):
        assert "must be stopped first" in api.request(method, path).refusal


def test_volumes_stay_while_there_is_a_snapshot_where_moves_are_switched_off(
    api: Api, target: int
) -> None:
    data = api.server(target)["volumes"][1]["id"]
    attach = {"mountPoint": api.mount_point(target, "1"), "rootVolume": False}
    snapshot = take(api, target)
    assert api.move(target, data, "detach").is_success
    api.put("/lab/config", {"moves_under_snapshot": False})

    assert "while it has snapshots: one" in api.move(target, data, "attach", attach).refusal
    root = api.server(target)["volumes"][0]["id"]
    assert "while it has snapshots: one" in api.move(target, root, "detach").refusal
    api.request("DELETE", f"/api/snapshots/{snapshot['id']}")
    api.await_gone(f"/api/snapshots/{snapshot['id']}")
    api.await_status(target, "stopped")
    assert api.move(target, data, "attach", attach).is_success


@pytest.mark.parametrize("undoes", [True, False], ids=["undone", "kept"])
def test_a_move_is_undone_by_a_revert_where_that_is_switched_on(
    api: Api, target: int, undoes: bool
) -> None:
    before = api.server(target)["volumes"]
    snapshot = take(api, target)
    api.move(target, before[1]["id"], "detach")
    api.put("/lab/config", {"revert_undoes_moves": undoes})

    api.put(f"/api/instances/{target}/revert-snapshot/{snapshot['id']}")
    api.await_status(target, "stopped")

    assert api.server(target)["volumes"] == (before if undoes else before[:1])


def test_volumes_that_outlive_their_instance_are_whole_without_its_snapshots(
    api: Api, target: int
) -> None:
    path = path_of(api, target)
    fill(path, 1)
    snapshot = take(api, target)

    api.request("DELETE", f"/api/instances/{target}?preserveVolumes=on")
    api.await_gone(f"/api/instances/{target}")

    assert api.request("GET", f"/api/snapshots/{snapshot['id']}").status == 404
    assert len(list(path.parent.iterdir())) == 2
    assert holds(path, 1)
