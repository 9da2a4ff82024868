# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that one appliance consists of, put together once."""

from __future__ import annotations

from dataclasses import dataclass

from . import catalog
from .faults import Faults
from .lifecycle import Lifecycle
from .machines import Machines, QemuMachines
from .null_machines import NullMachines
from .records import Records, load_records
from .settings import ApplianceSettings, Behaviour
from .storage import Storage
from .tokens import Tokens


@dataclass(frozen=True)
class Site:
    """One appliance; the HTTP layer reaches all of it through this."""

    settings: ApplianceSettings
    behaviour: Behaviour
    records: Records
    storage: Storage
    machines: Machines
    lifecycle: Lifecycle
    tokens: Tokens
    faults: Faults

    @property
    def free_space(self) -> int:
        """What the datastore still holds, in bytes; each volume counts with its full size."""
        used = sum(volume.size for volume in self.records.volumes.values())
        return self.behaviour.capacity - used

    @property
    def datastore(self) -> catalog.Entry:
        return catalog.datastore(self.behaviour.capacity, self.free_space)


def build_site(settings: ApplianceSettings) -> Site:
    """An appliance over what its directory holds from an earlier run, if anything."""
    settings.directory.mkdir(parents=True, exist_ok=True)
    behaviour = Behaviour()
    records = load_records(settings.records)
    storage = Storage(settings)
    machines: Machines = (
        QemuMachines(settings, storage, behaviour)
        if settings.real_machines
        else NullMachines(settings, behaviour)
    )
    return Site(
        settings=settings,
        behaviour=behaviour,
        records=records,
        storage=storage,
        machines=machines,
        lifecycle=Lifecycle(records, storage, machines, behaviour),
        tokens=Tokens(settings.username, settings.password),
        faults=Faults(),
    )
