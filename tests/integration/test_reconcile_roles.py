# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM's target is made, and follows its disks: the roles on the lab's vCenter and on its appliance.

Nothing is copied and no machine runs: the appliance has null machines, and a task gives the instance its
generation in the place of a sync.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.command import run
from lab.vcenter.server import Vcenter, local_vcenter
from tests.integration.ansible_host import PlaybookRun, play
from tests.integration.morpheus_steps import GIB, PLACE, Modules, environment
from tests.support.appliance_api import Api, fresh_api
from tests.support.vsphere_modules import environment_of

# Some thirty module runs of a second or two each; several times that on a loaded machine.
pytestmark = pytest.mark.timeout(900)

SNAPSHOT = "ferry-snapshot-web01.1"
MAC = "00:50:56:01:02:03"
VM = {
    "name": "web01",
    "guest_id": "debian12_64Guest",
    "firmware": "bios",
    "cpus": 3,
    "memory_mib": 3072,
    "nics": [{"mac": MAC, "network": "Production"}],
    "disks": [{"size": GIB}, {"size": GIB}],
}


def role(name: str, **variables: Any) -> dict[str, Any]:
    return {"ansible.builtin.import_role": {"name": f"ferry.hvm.{name}"}, "vars": variables}


@dataclass
class World:
    """A vCenter with web01, an appliance, and the inventory of its migration."""

    vcenter: Vcenter
    api: Api
    folder: Path
    modules: Modules = field(init=False)

    def __post_init__(self) -> None:
        self.modules = Modules(self.api.appliance)
        for name in ("worker.iso", "key", "key.pub"):
            (self.folder / name).write_text("x")

    def play(self, tasks: Sequence[dict[str, Any]], *options: str, **variables: Any) -> PlaybookRun:
        inventory = {"all": {"hosts": {"web01": variables}, "vars": self._variables()}}
        connections = {**environment(self.api.appliance), **environment_of(self.vcenter)}
        return play(self.folder, inventory, tasks, *options, variables=connections)

    def volumes(self) -> dict[str, int]:
        """The target's volumes: name and size in GiB."""
        return {each["name"]: each["size"] // GIB for each in self.instance()["volumes"]}

    def instance(self) -> dict[str, Any]:
        (found,) = self.modules.call("instance_info", name="web01").result["instances"]
        return dict(found)

    def records(self) -> str:
        return (self.api.appliance.directory / "records.json").read_text()

    def _variables(self) -> dict[str, Any]:
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ferry_vm": "web01",
            "ferry_instance": "web01",
            "ferry_cloud": "Lab Cloud",
            "ferry_group": "Lab Group",
            "ferry_cluster": "lab-cluster",
            "ferry_instance_type": "mvm",
            "ferry_layout": "mvm-1.0-single",
            "ferry_network_map": {"Production": "production"},
            "ferry_datastore": "lab-datastore",
            "ferry_migration_network": "migration",
            "ferry_guest_network": "isolated",
            "ferry_guest_network_is_isolated": True,
            "ferry_worker_image": str(self.folder / "worker.iso"),
            "ferry_worker_ssh_private_key_file": str(self.folder / "key"),
        }


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path, VM) as made:
        yield made


@contextmanager
def a_world(tmp_path: Path, vm: dict[str, Any]) -> Iterator[World]:
    for name in ("vcenter", "appliance"):
        (tmp_path / name).mkdir()
    inventory = {"vms": [vm]}
    with local_vcenter(tmp_path / "vcenter", inventory) as vcenter, fresh_api(
        tmp_path / "appliance"
    ) as api:
        api.put("/lab/config", {"delay": 0.01})
        yield World(vcenter, api, tmp_path)


def first_sync(world: World) -> None:
    """The target exists as after its first sync, whose snapshot it has."""
    volumes = [
        {"name": f"disk-{key}", "size": GIB, "root": key == 2000, "datastore": "lab-datastore"}
        for key in (2000, 2001)
    ]
    networks = [{"network": "migration"}]
    tags = {"ferry": "web01", "ferry_generation": 1}
    world.modules.call(
        "instance", name="web01", **PLACE, volumes=volumes, networks=networks, tags=tags
    )
    world.modules.call("snapshot", instance="web01", name=SNAPSHOT, state="present")


