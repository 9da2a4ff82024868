# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots as chains of files: whatever comes and goes, each holds what it held."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.appliance import rules, snapshots
from lab.appliance.records import Instance, InstanceStatus, Records, Snapshot, Volume, load_records
from lab.appliance.refusals import RefusedError
from lab.appliance.settings import ApplianceSettings
from lab.appliance.storage import Storage
from tests.support.volume_bytes import fill, holds

MIB = 1 << 20


@dataclass
class World:
    """One instance, off, with a root and a data volume of real files."""

    records: Records
    storage: Storage
    instance: Instance

    async def take(self, name: str) -> Snapshot:
        snapshot = snapshots.draw_up(self.records, self.instance, name, None)
        await snapshots.take(snapshot, self.records, self.storage)
        return snapshot

    async def revert(self, snapshot: Snapshot, *, undoes_moves: bool = False) -> None:
        await snapshots.revert(snapshot, self.records, self.storage, undoes_moves=undoes_moves)

    async def delete(self, snapshot: Snapshot) -> None:
        await snapshots.delete(snapshot, self.records, self.storage)

    def path(self, number: int = 51) -> Path:
        return self.storage.volume_path(self.records.volumes[number])

    def files(self) -> int:
        return len(list(self.path().parent.iterdir()))


def play(directory: Path, scene: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        settings = ApplianceSettings(directory, "u", "p")
        records, storage = Records(settings.records), Storage(settings)
        records.instances[1] = Instance(1, 2, 3, 4, "web01", 71, {}, status=InstanceStatus.STOPPED)
        for unit, number in enumerate((51, 52)):
            volume = Volume(number, f"disk-{unit}", MIB, 12, "1-2-3", 1, unit, root=unit == 0)
            records.volumes[number] = volume
            await storage.create_volume(volume, None)
        await scene(World(records, storage, records.instances[1]))

    asyncio.run(run())


def test_a_revert_brings_all_volumes_back(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        fill(world.path(51), 1)
        fill(world.path(52), 2)
        snapshot = await world.take("one")
        fill(world.path(51), 9)
        fill(world.path(52), 9)

        await world.revert(snapshot)

        assert holds(world.path(51), 1)
        assert holds(world.path(52), 2)

    play(tmp_path, scene)


def test_what_is_written_after_a_snapshot_is_read(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        fill(world.path(), 1)
        await world.take("one")
        assert holds(world.path(), 1)
        fill(world.path(), 2)
        assert holds(world.path(), 2)

    play(tmp_path, scene)


@pytest.mark.parametrize("position", [0, 1, 2], ids=["first", "middle", "last"])
def test_a_deleted_snapshot_takes_nothing_with_it(tmp_path: Path, position: int) -> None:
    async def scene(world: World) -> None:
        taken = []
        for number in range(3):
            fill(world.path(), number + 1)
            taken.append(await world.take(f"s{number}"))
        fill(world.path(), 9)

        await world.delete(taken.pop(position))

        assert holds(world.path(), 9)
        for snapshot in taken:
            await world.revert(snapshot)
            assert holds(world.path(), int(snapshot.name[1:]) + 1)
        assert world.files() == 2 * 3

    play(tmp_path, scene)


def test_two_that_lean_on_one_layer_both_survive_its_end(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        fill(world.path(), 1)
        first = await world.take("first")
        fill(world.path(), 2)
        second = await world.take("second")
        await world.revert(first)
        assert world.instance.snapshot == first.id

        await world.delete(first)

        assert holds(world.path(), 1)
        assert world.instance.snapshot is None
        assert world.records.snapshots == {second.id: second}
        assert second.parent is None
        await world.revert(second)
        assert holds(world.path(), 2)

    play(tmp_path, scene)


def test_a_revert_leaves_moved_volumes_alone(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        fill(world.path(52), 1)
        snapshot = await world.take("one")
        fill(world.path(52), 2)
        world.records.volumes[52].release()

        await world.revert(snapshot)

        assert world.records.volumes[52].instance is None
        assert holds(world.path(52), 2)

    play(tmp_path, scene)


def test_a_revert_that_undoes_moves_brings_the_set_back(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        fill(world.path(52), 1)
        snapshot = await world.take("one")
        fill(world.path(52), 2)
        world.records.volumes[51].release()
        world.records.volumes[52].root = True
        world.records.volumes[53] = Volume(53, "worker", MIB, 12, "9-9-9", 1, 5)

        await world.revert(snapshot, undoes_moves=True)

        places = {
            each.id: (each.instance, each.unit, each.root)
            for each in world.records.volumes.values()
        }
        assert places == {51: (1, 0, True), 52: (1, 1, False), 53: (None, None, False)}
        assert holds(world.path(52), 1)

    play(tmp_path, scene)


def test_a_deleted_volume_leaves_no_layer_and_is_in_no_snapshot(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        snapshot = await world.take("one")
        volume = world.records.volumes[52]

        world.storage.delete_volume(volume)
        world.records.forget_volume(volume)

        assert world.files() == 2
        assert [disk.volume for disk in snapshot.disks] == [51]
        await world.revert(snapshot)

    play(tmp_path, scene)


def test_snapshots_are_saved_and_loaded(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.take("one")
        await world.take("two")
        world.records.save()

        loaded = load_records(world.records.path)

        assert loaded.snapshots == world.records.snapshots
        assert loaded.instances[1].snapshot == world.instance.snapshot

    play(tmp_path, scene)


def test_volumes_move_under_a_snapshot_only_where_that_is_allowed(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        rules.check_move(world.records, world.instance, under_snapshot=False)
        await world.take("one")
        rules.check_move(world.records, world.instance, under_snapshot=True)
        with pytest.raises(RefusedError, match="while it has snapshots: one"):
            rules.check_move(world.records, world.instance, under_snapshot=False)

    play(tmp_path, scene)


def test_a_volume_of_a_snapshot_does_not_grow(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.take("one")
        volume = world.records.volumes[51]
        rules.check_growth(world.records, volume, volume.size)
        with pytest.raises(RefusedError, match="snapshots have it \\(one\\)"):
            rules.check_growth(world.records, volume, volume.size + 1)

    play(tmp_path, scene)


def test_a_volume_that_another_has_meanwhile_does_not_come_back(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        snapshot = await world.take("one")
        other = Instance(7, 8, 9, 10, "db01", 71, {}, status=InstanceStatus.STOPPED)
        world.records.instances[7] = other
        world.records.volumes[52].instance = 7

        def check(instance: Instance, *, undoes_moves: bool) -> None:
            rules.check_revert(world.records, instance, snapshot, undoes_moves=undoes_moves)

        check(world.instance, undoes_moves=False)
        with pytest.raises(RefusedError, match="disk-1 of the snapshot is attached to db01"):
            check(world.instance, undoes_moves=True)
        with pytest.raises(RefusedError, match="Snapshot not found"):
            check(other, undoes_moves=False)

    play(tmp_path, scene)
