# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance's machine is to the appliance, and the kind that QEMU runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from .. import network, qemu
from ..hardware import NIC_COUNT, Disk, Machine, Medium, Nic
from . import catalog
from .records import Image, Instance, Volume
from .settings import ApplianceSettings, Behaviour
from .storage import Storage


class Machines(Protocol):
    """Runs machines for instances. Raises LabError when one cannot be run."""

    async def start(
        self, instance: Instance, volumes: Sequence[Volume], medium: Image | None
    ) -> None:
        """The instance's machine runs."""

    async def stop(self, instance: Instance, deadline: float) -> None:
        """The machine has ended: shut down by its guest, or cut off after so many seconds."""

    async def cut_off(self, instance: Instance) -> None:
        """The machine has ended, whatever its guest was doing."""

    async def wait_ended(self, instance: Instance) -> None:
        """Return when the machine has ended, for whatever reason."""

    def is_running(self, instance: Instance) -> bool: ...

    async def addresses(self, instance: Instance) -> Mapping[str, str]:
        """The address of each of the guest's MACs that has one, as far as the guest tells."""

    def forget(self, instance: Instance) -> None:
        """Nothing but its console is left of a machine that has ended."""


class QemuMachines:
    """Instances as QEMU machines of this host."""

    def __init__(self, settings: ApplianceSettings, storage: Storage, behaviour: Behaviour) -> None:
        self._settings = settings
        self._storage = storage
        self._behaviour = behaviour

    async def start(
        self, instance: Instance, volumes: Sequence[Volume], medium: Image | None
    ) -> None:
        await qemu.start(self._machine(instance, volumes, medium))

    async def stop(self, instance: Instance, deadline: float) -> None:
        await qemu.stop(self._directory(instance), deadline=deadline)

    async def cut_off(self, instance: Instance) -> None:
        await qemu.cut_off(self._directory(instance))

    async def wait_ended(self, instance: Instance) -> None:
        await qemu.wait_ended(self._directory(instance))

    def is_running(self, instance: Instance) -> bool:
        return qemu.find_pid(self._directory(instance)) is not None

    async def addresses(self, instance: Instance) -> Mapping[str, str]:
        told = await qemu.guest_interfaces(self._directory(instance))
        return {each.mac: _preferred(each.addresses) for each in told if each.addresses}

    def forget(self, instance: Instance) -> None:
        # Taps stay while the instance does: removed when its machine ends, one could be pulled from
        # under a machine that is just being started again.
        for number in range(NIC_COUNT):
            network.unplug(self._settings.namespace, _tap(instance, number))
        directory = self._directory(instance)
        for file in directory.glob("*"):
            file.unlink()
        if directory.exists():
            directory.rmdir()

    def _directory(self, instance: Instance) -> Path:
        return self._settings.machines / str(instance.id)

    def _machine(
        self, instance: Instance, volumes: Sequence[Volume], medium: Image | None
    ) -> Machine:
        cores, memory = catalog.size_of(instance.plan, instance.cores, instance.memory)
        return Machine(
            name=instance.name,
            directory=self._directory(instance),
            console=self._settings.directory / f"console-{instance.name}.log",
            memory=memory,
            cpus=cores,
            disks=self._disks(volumes),
            nics=self._nics(instance),
            medium=self._medium(medium),
            namespace=self._settings.namespace,
            acceleration=self._settings.acceleration,
            is_uefi=instance.is_uefi,
        )

    def _medium(self, image: Image | None) -> Medium | None:
        # After the root: an empty one is passed over by the firmware, which then tries the medium.
        return None if image is None else Medium(self._storage.image_path(image), boot_order=1)

    def _disks(self, volumes: Sequence[Volume]) -> list[Disk]:
        units = [volume.unit or 0 for volume in volumes]
        seen = place_disks(units, is_reversed=self._behaviour.reverse_disks)
        return [self._disk(volume, unit) for volume, unit in zip(volumes, seen, strict=True)]

    def _disk(self, volume: Volume, unit: int) -> Disk:
        return Disk(
            path=self._storage.volume_path(volume),
            unit=unit,
            serial=volume.uuid if self._behaviour.disk_serials else "",
            boot_order=0 if volume.root else None,
        )

    def _nics(self, instance: Instance) -> list[Nic]:
        networks: dict[int, Any] = {each["id"]: each["name"] for each in catalog.NETWORKS}
        return [
            Nic(
                mac=interface.mac,
                tap=_tap(instance, number),
                network=networks[interface.network],
            )
            for number, interface in enumerate(instance.interfaces)
        ]


def place_disks(units: Sequence[int], *, is_reversed: bool) -> list[int]:
    """Return for each disk the unit whose PCI slot it gets: its own, or as if counted from the end."""
    if not is_reversed:
        return list(units)
    ordered = sorted(units)
    mirrored = dict(zip(ordered, reversed(ordered), strict=True))
    return [mirrored[unit] for unit in units]


def _tap(instance: Instance, number: int) -> str:
    return f"i{instance.id}n{number}"


def _preferred(addresses: Sequence[str]) -> str:
    """An IPv4 address if there is one: what clients of today expect in `ipAddress`."""
    return next((each for each in addresses if ":" not in each), addresses[0])
