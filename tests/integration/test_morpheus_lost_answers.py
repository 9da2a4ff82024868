# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The appliance does what it was asked and its answer is lost, or it fails before it did anything.

For each change that the modules ask for, both are tried: in both the module ends with what was
asked being true, once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import TransientError

from tests.integration.morpheus_steps import (
    CREATOR,
    SNAPSHOT,
    TARGET,
    WORKER,
    Modules,
    creator_arguments,
    image_arguments,
    snapshot_arguments,
)
from tests.support.appliance_api import Api, fresh_api


class Change(NamedTuple):
    """A change and the request that carries it."""

    method: str
    path: str
    module: str
    arguments: Mapping[str, Any]


CHANGES = {
    "start": Change("PUT", "/start$", "instance", {"name": "web01", "state": "started"}),
    "detach": Change(
        "PUT", "/detach$", "volume", {"name": "data", "instance": "web01", "state": "detached"}
    ),
    "attach": Change(
        "PUT", "/attach$", "volume", {"name": WORKER, "instance": "web01", "state": "attached"}
    ),
    "tag": Change(
        "PUT", r"/instances/\d+$", "instance", {"name": "web01", "tags": {"ferry_generation": "1"}}
    ),
    "label": Change("PUT", r"/instances/\d+$", "instance", {"name": "web01", "labels": ["wave-1"]}),
    "rewire": Change(
        "PUT",
        "/resize$",
        "instance",
        {"name": "web01", "networks": [{"network": "isolated"}]},
    ),
    "add and delete volumes": Change(
        "PUT",
        "/resize$",
        "volume_set",
        {"instance": "web01", "volumes": [{"name": "more", "size": 1}], "absent": ["data"]},
    ),
    "take a snapshot": Change(
        "PUT", "/snapshot$", "snapshot", {"instance": "web01", "name": "new", "state": "present"}
    ),
    "delete the snapshot": Change(
        "DELETE",
        r"/snapshots/\d+$",
        "snapshot",
        {"instance": "web01", "name": SNAPSHOT, "state": "absent"},
    ),
    "remove": Change(
        "DELETE", r"/instances/\d+$", "instance", {"name": "web01", "state": "absent"}
    ),
    "delete the volume": Change(
        "DELETE", r"/storage-volumes/\d+$", "volume", {"name": WORKER, "state": "absent"}
    ),
    "delete the image": Change(
        "DELETE", r"/virtual-images/\d+$", "image", {"name": WORKER, "state": "absent"}
    ),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an appliance leaves that has the target, off, and the worker's volume and image."""
    folder = tmp_path_factory.mktemp("prepared")
    image = folder / "worker.iso"
    image.write_bytes(b"worker")
    (folder / "appliance").mkdir()
    with fresh_api(folder / "appliance") as api:
        modules = Modules(api.appliance)
        modules.call("instance", **TARGET)
        modules.call("image", **image_arguments(image))
        modules.call("instance", **creator_arguments())
        modules.call("volume", name=WORKER, instance=CREATOR, state="detached")
        modules.call("instance", name=CREATOR, state="absent", preserve_volumes=True)
        modules.call("snapshot", **snapshot_arguments("present"))
    return folder / "appliance"


@pytest.fixture
def api(prepared: Path, tmp_path: Path) -> Iterator[Api]:
    """A new appliance over a copy of what was prepared."""
    with fresh_api(Path(shutil.copytree(prepared, tmp_path / "appliance"))) as client:
        yield client


@pytest.fixture
def modules(api: Api) -> Modules:
    return Modules(api.appliance)


@pytest.mark.parametrize("carried_out", [True, False], ids=["heard", "not heard"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_change_happens_once_though_its_answer_is_lost(
    api: Api, modules: Modules, change: Change, carried_out: bool
) -> None:
    fault = {"method": change.method, "path": change.path, "status": 500}
    api.request("POST", "/lab/faults", {**fault, "carried_out": carried_out})
    assert modules.call(change.module, **change.arguments).changed
    assert not modules.call(change.module, **change.arguments).changed
    (used,) = api.get("/lab/faults")["faults"]
    assert used["times"] == 0


@pytest.mark.parametrize("carried_out", [True, False], ids=["heard", "not heard"])
def test_stop_happens_though_its_answer_is_lost(
    api: Api, modules: Modules, carried_out: bool
) -> None:
    modules.call("instance", name="web01", state="started")
    fault = {"method": "PUT", "path": "/stop$", "status": 502, "html": True}
    api.request("POST", "/lab/faults", {**fault, "carried_out": carried_out})
    outcome = modules.call("instance", name="web01", state="stopped")
    assert outcome.result["instance"]["power_state"] == "off"


def test_instance_whose_creation_was_heard_is_not_made_twice(api: Api, modules: Modules) -> None:
    fault = {"method": "POST", "path": "/instances$", "status": 500, "carried_out": True}
    api.request("POST", "/lab/faults", fault)
    outcome = modules.call("instance", **{**TARGET, "name": "db01"})
    assert outcome.result["instance"]["status"] == "stopped"
    assert [each["name"] for each in api.get("/api/instances")["instances"]] == ["db01", "web01"]


def test_instance_whose_creation_was_not_heard_is_a_fault_to_repeat(
    api: Api, modules: Modules
) -> None:
    api.request("POST", "/lab/faults", {"method": "POST", "path": "/instances$", "status": 500})
    with pytest.raises(TransientError):
        modules.call("instance", **{**TARGET, "name": "db01"})
    assert modules.call("instance", **{**TARGET, "name": "db01"}).changed


def test_appliance_that_answers_nothing_but_errors_for_a_while_is_waited_for(
    api: Api, modules: Modules
) -> None:
    fault = {"method": "GET", "path": r"/instances/\d+$", "status": 503, "times": 3}
    api.request("POST", "/lab/faults", fault)
    assert modules.call("instance", name="web01", state="started").changed
