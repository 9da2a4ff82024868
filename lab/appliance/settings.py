# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an appliance is set up, and the part of its behaviour that a test may change while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..hardware import Acceleration
from .refusals import RefusedError

GIB = 1 << 30

# The release whose API is spoken: the newest that the vendor's public description covers.
BUILD_VERSION = "8.1.2"


@dataclass(frozen=True)
class ApplianceSettings:
    """What an appliance is started with."""

    directory: Path
    username: str
    password: str
    # False: no QEMU, power states only. For tests of clients; never a proof that something boots.
    real_machines: bool = True
    namespace: str = ""
    acceleration: Acceleration = Acceleration.TCG

    @property
    def volumes(self) -> Path:
        return self.directory / "volumes"

    @property
    def images(self) -> Path:
        return self.directory / "images"

    @property
    def machines(self) -> Path:
        return self.directory / "machines"

    @property
    def records(self) -> Path:
        return self.directory / "records.json"

    @property
    def certificate(self) -> Path:
        return self.directory / "appliance.crt"

    @property
    def key(self) -> Path:
        return self.directory / "appliance.key"

    @property
    def endpoint(self) -> Path:
        """Written when the server listens: its URL, and nothing else."""
        return self.directory / "endpoint"


@dataclass
class Behaviour:
    """What a test may change through `/lab/config`. Times in seconds, sizes in bytes."""

    # Every change of state takes at least this long: a client that does not wait is found out.
    delay: float = 0.2
    # How long a guest may take to shut down before its power is cut.
    stop_deadline: float = 120.0
    # What the datastore holds; volumes count with their full size.
    capacity: int = 500 * GIB
    # False: guests of the null machines ignore the power button.
    guests_obey: bool = True
    # False: no volume is attached to or detached from an instance that has snapshots. What a real
    # appliance does is not documented, nor what a revert does to volumes that came or went since.
    moves_under_snapshot: bool = True
    # True: a revert attaches the volumes that the instance had, where they were, and no others.
    revert_undoes_moves: bool = False
    # Uploads end after so many bytes and are called a success all the same; None: they are whole.
    truncate_upload: int | None = None
    # False: guests see no serials of their disks.
    disk_serials: bool = True
    # True: the PCI order of an instance's disks is the reverse of their units' order.
    reverse_disks: bool = False

    def change(self, changes: Mapping[str, Any]) -> None:
        """The named values are changed. Raises RefusedError for a name that does not exist."""
        names = {each.name for each in fields(self)}
        for name, value in changes.items():
            if name not in names:
                raise RefusedError(
                    f"There is no setting {name!r}. Known: {', '.join(sorted(names))}."
                )
            setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
