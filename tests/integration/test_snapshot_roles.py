# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles of the target's snapshots, in the VM-based order, on the lab's appliance with null machines.

What replicates and prepares is left out: a task gives the instance its next generation in its place.
The volumes' bytes are written and judged by qemu-io.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integration.ansible_host import play
from tests.integration.morpheus_steps import GIB, PLACE, Modules, environment
from tests.support.appliance_api import Api, fresh_api
from tests.support.volume_bytes import fill, holds

# Some thirty module runs of a second or two each; several times that on a loaded machine.
pytestmark = pytest.mark.timeout(900)

AFTER_THE_SYNC = ("detach_worker_volume", "delete_previous_snapshot", "create_instance_snapshot")
AT_REST = {"sda": True, "sdb": False}
# Bytes of the volumes: after the last sync, and as a tester of the clone left them.
SYNCED, DIRTY = 1, 9


def role(name: str) -> dict[str, Any]:
    return {"ansible.builtin.import_role": {"name": f"ferry.hvm.{name}"}}


def next_generation() -> list[dict[str, Any]]:
    """The instance names its next generation, as after a sync whose data both ends agreed on."""
    generation = "{{ seen.instances[0].tags.ferry_generation | default(0) | int + 1 }}"
    instance = {"name": "{{ ferry_instance }}"}
    return [
        {"ferry.hvm.morpheus_instance_info": instance, "register": "seen"},
        {
            "ferry.hvm.morpheus_instance": {**instance, "tags": {"ferry_generation": generation}},
            "when": "not ansible_check_mode",
        },
    ]


def delta() -> list[dict[str, Any]]:
    """Rows 4, 8, 11, 13, 14 and 15 of the VM-based sequence, as tasks."""
    before = [role("revert_to_snapshot"), role("attach_worker_volume")]
    return [*before, *next_generation(), *map(role, AFTER_THE_SYNC)]


@dataclass
class Scene:
    """One appliance, and the targets on it."""

    api: Api
    folder: Path
    modules: Modules = field(init=False)

    def __post_init__(self) -> None:
        self.modules = Modules(self.api.appliance)

    def make(self, host: str, generation: int = 1) -> None:
        """The host's target is off after so many syncs, with the snapshot of the last; its worker is ready."""
        worker = f"ferry-worker-{host}"
        self._instance(host, ["sda", "sdb"], {"ferry_generation": generation})
        self._instance(f"creator-{host}", [worker])
        self.modules.call("volume", name=worker, instance=f"creator-{host}", state="detached")
        for name in AT_REST:
            fill(self.path(host, name), SYNCED)
        self.keep(host, generation)

    def keep(self, host: str, generation: int) -> None:
        name = f"ferry-snapshot-{host}.{generation}"
        self.modules.call("snapshot", instance=host, name=name, state="present")

    def tag(self, host: str, **tags: Any) -> None:
        self.modules.call("instance", name=host, tags=tags)

    def attach_worker(self, host: str) -> None:
        """As attach_worker_volume leaves it."""
        root = next(each["id"] for each in self.volumes(host) if each["root"])
        self.tag(host, ferry_guest_root=root)
        self.modules.call("volume", id=root, instance=host, state="detached")
        worker = f"ferry-worker-{host}"
        self.modules.call("volume", name=worker, root=True, instance=host, state="attached")
        self.modules.call("volume", id=root, instance=host, state="attached")

    def volumes(self, host: str) -> list[dict[str, Any]]:
        (instance,) = self.modules.call("instance_info", name=host).result["instances"]
        return list(instance["volumes"])

    def place(self, host: str) -> dict[str, bool]:
        return {each["name"]: each["root"] for each in self.volumes(host)}

    def path(self, host: str, name: str) -> Path:
        uuid = next(each["uuid"] for each in self.volumes(host) if each["name"] == name)
        return self.api.appliance.directory / "volumes" / f"{uuid}.qcow2"

    def snapshots(self, host: str) -> list[str]:
        found = self.modules.call("snapshot_info", instance=host).result["snapshots"]
        return [each["name"] for each in found]

    def records(self) -> str:
        return (self.api.appliance.directory / "records.json").read_text()

    def play(self, hosts: Sequence[str], tasks: Sequence[Mapping[str, Any]], *options: str) -> str:
        """What was printed while the tasks ran on the hosts. Fails the test if the run fails."""
        variables = {host: {"ferry_instance": host} for host in hosts}
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
        }
        inventory = {"all": {"hosts": variables, "vars": common}}
        done = play(
            self.folder, inventory, tasks, *options, variables=environment(self.api.appliance)
        )
        assert done.status == 0, done.output
        return done.output

    def _instance(
        self, name: str, volumes: list[str], tags: Mapping[str, Any] | None = None
    ) -> None:
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
            tags={"ferry": name, **(tags or {})},
        )


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    folder = tmp_path / "appliance"
    folder.mkdir()
    with fresh_api(folder) as api:
        api.put("/lab/config", {"delay": 0.01})
        yield Scene(api, tmp_path)


