# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed run leaves on the appliance: the next run goes on from it, the clean-up undoes it.

One host per place where a run may have been cut off, each with an instance in just that state. The
appliance has null machines: only its records matter here. The sources are gone: nothing answers.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.ansible_host import CHECKOUT, free_port
from tests.integration.ansible_host import environment as plain_environment
from tests.integration.morpheus_steps import GIB, PLACE, Modules, environment
from tests.support.appliance_api import Api, creation, fresh_api

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Cut:
    """A host and the moves after which its run was killed, each by the name of a function below."""

    host: str
    moves: tuple[str, ...]


# After "worker-out" the root is detached once more, and both volumes are nowhere: as in "root-out". With all
# attached, as after "worker-in" and one more move, a run goes on that nobody killed.
CUTS = (
    Cut("root-out", ("made", "tag", "root_out")),
    Cut("worker-in", ("made", "tag", "root_out", "worker_in")),
    Cut("worker-out", ("made", "tag", "root_out", "worker_in", "root_back_as_data", "worker_out")),
    Cut("creator", ()),
)


@dataclass(frozen=True)
class Scene:
    """One appliance, and how its objects are moved."""

    api: Api
    modules: Modules
    folder: Path

    def make(self, cut: Cut) -> None:
        """The target of the host exists, with what its run had made and moved when it was killed."""
        self._instance(cut.host, ["sda", "sdb"])
        self._instance(f"ferry-creator-{cut.host}", [worker(cut)])
        moves: dict[str, Callable[[str], Any]] = {
            "made": self._leave_creator,
            "tag": self._tag,
            "root_out": lambda host: self._volume(host, self._root_id(host), "detached"),
            "worker_in": lambda host: self._volume(host, self._worker_id(host), "attached", True),
            "root_back_as_data": lambda host: self._volume(host, self._root_id(host), "attached"),
            "worker_out": lambda host: self._volume(host, self._worker_id(host), "detached"),
        }
        for move in cut.moves:
            moves[move](cut.host)

    def place(self, host: str) -> dict[str, bool]:
        """The volumes of the host's target: name, and whether it is the root."""
        (instance,) = self.modules.call("instance_info", name=host).result["instances"]
        return {each["name"]: each["root"] for each in instance["volumes"]}

    def helpers(self) -> list[str]:
        """The names of all of Ferry's helpers on the appliance."""
        kinds = {"instances": "instances", "storage-volumes": "storageVolumes"}
        found = [
            each["name"]
            for path, kind in kinds.items()
            for each in self.api.get(f"/api/{path}?max=100")[kind]
        ]
        return [name for name in found if name.startswith("ferry-")]

    def _instance(self, name: str, volumes: list[str]) -> None:
        wanted = [
            {"name": each, "size": GIB, "root": number == 0} for number, each in enumerate(volumes)
        ]
        self.modules.call(
            "instance",
            name=name,
            **PLACE,
            powered_off=True,
            volumes=wanted,
            networks=[{"network": "migration"}],
            tags={"ferry": name.removeprefix("ferry-creator-")},
        )

    def _leave_creator(self, host: str) -> None:
        creator = f"ferry-creator-{host}"
        self.modules.call("volume", name=f"ferry-worker-{host}", instance=creator, state="detached")

    def _tag(self, host: str) -> None:
        (instance,) = self.modules.call("instance_info", name=host).result["instances"]
        root = next(each["id"] for each in instance["volumes"] if each["root"])
        self.modules.call("instance", name=host, tags={"ferry_guest_root": root})

    def _root_id(self, host: str) -> int:
        (instance,) = self.modules.call("instance_info", name=host).result["instances"]
        return int(instance["tags"]["ferry_guest_root"])

    def _worker_id(self, host: str) -> int:
        (volume,) = self.modules.call("volume_info", name=f"ferry-worker-{host}").result["volumes"]
        return int(volume["id"])

    def _volume(self, host: str, number: int, state: str, root: bool = False) -> None:
        self.modules.call("volume", id=number, instance=host, state=state, root=root)

    def play(self, playbook: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the playbook over all hosts."""
        hosts = {cut.host: {"ferry_instance": cut.host} for cut in CUTS}
        common = {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": free_port(),
            **{f"ferry_{name}": value for name, value in PLACE.items()},
            "ferry_datastore": "lab-datastore",
            "ferry_migration_network": "migration",
            "ferry_guest_network": "isolated",
            "ferry_worker_image": "/nonexistent",
            "ferry_worker_ssh_private_key_file": "/nonexistent",
        }
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": common}}))
        program = Path(sys.executable).with_name("ansible-playbook")
        return subprocess.run(
            [str(program), "-i", str(inventory), playbook, *options],
            cwd=CHECKOUT,
            env={**plain_environment(), **environment(self.api.appliance), "ANSIBLE_FORKS": "4"},
            capture_output=True,
            text=True,
            check=False,
        )


def worker(cut: Cut) -> str:
    return f"ferry-worker-{cut.host}"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    folder = tmp_path / "appliance"
    folder.mkdir()
    with fresh_api(folder) as api:
        api.put("/lab/config", {"delay": 0.01})
        yield Scene(api, Modules(api.appliance), tmp_path)


@pytest.fixture
def cut_off(scene: Scene) -> Scene:
    """The scene with a killed run's objects for every host."""
    with ThreadPoolExecutor() as executor:
        list(executor.map(scene.make, CUTS))
    return scene


def test_the_next_run_moves_the_volumes_on_from_wherever_they_are(cut_off: Scene) -> None:
    steps = cut_off.folder / "steps.yml"
    names = ("power_off_instance", "detach_volume_from_creator", "attach_worker_volume")
    roles = [{"ansible.builtin.import_role": {"name": f"ferry.hvm.{name}"}} for name in names]
    steps.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": roles}]))

    run = cut_off.play(str(steps))

    assert run.returncode == 0, run.stdout + run.stderr
    for cut in CUTS:
        wanted = {worker(cut): True, "sda": False, "sdb": False}
        assert cut_off.place(cut.host) == wanted, cut.host


def test_the_clean_up_gives_every_target_its_own_root_back(cut_off: Scene) -> None:
    before = cut_off.api.appliance.directory.joinpath("records.json").read_text()
    dry = cut_off.play("ferry.hvm.remove_helpers", "--check", "--diff", "-l", "worker-in,creator")
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert cut_off.api.appliance.directory.joinpath("records.json").read_text() == before

    run = cut_off.play("ferry.hvm.remove_helpers")

    assert run.returncode == 0, run.stdout + run.stderr
    for cut in CUTS:
        assert cut_off.place(cut.host) == {"sda": True, "sdb": False}, cut.host
    assert cut_off.helpers() == []


def test_the_clean_up_goes_on_past_what_fails_and_tells_it(scene: Scene) -> None:
    scene.make(CUTS[0])
    fault = {"path": "/attach$", "method": "PUT", "status": 400, "message": "Array-offline"}
    scene.api.request("POST", "/lab/faults", {**fault, "times": 1000})

    run = scene.play("ferry.hvm.remove_helpers", "-l", CUTS[0].host)

    assert run.returncode != 0
    assert "Array-offline" in run.stdout
    assert "audit_leftovers" in run.stdout
    assert scene.helpers() == [], run.stdout


def test_a_creator_that_is_still_being_made_is_waited_for(scene: Scene) -> None:
    """A killed run leaves the appliance at work; its volume is there only when that has ended."""
    scene.api.put("/lab/config", {"delay": 2})
    volume = {"id": -1, "name": "w", "size": 1, "rootVolume": True, "datastoreId": 12}
    begun = scene.api.request(
        "POST", "/api/instances", creation("ferry-creator-web01", volumes=[volume])
    )
    assert begun.is_success

    outcome = scene.modules.call(
        "volume", name="w", instance="ferry-creator-web01", state="detached"
    )

    assert outcome.changed
    assert outcome.result["volume"]["instance"] is None
