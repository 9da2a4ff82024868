# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots by the modules against the lab's appliance, whichever way that one is switched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import Outcome
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.errors import (
    NoSuchObjectError,
    NotAllowedNowError,
    RefusedError,
    StateFailedError,
)

from tests.integration.morpheus_steps import SNAPSHOT, TARGET, Modules, snapshot_arguments
from tests.support.appliance_api import Api, fresh_api
from tests.support.volume_bytes import fill, holds


class Scene:
    """The target instance, off, and its files."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.modules = Modules(api.appliance)
        made = self.modules.call("instance", **TARGET).result["instance"]
        folder = api.appliance.directory / "volumes"
        self.root, self.data = (folder / f"{each['uuid']}.qcow2" for each in made["volumes"])

    def snapshot(self, state: str, **changes: Any) -> Outcome:
        return self.modules.call("snapshot", **{**snapshot_arguments(state), **changes})

    def names(self) -> list[str]:
        found = self.modules.call("snapshot_info", instance="web01").result["snapshots"]
        return [each["name"] for each in found]

    def detach_data(self, *yielding: str) -> Outcome:
        return self.modules.call(
            "volume",
            name="data",
            instance="web01",
            state="detached",
            yielding_snapshots=list(yielding),
        )

    def processes(self, kind: str) -> list[str]:
        found = self.api.get("/api/processes?max=100")["processes"]
        return [each["status"] for each in found if each["processType"]["code"] == kind]

    def fault(self, method: str, path: str, **more: Any) -> None:
        self.api.request("POST", "/lab/faults", {"method": method, "path": path, **more})


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    folder = tmp_path / "appliance"
    folder.mkdir()
    with fresh_api(folder) as api:
        yield Scene(api)


def test_reverted_instance_holds_what_it_held(scene: Scene) -> None:
    fill(scene.root, 1)
    fill(scene.data, 2)
    scene.snapshot("present")
    fill(scene.root, 9)
    fill(scene.data, 9)

    outcome = scene.snapshot("reverted")

    assert outcome.changed
    assert list(outcome.warnings) == []
    assert outcome.result["instance"]["status"] == "stopped"
    assert holds(scene.root, 1)
    assert holds(scene.data, 2)


def test_check_mode_reverts_nothing_and_says_to_what_it_would(scene: Scene) -> None:
    scene.snapshot("present")
    fill(scene.root, 9)
    outcome = scene.snapshot("reverted", check_mode=True)
    assert outcome.changed
    assert isinstance(outcome.diff, dict)
    assert SNAPSHOT in outcome.diff["after"]["disks"]
    assert scene.processes("revertSnapshot") == []
    assert holds(scene.root, 9)


def test_running_instance_is_not_reverted(scene: Scene) -> None:
    scene.snapshot("present")
    scene.modules.call("instance", name="web01", state="started")
    with pytest.raises(NotAllowedNowError, match="is not off"):
        scene.snapshot("reverted")


def test_missing_snapshot_is_a_warning_where_it_need_not_exist(scene: Scene) -> None:
    outcome = scene.snapshot("reverted", must_exist=False)
    assert not outcome.changed
    assert SNAPSHOT in outcome.warnings[0]
    assert outcome.result["snapshot"] is None
    with pytest.raises(NoSuchObjectError, match=SNAPSHOT):
        scene.snapshot("reverted")


@pytest.mark.parametrize("carried_out", [True, False], ids=["heard", "not heard"])
def test_revert_ends_though_its_answer_is_lost(scene: Scene, carried_out: bool) -> None:
    fill(scene.root, 1)
    scene.snapshot("present")
    fill(scene.root, 9)
    scene.fault("PUT", "/revert-snapshot/", status=500, carried_out=carried_out)

    assert scene.snapshot("reverted").changed

    assert set(scene.processes("revertSnapshot")) == {"complete"}
    assert holds(scene.root, 1)


def test_revert_that_the_appliance_fails_at_tells_why(scene: Scene) -> None:
    scene.snapshot("present")
    scene.root.parent.rename(scene.root.parent.with_name("away"))
    with pytest.raises(StateFailedError, match=r'"revertSnapshot".*qemu-img'):
        scene.snapshot("reverted")
    scene.root.parent.with_name("away").rename(scene.root.parent)
    # It failed and has no power: reverting it again is the way out.
    assert scene.snapshot("reverted").result["instance"]["status"] == "stopped"


def test_snapshot_that_a_killed_run_began_is_waited_for(scene: Scene) -> None:
    scene.api.put("/lab/config", {"delay": 1})
    number = scene.api.get("/api/instances")["instances"][0]["id"]
    scene.api.put(f"/api/instances/{number}/snapshot", {"snapshot": {"name": SNAPSHOT}})
    outcome = scene.snapshot("present")
    assert not outcome.changed
    assert outcome.result["snapshot"]["status"] == "complete"


def test_revert_that_undoes_moves_says_so_and_shows_the_volumes(scene: Scene) -> None:
    scene.snapshot("present")
    scene.detach_data()
    scene.api.put("/lab/config", {"revert_undoes_moves": True})

    outcome = scene.snapshot("reverted")

    names = [each["name"] for each in outcome.result["instance"]["volumes"]]
    assert names == ["root", "data"]
    (warning,) = outcome.warnings
    assert 'it had volume "root"' in warning
    assert 'and has volume "root"' in warning


def test_volume_moves_under_a_snapshot_where_the_appliance_lets_it(scene: Scene) -> None:
    scene.snapshot("present")
    outcome = scene.detach_data(SNAPSHOT)
    assert (outcome.result["deleted_snapshots"], list(outcome.warnings)) == ([], [])
    assert scene.names() == [SNAPSHOT]


def test_snapshot_yields_to_a_move_that_is_refused_and_it_is_told(scene: Scene) -> None:
    fill(scene.data, 1)
    scene.snapshot("present")
    scene.api.put("/lab/config", {"moves_under_snapshot": False})

    outcome = scene.detach_data(SNAPSHOT)

    assert outcome.result["deleted_snapshots"] == [SNAPSHOT]
    assert outcome.result["volume"]["instance"] is None
    assert SNAPSHOT in outcome.warnings[0]
    assert scene.names() == []
    assert holds(scene.data, 1)


def test_snapshot_that_is_not_named_is_not_deleted(scene: Scene) -> None:
    scene.snapshot("present")
    scene.snapshot("present", name="before the update")
    scene.api.put("/lab/config", {"moves_under_snapshot": False})

    with pytest.raises(NotAllowedNowError, match='snapshot "before the update"') as caught:
        scene.detach_data(SNAPSHOT)

    assert "while it has snapshots" in str(caught.value)
    assert "Delete them" in caught.value.hint
    assert scene.names() == [SNAPSHOT, "before the update"]
    with pytest.raises(RefusedError, match="while it has snapshots"):
        scene.detach_data()


def test_refusal_for_another_reason_is_told_as_it_was(scene: Scene) -> None:
    scene.fault("PUT", "/detach$", status=400, message="The array is offline", times=9)
    with pytest.raises(RefusedError, match="The array is offline"):
        scene.detach_data(SNAPSHOT)


def test_instance_that_does_not_exist_has_no_snapshots(scene: Scene) -> None:
    found = scene.modules.call("snapshot_info", instance="ghost")
    assert found.result["snapshots"] == []