def test_disks_added_grown_and_removed_between_two_deltas_are_followed_as_documented(
    world: World,
) -> None:
    first_sync(world)
    world.vcenter.control.grow("web01", 2000, GIB + (1 << 20))
    assert world.vcenter.control.add_disk("web01", size=3 * GIB) == 2002
    world.vcenter.control.remove_disk("web01", 2001)

    refused = world.play([role("preflight")])
    assert "[volume_without_disk]" in refused.output
    assert (refused.status, world.volumes()) == (2, {"disk-2000": 1, "disk-2001": 1})

    delta = [role("revert_to_snapshot"), role("reconcile_target")]
    before = world.records()
    told = world.play(delta, "--check", "--diff")
    assert (told.status, world.records()) == (0, before), told.output
    assert "+ name: disk-2002 + size: 3.0 GiB (3221225472)" in told.output

    accepted = {"ferry_accepted_warnings": ["volume_without_disk"]}
    kept = world.play([role("preflight"), *delta], **accepted)
    assert kept.status == 0, kept.output
    assert f'Deleted snapshot "{SNAPSHOT}"' in kept.output
    assert world.volumes() == {"disk-2000": 2, "disk-2001": 1, "disk-2002": 3}

    deleted = world.play(delta[1:], ferry_delete_volumes=["disk-2001"])
    assert deleted.status == 0, deleted.output
    assert world.volumes() == {"disk-2000": 2, "disk-2002": 3}
    again = world.play(delta[1:], ferry_delete_volumes=["disk-2001"])
    assert "changed=0" in again.output


CREATE = [role("preflight", preflight_may_create=True), role("create_target_instance")]


def create_target(world: World, told: str) -> None:
    """The target exists. The dry run before says `told`, and changes nothing."""
    before = world.records()
    dry = world.play(CREATE, "--check", "--diff")
    assert (dry.status, world.records()) == (0, before), dry.output
    assert told in dry.output
    done = world.play(CREATE)
    assert done.status == 0, done.output


def test_the_target_is_as_large_as_the_vm_and_its_macs_wait_for_the_cutover(world: World) -> None:
    slip = {"ferry_network_map": {"Production": "prod"}, "ferry_plan": "lab-1c-1g", "ferry_cpus": 3}
    refused = world.play([role("preflight", preflight_may_create=True)], **slip)
    assert refused.status == 2
    assert "[no_plan_fits]" in refused.output
    assert "[network_unknown]" in refused.output

    create_target(world, "made by plan lab-custom with 3 CPUs and 3.0 GiB (3221225472)")

    server = world.api.server(world.instance()["id"])
    assert (server["maxCores"], server["maxMemory"]) == (3, 3 * GIB)
    assert world.instance()["tags"]["ferry_cutover_cards"] == f"{MAC} production"
    (card,) = world.instance()["interfaces"]
    assert (card["network"], card["mac"] == MAC) == ("migration", False)
    assert "changed=0" in world.play(CREATE[1:]).output


def test_the_target_of_a_vm_with_uefi_is_made_from_a_blank_image_that_says_so(
    tmp_path: Path,
) -> None:
    with a_world(tmp_path, {**VM, "firmware": "efi"}) as world:
        create_target(world, "created with UEFI, from the blank image ferry-blank-web01")

        (image,) = world.modules.call("image_info").result["images"]
        assert (image["name"], image["uefi"]) == ("ferry-blank-web01", True)
        assert world.instance()["tags"]["ferry"] == "web01"
        (instance,) = json.loads(world.records())["instances"]
        assert instance["is_uefi"] is True
        assert world.volumes() == {"disk-2000": 1, "disk-2001": 1}
        root = next(each for each in world.instance()["volumes"] if each["root"])
        file = world.api.appliance.directory / "volumes" / f"{root['uuid']}.qcow2"
        assert run("qemu-img", "map", "--output=json", str(file)).count('"data": true') == 0

        gone = world.play([role("delete_worker_image")])
        assert gone.status == 0, gone.output
        assert world.modules.call("image_info").result["images"] == []


def test_a_root_that_a_killed_run_left_nowhere_comes_back_before_volumes_are_counted(
    world: World,
) -> None:
    first_sync(world)
    root = next(each["id"] for each in world.instance()["volumes"] if each["root"])
    world.modules.call("instance", name="web01", tags={"ferry_guest_root": root})
    world.modules.call("volume", id=root, instance="web01", state="detached")
    world.vcenter.control.grow("web01", 2000, 2 * GIB)

    dry = world.play([role("reconcile_target")], "--check")
    assert dry.status == 0, dry.output
    assert world.volumes() == {"disk-2001": 1}
    # As a playbook runs the step by its tag.
    step = {**role("reconcile_target"), "tags": ["reconcile_target"]}
    done = world.play([step], "--tags", "reconcile_target")

    assert done.status == 0, done.output
    assert world.volumes() == {"disk-2000": 2, "disk-2001": 1}
    assert [each["id"] for each in world.instance()["volumes"] if each["root"]] == [root]


def test_a_dry_run_of_a_target_that_runs_tells_what_would_become_of_its_volumes(
    world: World,
) -> None:
    first_sync(world)
    world.vcenter.control.add_disk("web01", size=GIB)
    world.modules.call("instance", name="web01", state="started")
    before = world.records()

    told = world.play([role("reconcile_target")], "--check", "--diff")

    assert (told.status, world.records()) == (0, before), told.output
    assert "volume disk-2002 of 1.0 GiB (1073741824) is made on lab-datastore" in told.output