def test_an_appliance_that_refuses_moves_gets_the_snapshot_out_of_its_way(scene: Scene) -> None:
    scene.make("web01")
    scene.api.put("/lab/config", {"moves_under_snapshot": False})
    for name in AT_REST:
        fill(scene.path("web01", name), DIRTY)

    told = scene.play(["web01"], delta())

    assert 'Deleted snapshot "ferry-snapshot-web01.1"' in told
    assert scene.snapshots("web01") == ["ferry-snapshot-web01.2"]
    assert scene.place("web01") == AT_REST
    assert all(holds(scene.path("web01", name), SYNCED) for name in AT_REST)


def test_a_volume_that_the_revert_brought_back_is_used_from_there(scene: Scene) -> None:
    """A run was killed with the worker attached, the mark of its revert is lost, and a revert undoes moves."""
    scene.make("web01")
    scene.attach_worker("web01")
    scene.api.put("/lab/config", {"revert_undoes_moves": True})

    told = scene.play(["web01"], delta())

    assert "The revert moved volumes" in told
    assert scene.place("web01") == AT_REST
    assert scene.snapshots("web01") == ["ferry-snapshot-web01.2"]


def test_a_delta_ends_with_its_own_snapshot_wherever_the_one_before_was_killed(
    scene: Scene,
) -> None:
    """One host per place of the kill, and one without: only that one and its disks are reverted."""
    hosts = {"whole": 2, "copying": 2, "deleted": 3, "lost": 2}
    for host in hosts:
        scene.make(host)
    for host in ("copying", "deleted"):
        scene.tag(host, ferry_reverted=1)
    scene.attach_worker("copying")
    scene.tag("deleted", ferry_generation=2)
    for host in ("deleted", "lost"):
        name = f"ferry-snapshot-{host}.1"
        scene.modules.call("snapshot", instance=host, name=name, state="absent")
    scene.modules.call("snapshot", instance="copying", name="somebody's", state="present")
    for host in hosts:
        fill(scene.path(host, "sdb"), DIRTY)

    told = scene.play(list(hosts), delta())

    for host, generation in hosts.items():
        own = [each for each in scene.snapshots(host) if each != "somebody's"]
        assert own == [f"ferry-snapshot-{host}.{generation}"], host
        assert scene.place(host) == AT_REST, host
        assert holds(scene.path(host, "sdb"), SYNCED if host == "whole" else DIRTY), host
    assert "somebody's" in scene.snapshots("copying")
    assert "copying stays as it is: this sync reverted it already" in told
    assert 'has no snapshot "ferry-snapshot-deleted.2"' in told
    assert 'has no snapshot "ferry-snapshot-lost.1"' in told


def test_what_a_sync_that_was_cut_off_left_is_neither_prepared_nor_kept(scene: Scene) -> None:
    """By their tags these steps may be run then; the mix had got the name of the last generation."""
    scene.make("web01")
    scene.tag("web01", ferry_sync_begun=2)
    key = {"ferry_worker_ssh_private_key_file": "/nonexistent"}
    steps = [role("create_instance_snapshot"), {**role("prepare_target"), "vars": key}]

    go_on = {"ansible.builtin.debug": {"var": "ansible_failed_result.msg"}}
    cut_off = [{"block": [step], "rescue": [go_on]} for step in steps]
    told = scene.play(["web01"], [*cut_off, *next_generation(), steps[0]])

    assert "sync 2 did not end" in told
    assert "proven, and get no snapshot" in told
    assert "proven, and are not prepared" in told
    assert scene.snapshots("web01") == ["ferry-snapshot-web01.1", "ferry-snapshot-web01.2"]


def test_a_dry_run_says_what_becomes_of_the_snapshots_and_changes_nothing(scene: Scene) -> None:
    scene.make("web01")
    scene.modules.call("instance", name="web01", state="started")
    before = scene.records()

    told = scene.play(["web01"], delta(), "--check", "--diff")

    assert scene.records() == before
    assert "web01 would return to ferry-snapshot-web01.1" in told
    assert "ferry-snapshot-web01.1 would be deleted first" in told
    assert "web01 would lose ferry-snapshot-web01.1" in told
    assert "would get a snapshot of this sync" in told


def test_what_a_crash_left_is_listed_and_the_last_syncs_snapshot_is_not(scene: Scene) -> None:
    scene.make("web01")
    scene.keep("web01", 2)
    scene.modules.call(
        "snapshot", instance="web01", name="ferry-snapshot-web01.2-mine", state="present"
    )
    scene.tag("web01", ferry_generation=2)

    told = scene.play(["web01"], [role("audit_leftovers")])

    assert "target_snapshots: - ferry-snapshot-web01.1 vm_snapshots: [] volumes:" in told
