# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to instances over time: each move begins at once, ends later, and is one process.

    provision   provisioning ──> stopped | running      start   starting ──> running
    stop        stopping ──> stopped                     resize  resizing ──> stopped
    remove      removing ──> gone                        revert  restoring ──> stopped
    attach, detach, snapshot, its deletion   (busy) ──> as before

Where a machine runs, its end is an event: a guest that shuts itself down stops its instance. Every
public method first asks the rules, so a caller gets its RefusedError before anything has changed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence

from ..errors import LabError
from . import rules, snapshots
from .machines import Machines
from .records import (
    Image,
    Instance,
    InstanceStatus,
    Launch,
    PowerState,
    Process,
    ProcessStatus,
    Records,
    Volume,
)
from .settings import Behaviour
from .storage import Storage

log = logging.getLogger(__name__)

# How often a guest is asked for its addresses, in seconds: soon while it has none.
ADDRESS_EAGER = 0.5
ADDRESS_CALM = 15.0

# What a move does; the state of the instance afterwards, or None for the one it has then.
Work = Callable[[], Awaitable[InstanceStatus | None]]
# One that says nothing of the state afterwards.
Change = Callable[[], Awaitable[None]]

# States that nothing leads out of when the server that was at work has ended.
HALF_DONE = frozenset(
    {InstanceStatus.PROVISIONING, InstanceStatus.RESIZING, InstanceStatus.RESTORING}
)


