# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that are nothing but a power state: clients are tested against them in seconds.

Never a proof that anything boots. The state lies in files, so that it survives the server as QEMU
would.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from .records import Image, Instance, Volume
from .settings import ApplianceSettings, Behaviour


class NullMachines:
    """Implements `machines.Machines` without machines."""

    def __init__(self, settings: ApplianceSettings, behaviour: Behaviour) -> None:
        self._directory = settings.machines
        self._directory.mkdir(parents=True, exist_ok=True)
        self._behaviour = behaviour
        self._ended: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)

    async def start(
        self,
        instance: Instance,
        volumes: Sequence[Volume],  # noqa: ARG002 (the protocol's)
        medium: Image | None,  # noqa: ARG002
    ) -> None:
        self._ended[instance.id].clear()
        self._marker(instance).touch()

    async def stop(self, instance: Instance, deadline: float) -> None:
        if not self._behaviour.guests_obey:
            await asyncio.sleep(deadline)
        await self.cut_off(instance)

    async def cut_off(self, instance: Instance) -> None:
        self._marker(instance).unlink(missing_ok=True)
        self._ended[instance.id].set()

    async def wait_ended(self, instance: Instance) -> None:
        await self._ended[instance.id].wait()

    def is_running(self, instance: Instance) -> bool:
        return self._marker(instance).exists()

    async def addresses(self, instance: Instance) -> Mapping[str, str]:
        # TEST-NET-1 of RFC 5737: an address that answers nowhere, for there is nothing to answer.
        return {each.mac: f"192.0.2.{each.id % 254 + 1}" for each in instance.interfaces}

    def forget(self, instance: Instance) -> None:
        self._ended.pop(instance.id, None)

    def _marker(self, instance: Instance) -> Path:
        return self._directory / f"{instance.id}.running"
