# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A resize: the wanted hardware of a stopped instance against what it has.

Of a list that is sent, everything wanted must be in it: what is left out is removed and, if it is
a volume, deleted. A list that is not sent is left alone.

CPUs and memory are those of `servicePlanOptions`, and without them the plan's. That is a rule of the lab: what a
real appliance does with an instance that has its own is not documented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import catalog, requests, rules
from .records import Instance, Interface, Records, Volume
from .refusals import invalid
from .storage import Storage


@dataclass(frozen=True)
class Resize:
    """The changes that a resize asks for, all of them legal."""

    plan: int
    cores: int | None
    memory: int | None
    interfaces: list[Interface]
    added: list[Volume] = field(default_factory=list)
    grown: dict[int, int] = field(default_factory=dict)
    removed: list[Volume] = field(default_factory=list)

    def growth(self, records: Records) -> int:
        """How many bytes more the datastore has to hold; what is removed is not counted off."""
        grown = sum(size - records.volumes[number].size for number, size in self.grown.items())
        return grown + sum(volume.size for volume in self.added)


def read_resize(body: Mapping[str, Any], instance: Instance, records: Records) -> Resize:
    """What the body asks for. Raises RefusedError for a shrinking, a foreign or a second root volume."""
    named = requests.part(requests.part(body, "instance") or requests.part(body, "server"), "plan")
    plan = catalog.pick(catalog.PLANS, named.get("id", instance.plan), "plan")["id"]
    cores, memory = requests.read_own_size(body, plan)
    resize = Resize(
        plan=plan,
        cores=cores,
        memory=memory,
        interfaces=(
            requests.read_interfaces(body, instance, records)
            if "networkInterfaces" in body
            else instance.interfaces
        ),
    )
    if "volumes" in body:
        _read_volumes(body, instance, records, resize)
    return resize


async def carry_out(resize: Resize, instance: Instance, records: Records, storage: Storage) -> None:
    """The instance has the wanted hardware."""
    for number, size in resize.grown.items():
        volume = records.volumes[number]
        await storage.grow_volume(volume, size)
        volume.size = size
    for volume in resize.added:
        await storage.create_volume(volume, None)
        volume.status = "provisioned"
        records.volumes[volume.id] = volume
    for volume in resize.removed:
        storage.delete_volume(volume)
        records.forget_volume(volume)
    instance.plan, instance.cores, instance.memory = resize.plan, resize.cores, resize.memory
    instance.interfaces = resize.interfaces


def _read_volumes(
    body: Mapping[str, Any], instance: Instance, records: Records, resize: Resize
) -> None:
    present = {volume.id: volume for volume in records.volumes_of(instance)}
    kept: set[int] = set()
    taken = {volume.unit for volume in present.values()}
    for entry in requests.entries(body, "volumes"):
        number = entry.get("id")
        if number in {None, -1, "-1"}:
            unit = requests.wanted_unit(entry, taken)
            rules.check_unit(unit, taken)
            taken.add(unit)
            resize.added.append(requests.read_volume(entry, instance, unit, records))
        elif number in present:
            kept.add(number)
            _read_growth(entry, present[number], resize, records)
        else:
            raise invalid("volumes", f"volume {number} is not one of instance {instance.name}")
    resize.removed.extend(volume for volume in present.values() if volume.id not in kept)
    _check_root(resize)


def _read_growth(
    entry: Mapping[str, Any], volume: Volume, resize: Resize, records: Records
) -> None:
    size = requests.read_size(entry) if "size" in entry else volume.size
    rules.check_growth(records, volume, size)
    if size > volume.size:
        resize.grown[volume.id] = size


def _check_root(resize: Resize) -> None:
    if any(volume.root for volume in resize.added):
        raise invalid("volumes", "a resize cannot add a root volume")
    if any(volume.root for volume in resize.removed):
        raise invalid("volumes", "a resize cannot remove the root volume")