class Lifecycle:
    """Moves the instances of one appliance; lives in the server's event loop."""

    def __init__(
        self, records: Records, storage: Storage, machines: Machines, behaviour: Behaviour
    ) -> None:
        self._records = records
        self._storage = storage
        self._machines = machines
        self._behaviour = behaviour
        # asyncio itself keeps only weak references to running tasks.
        self._tasks: set[asyncio.Task[None]] = set()
        self._moves: dict[int, asyncio.Task[None]] = {}

    def resume(self) -> None:
        """Take up the records of an earlier server, whose machines may be running still."""
        for process in self._records.processes.values():
            if process.status is ProcessStatus.RUNNING:
                process.end("the appliance was restarted")
        for instance in list(self._records.instances.values()):
            self._resume(instance)
        self._records.save()

    async def close(self) -> None:
        """Nothing is under way any more; machines go on running."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def provision(
        self, instance: Instance, volumes: Sequence[Volume], content: Image | None, *, start: bool
    ) -> None:
        """Begin to make a new instance's volumes, the root with the image's content, and run it."""

        async def work() -> InstanceStatus:
            await self._make_volumes(volumes, content)
            if start:
                return await self._start_machine(instance)
            return InstanceStatus.STOPPED

        self._begin(instance, InstanceStatus.PROVISIONING, "provision", work)

    def start(self, instance: Instance) -> None:
        """Begin to start the instance; one that runs is left alone."""
        if instance.status is InstanceStatus.RUNNING:
            return
        rules.check_start(instance, self._records.volumes_of(instance))
        self._begin(
            instance,
            InstanceStatus.STARTING,
            "startup",
            lambda: self._start_machine(instance),
        )

    def stop(self, instance: Instance) -> None:
        """Begin to stop the instance; one that is off is left alone."""
        if instance.status is InstanceStatus.STOPPED:
            return
        rules.check_idle(instance)
        self._stop(instance)

    def remove(self, instance: Instance, *, keep_volumes: bool, force: bool) -> None:
        """Begin to remove the instance, with its volumes unless they are to be kept."""
        rules.check_instance_removal(instance, force=force)
        instance.keep_volumes = keep_volumes
        self._remove(instance)

    def resize(self, instance: Instance, change: Change) -> None:
        """Begin to carry out a change of the instance's hardware, which must be off."""
        self._change(instance, InstanceStatus.RESIZING, "resize", change)

    def revert(self, instance: Instance, change: Change) -> None:
        """Begin to bring the instance, which must be off, back to a snapshot."""
        self._change(instance, InstanceStatus.RESTORING, "revertSnapshot", change)

    def work_aside(self, instance: Instance, kind: str, change: Change) -> Process:
        """Begin what leaves the instance's status as it is; the caller has asked the rules."""
        instance.busy = True
        return self._begin(instance, instance.status, kind, change)

    def _change(
        self, instance: Instance, during: InstanceStatus, kind: str, change: Change
    ) -> None:
        rules.check_off(instance)

        async def work() -> InstanceStatus:
            await change()
            return InstanceStatus.STOPPED

        self._begin(instance, during, kind, work)

    def _resume(self, instance: Instance) -> None:
        running = self._machines.is_running(instance)
        instance.busy = False
        instance.power = PowerState.ON if running else PowerState.OFF
        if instance.status is InstanceStatus.REMOVING:
            self._remove(instance)
        elif running:
            self._observe(instance)
            if instance.status is InstanceStatus.STOPPING:
                self._stop(instance)
            else:
                instance.status = InstanceStatus.RUNNING
        elif instance.status in HALF_DONE:
            instance.status = InstanceStatus.FAILED
            instance.message = "the appliance was restarted meanwhile"
        elif instance.status is not InstanceStatus.FAILED:
            instance.status = InstanceStatus.STOPPED

    def _stop(self, instance: Instance) -> None:
        async def work() -> InstanceStatus:
            await self._machines.stop(instance, self._behaviour.stop_deadline)
            self._note_off(instance)
            return InstanceStatus.STOPPED

        self._begin(instance, InstanceStatus.STOPPING, "shutdown", work)

    def _remove(self, instance: Instance) -> None:
        async def work() -> None:
            await self._machines.cut_off(instance)
            self._machines.forget(instance)
            for snapshot in self._records.snapshots_of(instance):
                await snapshots.delete(snapshot, self._records, self._storage)
            for volume in self._records.volumes_of(instance):
                volume.release()
                if not instance.keep_volumes:
                    self._storage.delete_volume(volume)
                    self._records.forget_volume(volume)
            self._records.instances.pop(instance.id, None)

        self._begin(instance, InstanceStatus.REMOVING, "delete", work)

    async def _make_volumes(self, volumes: Sequence[Volume], content: Image | None) -> None:
        for volume in volumes:
            await self._storage.create_volume(volume, content if volume.root else None)
            volume.status = "provisioned"

    async def _start_machine(self, instance: Instance) -> InstanceStatus:
        medium = self._records.images.get(instance.medium or 0)
        volumes = self._records.volumes_of(instance)
        self._records.launches.append(
            Launch(
                instance.name,
                root=next((each.name for each in volumes if each.root), ""),
                networks=[each.network for each in instance.interfaces],
                macs=[each.mac for each in instance.interfaces],
            )
        )
        await self._machines.start(instance, volumes, medium)
        instance.power = PowerState.ON
        self._observe(instance)
        return InstanceStatus.RUNNING

    def _begin(self, instance: Instance, during: InstanceStatus, kind: str, work: Work) -> Process:
        """The instance is in the state `during` until the work is done; its result is the next.

        A move that is under way still (the rules let a forced removal pass) is overtaken.
        """
        if instance.id in self._moves:
            self._moves[instance.id].cancel()
        process = Process(self._records.new_id(), kind, instance.id, instance.server)
        self._records.processes[process.id] = process
        instance.status = during
        instance.message = None
        self._records.save()
        self._moves[instance.id] = self._spawn(self._carry_out(instance, process, work))
        return process

    async def _carry_out(self, instance: Instance, process: Process, work: Work) -> None:
        try:
            await asyncio.sleep(self._behaviour.delay)
            instance.status = await work() or instance.status
            process.end()
        except (LabError, OSError) as trouble:
            log.warning("failed to %s instance %s: %s", process.kind, instance.name, trouble)
            instance.status = InstanceStatus.FAILED
            instance.message = str(trouble)
            process.end(str(trouble))
        except asyncio.CancelledError:
            process.end("overtaken by another move, or by the end of the server")
            raise
        del self._moves[instance.id]
        instance.busy = False
        self._records.save()

    def _observe(self, instance: Instance) -> None:
        self._spawn(self._watch(instance))

    async def _watch(self, instance: Instance) -> None:
        """Note the guest's addresses and, also where nobody asked for it, the machine's end."""
        asking = asyncio.create_task(self._ask_addresses(instance))
        try:
            await self._machines.wait_ended(instance)
        finally:
            asking.cancel()
        self._note_off(instance)
        if instance.status is InstanceStatus.RUNNING:
            log.info("instance %s has shut down by itself", instance.name)
            instance.status = InstanceStatus.STOPPED
            self._records.save()

    async def _ask_addresses(self, instance: Instance) -> None:
        while True:
            found = await self._machines.addresses(instance)
            for interface in instance.interfaces:
                interface.address = found.get(interface.mac, interface.address)
            known = any(interface.address for interface in instance.interfaces)
            await asyncio.sleep(ADDRESS_CALM if known else ADDRESS_EAGER)

    def _note_off(self, instance: Instance) -> None:
        instance.power = PowerState.OFF
        for interface in instance.interfaces:
            interface.address = None

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
