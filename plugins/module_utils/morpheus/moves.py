# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Changes of a machine that take the appliance a while. PRIVATE to the collection."""

from __future__ import annotations

from typing import Callable

from ..waiting import Waiter
from . import machines, processes
from .client import MorpheusClient
from .machines import Machine


def ask_and_wait(
    client: MorpheusClient,
    machine: Machine,
    ask: Callable[[], None],
    *,
    is_done: Callable[[Machine], bool],
    is_heard: Callable[[Machine], bool],
    waiter: Waiter,
    what: str,
    describe: Callable[[Machine], str] = Machine.describe,
) -> None:
    """What was asked for is done, and the appliance works on the machine no more.

    Raises `StateFailedError` as soon as a process failed that began since.
    """
    begun = processes.watch(client, machine.instance.id)
    machines.insist(client, machine, ask, is_done=is_heard, waiter=waiter)

    def is_over(seen: Machine) -> bool:
        return begun.is_quiet() and not seen.instance.is_passing and is_done(seen)

    waiter.until(lambda: machines.reread(client, machine), is_over, what=what, describe=describe)
