# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The moves over time, with machines that a test can break, hang and end by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.appliance.lifecycle import Lifecycle
from lab.appliance.records import (
    Image,
    Instance,
    InstanceStatus,
    Interface,
    PowerState,
    ProcessStatus,
    Records,
    Volume,
    load_records,
)
from lab.appliance.settings import ApplianceSettings, Behaviour
from lab.appliance.storage import Storage
from lab.errors import LabError

MAC = "52:54:00:00:00:01"
DEADLINE = 10


@dataclass
class ScriptedMachines:
    """A machine that starts and ends as it is told. Implements `machines.Machines`."""

    refusal: str = ""
    hangs: bool = False
    running: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(
        self, instance: Instance, volumes: Sequence[Volume], medium: Image | None
    ) -> None:
        if self.refusal:
            raise LabError(self.refusal)
        self.ended.clear()
        self.running.set()

    async def stop(self, instance: Instance, deadline: float) -> None:
        if self.hangs:
            await self.ended.wait()
        self.end()

    async def cut_off(self, instance: Instance) -> None:
        self.end()

    async def wait_ended(self, instance: Instance) -> None:
        await self.ended.wait()

    def is_running(self, instance: Instance) -> bool:
        return self.running.is_set()

    async def addresses(self, instance: Instance) -> Mapping[str, str]:
        return {MAC: "192.0.2.7", "00:00:00:00:00:00": "192.0.2.8"}

    def forget(self, instance: Instance) -> None:
        self.running.clear()

    def end(self) -> None:
        self.running.clear()
        self.ended.set()


@dataclass
class World:
    records: Records
    machines: ScriptedMachines
    lifecycle: Lifecycle
    instance: Instance

    async def settled(self, status: InstanceStatus) -> None:
        async with asyncio.timeout(DEADLINE):
            while self.instance.status is not status or self.instance.busy:
                await asyncio.sleep(0)

    def power(self) -> str:
        return self.instance.power.value

    def last_process(self) -> tuple[str, ProcessStatus, str | None]:
        process = max(self.records.processes.values(), key=lambda each: each.id)
        return process.kind, process.status, process.error


def play(directory: Path, scene: Callable[[World], Awaitable[None]], status: str) -> Records:
    """Play a scene around one instance with a root, in this state; return the records afterwards."""

    async def run() -> Records:
        settings = ApplianceSettings(directory, "u", "p")
        records = load_records(settings.records)
        machines = ScriptedMachines()
        behaviour = Behaviour(delay=0)
        lifecycle = Lifecycle(records, Storage(settings), machines, behaviour)
        instance = Instance(1, 2, 3, 4, "web01", 71, {}, status=InstanceStatus(status))
        instance.interfaces = [Interface(6, 22, MAC)]
        records.instances[1] = instance
        records.volumes[5] = Volume(5, "root", 1 << 20, 12, "1", 1, 0, root=True)
        await scene(World(records, machines, lifecycle, instance))
        await lifecycle.close()
        return records

    return asyncio.run(run())


def test_a_guest_that_shuts_itself_down_stops_its_instance(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.lifecycle.start(world.instance)
        assert world.instance.status is InstanceStatus.STARTING
        await world.settled(InstanceStatus.RUNNING)
        assert world.power() == "on"

        world.machines.end()

        await world.settled(InstanceStatus.STOPPED)
        assert world.power() == "off"

    play(tmp_path, scene, "stopped")


def test_a_machine_that_does_not_start_fails_its_instance(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.machines.refusal = "no such file"
        world.lifecycle.start(world.instance)

        await world.settled(InstanceStatus.FAILED)

        assert world.instance.message == "no such file"
        assert world.last_process() == ("startup", ProcessStatus.FAILED, "no such file")
        world.machines.refusal = ""
        world.lifecycle.start(world.instance)
        await world.settled(InstanceStatus.RUNNING)
        assert world.instance.message is None

    play(tmp_path, scene, "stopped")


def test_addresses_are_those_of_the_instances_own_nics_and_go_with_the_machine(
    tmp_path: Path,
) -> None:
    async def scene(world: World) -> None:
        world.lifecycle.start(world.instance)
        (nic,) = world.instance.interfaces
        async with asyncio.timeout(DEADLINE):
            while nic.address is None:
                await asyncio.sleep(0)
        assert nic.address == "192.0.2.7"

        world.lifecycle.stop(world.instance)
        await world.settled(InstanceStatus.STOPPED)
        assert nic.address is None

    play(tmp_path, scene, "stopped")


def test_an_instance_stays_stopping_until_its_machine_has_ended(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.machines.hangs = True
        world.lifecycle.start(world.instance)
        await world.settled(InstanceStatus.RUNNING)
        world.lifecycle.stop(world.instance)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(world.settled(InstanceStatus.STOPPED), 0.1)
        assert world.instance.status is InstanceStatus.STOPPING

        world.machines.end()

        await world.settled(InstanceStatus.STOPPED)

    play(tmp_path, scene, "stopped")


def test_a_forced_removal_overtakes_a_stop_that_hangs(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.machines.hangs = True
        world.lifecycle.start(world.instance)
        await world.settled(InstanceStatus.RUNNING)
        world.lifecycle.stop(world.instance)

        world.lifecycle.remove(world.instance, keep_volumes=True, force=True)

        async with asyncio.timeout(DEADLINE):
            while world.records.instances:
                await asyncio.sleep(0)

    records = play(tmp_path, scene, "stopped")

    assert [process.kind for process in records.processes.values()] == [
        "startup",
        "shutdown",
        "delete",
    ]
    assert [volume.instance for volume in records.volumes.values()] == [None]


def test_starting_what_runs_and_stopping_what_is_off_changes_nothing(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.lifecycle.stop(world.instance)
        assert world.records.processes == {}
        world.lifecycle.start(world.instance)
        await world.settled(InstanceStatus.RUNNING)
        world.lifecycle.start(world.instance)
        assert len(world.records.processes) == 1

    play(tmp_path, scene, "stopped")


@pytest.mark.parametrize(
    ("before", "is_running", "after"),
    [
        ("running", True, "running"),
        ("starting", True, "running"),
        ("provisioning", True, "running"),
        ("stopping", True, "stopping"),
        ("running", False, "stopped"),
        ("starting", False, "stopped"),
        ("stopping", False, "stopped"),
        ("failed", False, "failed"),
        ("provisioning", False, "failed"),
        ("resizing", False, "failed"),
        ("restoring", False, "failed"),
    ],
)
def test_a_new_server_takes_up_what_it_finds(
    tmp_path: Path, before: str, is_running: bool, after: str
) -> None:
    async def scene(world: World) -> None:
        if is_running:
            world.machines.running.set()
        world.instance.busy = True

        world.lifecycle.resume()

        assert world.instance.status.value == after
        assert world.instance.busy is False
        assert (world.instance.power is PowerState.ON) is is_running

    play(tmp_path, scene, before)


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.instance.tags = {"ferry": "web01"}
        world.records.images[9] = Image(9, "w", "raw", {"uefi": True}, files={"w.img": 3})
        world.lifecycle.start(world.instance)
        await world.settled(InstanceStatus.RUNNING)

    records = play(tmp_path, scene, "stopped")

    loaded = load_records(records.path)
    assert loaded.instances == records.instances
    assert loaded.volumes == records.volumes
    assert loaded.images == records.images
    assert loaded.processes == records.processes
    assert loaded.new_id() == records.next_id
