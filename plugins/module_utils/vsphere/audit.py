# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which snapshots there are, and whose. PRIVATE to the collection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List

from . import properties
from .properties import Properties
from .sdk import vim
from .session import Session
from .snapshots import Snapshot, parse_snapshots

PATHS = ("name", "snapshot")


@dataclass(frozen=True)
class Held:
    """A snapshot, and the VM that has it."""

    vm_moid: str
    vm_name: str
    snapshot: Snapshot

    def as_result(self) -> Dict[str, Any]:
        """Return what modules show of it."""
        vm = {"moid": self.vm_moid, "name": self.vm_name}
        return {"vm": vm, **self.snapshot.as_result()}


def snapshots_of(session: Session, vm: Any) -> List[Held]:
    """Return the VM's snapshots, parents first; Ferry's have a migration id. Raises `GoneError`."""
    return _held(vm, properties.read(session, vm, PATHS))


def all_snapshots(session: Session) -> List[Held]:
    """Return the snapshots of all VMs that the user may see."""
    found = properties.read_everywhere(session, vim.VirtualMachine, PATHS)
    return [held for vm, seen in found for held in _held(vm, seen)]


def _held(vm: Any, seen: Properties) -> List[Held]:
    return [Held(vm._moId, seen["name"], each) for each in parse_snapshots(seen.get("snapshot"))]
