# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""An instance together with its server: what an operator thinks of as one machine. PRIVATE.

Instance and server are two records with states of their own; "off" is only true when both say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from ..errors import TransientError
from ..waiting import Waiter
from . import instances
from .client import MorpheusClient
from .errors import NoSuchObjectError, NotAllowedNowError, NotAsAskedError
from .instances import Instance
from .servers import Interface, Server, find_server
from .volumes import Volume

# One lost answer is an accident, three in a row are an appliance that is down.
ASKED_AT_MOST = 3


@dataclass(frozen=True)
class Machine:
    """One instance; `server` is None while it is not yet made or already gone."""

    instance: Instance
    server: Optional[Server]

    def __str__(self) -> str:
        return str(self.instance)

    @property
    def power_state(self) -> str:
        """on, off, paused or unknown."""
        return self.server.power_state if self.server else "unknown"

    @property
    def is_off(self) -> bool:
        """Whether instance and server agree that nothing runs: a stop may lag in either."""
        return self.instance.status in instances.STOPPED and self.power_state == "off"

    @property
    def is_still(self) -> bool:
        """Whether nothing of it runs: it is off, or it failed and has no power.

        One that failed is asked for nothing, but its volumes may be taken and put back.
        """
        is_wreck = self.instance.status in instances.FAILED and self.power_state == "off"
        return self.is_off or is_wreck

    @property
    def is_on(self) -> bool:
        """Whether instance and server agree that it runs."""
        return self.instance.status in instances.RUNNING and self.power_state == "on"

    @property
    def volumes(self) -> Tuple[Volume, ...]:
        """The attached volumes, the root first."""
        return self.server.volumes if self.server else ()

    @property
    def interfaces(self) -> Tuple[Interface, ...]:
        """The network cards in the appliance's order."""
        return self.server.interfaces if self.server else ()

    @property
    def plan_options(self) -> Dict[str, int]:
        """What it has of its own, or of its plan: see `Server.plan_options`."""
        return self.server.plan_options if self.server else {}

    def describe(self) -> str:
        """Return the states for a message."""
        return f"{instances.describe_state(self.instance)}, its power is {self.power_state}"

    def as_result(self) -> Dict[str, Any]:
        """Return what modules show of an instance."""
        return {
            "id": self.instance.id,
            "uuid": self.instance.uuid,
            "name": self.instance.name,
            "status": self.instance.status,
            "power_state": self.power_state,
            "server_id": self.instance.server_id,
            "volumes": [each.as_result() for each in self.volumes],
            "interfaces": [each.as_result() for each in self.interfaces],
            "tags": dict(self.instance.tags),
            "labels": list(self.instance.labels),
        }


def find_machine(client: MorpheusClient, name: str) -> Optional[Machine]:
    """Return the machine with exactly this name, None if there is none."""
    instance = instances.find_instance_named(client, name)
    return with_server(client, instance) if instance else None


def get_machine(client: MorpheusClient, name: str) -> Machine:
    """Return the machine with exactly this name. Raises `NoSuchObjectError`."""
    machine = find_machine(client, name)
    if machine is None:
        raise NoSuchObjectError(
            f'There is no instance "{name}".', hint="Check the name, or create it first."
        )
    return machine


def with_server(client: MorpheusClient, instance: Instance) -> Machine:
    """Return the instance with its server as it is now."""
    server = find_server(client, instance.server_id) if instance.server_id else None
    return Machine(instance, server)


def reread(client: MorpheusClient, machine: Machine) -> Machine:
    """Return the same machine as it is now."""
    return with_server(client, instances.get_instance(client, machine.instance.id))


def settle(client: MorpheusClient, machine: Machine, waiter: Waiter) -> Machine:
    """Return the machine once the appliance does not work on it; at once if it does not now."""
    if not machine.instance.is_passing:
        return machine
    return with_server(client, instances.wait_until_settled(client, machine.instance, waiter))


def wait_until_on(client: MorpheusClient, machine: Machine, waiter: Waiter) -> Machine:
    """Return the machine once it runs. Raises `StateFailedError` as soon as it failed instead."""
    return _wait_for_power(client, machine, waiter, wanted_on=True)


def wait_until_off(client: MorpheusClient, machine: Machine, waiter: Waiter) -> Machine:
    """Return the machine once it is off. Raises `StateFailedError` as soon as it failed instead."""
    return _wait_for_power(client, machine, waiter, wanted_on=False)


def insist(
    client: MorpheusClient,
    machine: Machine,
    ask: Callable[[], None],
    *,
    is_done: Callable[[Machine], bool],
    waiter: Waiter,
) -> None:
    """Ask for a change of the machine so that the appliance has heard it, and heard it once.

    When the answer is lost nobody knows whether the request was heard; asking blindly again may be
    refused because it is done. So: let the machine settle, look, and ask again only if it is not.
    Raises the last fault after `ASKED_AT_MOST` times.
    """
    for _attempt in range(ASKED_AT_MOST - 1):
        try:
            ask()
        except TransientError:
            if is_done(settle(client, reread(client, machine), waiter)):
                return
        else:
            return
    ask()


def refuse_stale_volumes(machine: Machine) -> None:
    """The resize call deletes volumes that it is not told of: both views of them must agree."""
    of_server = {each.id for each in machine.volumes}
    of_instance = set(machine.instance.volume_ids)
    if of_server != of_instance:
        raise NotAllowedNowError(
            f"The {machine} lists volumes {sorted(of_instance)}, its server {sorted(of_server)}.",
            hint="The appliance has not caught up with a volume that was moved; run again later.",
        )


def refuse_other_size(before: Machine, after: Machine) -> None:
    """A resize was about something else: raise `NotAsAskedError` if CPUs or memory are others since."""
    was, now = before.plan_options, after.plan_options
    if any(was[name] != now[name] for name in was.keys() & now.keys()):
        raise NotAsAskedError(
            f"The {before} had {_tell(was)}, and has {_tell(now)} since its volumes or network cards were changed.",
            hint="Give it back its size on the appliance before the next run, which takes what it finds.",
        )


def _tell(options: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(options.items()))


def _wait_for_power(
    client: MorpheusClient, machine: Machine, waiter: Waiter, *, wanted_on: bool
) -> Machine:
    def is_reached(seen: Machine) -> bool:
        instances.refuse_failed(client, seen.instance)
        return seen.is_on if wanted_on else seen.is_off

    return waiter.until(
        lambda: reread(client, machine),
        is_reached,
        what=f"{machine} to be {'running' if wanted_on else 'off'}",
        describe=Machine.describe,
    )
