# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts, stops and observes QEMU machines; the lab's only way to do so.

A machine is known by its directory: the pid file and the sockets in it are all that is needed to
find it again, so it survives the process that started it. Everything here is for asyncio; a plain
program wraps a call in `asyncio.run`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qemu.qmp import QMPClient, QMPError

from . import network, process
from .command import run_aside
from .errors import LabError
from .hardware import UEFI_EMPTY_MEMORY, Machine, command_line

log = logging.getLogger(__name__)

# A healthy QEMU answers on its monitor in milliseconds; under emulation on a busy host, in seconds.
MONITOR_TIMEOUT = 20.0
# The agent answers from user space of an emulated guest; one that does not run answers never.
AGENT_TIMEOUT = 5.0
# The delimiter that the agent sends before the answer to guest-sync-delimited (QEMU's
# qga/qapi-schema.json): whatever came before it was meant for somebody else.
AGENT_DELIMITER = b"\xff"


@dataclass(frozen=True)
class GuestInterface:
    """A network interface as the guest agent sees it."""

    name: str
    mac: str
    addresses: Sequence[str]


async def start(machine: Machine) -> int:
    """The machine runs, detached, with its taps on their networks; return its pid.

    One that runs already is left as it is. Raises LabError with QEMU's own words if it refuses.
    """
    running = find_pid(machine.directory)
    if running is not None:
        return running
    machine.directory.mkdir(parents=True, exist_ok=True)
    for leftover in (machine.qmp_socket, machine.agent_socket, machine.pid_file):
        leftover.unlink(missing_ok=True)
    if machine.is_uefi and not machine.uefi_memory.exists():
        shutil.copyfile(UEFI_EMPTY_MEMORY, machine.uefi_memory)
    command = command_line(machine)
    for nic in machine.nics:
        network.plug(machine.namespace, nic.tap, nic.network)
    try:
        await run_aside(*network.inside(machine.namespace), *command)
    except LabError as refusal:
        unplug(machine)
        raise LabError(
            f"QEMU did not start the machine {machine.name}: {refusal.what}"
        ) from refusal
    pid = find_pid(machine.directory)
    if pid is None:
        raise LabError(f"The machine {machine.name} ended at once", f"See {machine.console}.")
    log.info("started %s as process %s", machine.name, pid)
    return pid


async def stop(directory: Path, *, deadline: float) -> bool:
    """The machine has ended. True: the guest shut down when asked; False: it was cut off.

    The guest is asked through its ACPI power button, and has `deadline` seconds.
    """
    if find_pid(directory) is None:
        return True
    with suppress(LabError):
        await _monitor(directory, "system_powerdown")
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(wait_ended(directory), deadline)
            return True
    await cut_off(directory)
    return False


async def cut_off(directory: Path) -> None:
    """The machine has ended, as if its power had failed; what QEMU holds is written out."""
    if find_pid(directory) is None:
        return
    # QEMU may close the monitor before it has answered: whether it ended is what counts.
    with suppress(LabError):
        await _monitor(directory, "quit")
    try:
        await asyncio.wait_for(wait_ended(directory), MONITOR_TIMEOUT)
    except asyncio.TimeoutError:
        await asyncio.to_thread(process.end, directory / "pid")


def unplug(machine: Machine) -> None:
    """The machine's taps are gone; it must not be running."""
    for nic in machine.nics:
        network.unplug(machine.namespace, nic.tap)


def find_pid(directory: Path) -> int | None:
    """The pid of the machine's QEMU, or None when it does not run."""
    return process.find_pid(directory / "pid")


async def wait_ended(directory: Path) -> None:
    """The machine's QEMU has ended (or did not run)."""
    await process.wait_ended(directory / "pid")


async def run_state(directory: Path) -> str:
    """QEMU's word for what the machine does: `running`, `paused`, `shutdown`, ...; `ended` if gone."""
    if find_pid(directory) is None:
        return "ended"
    answer = await _monitor(directory, "query-status")
    return str(answer["status"])


async def guest_interfaces(directory: Path) -> list[GuestInterface]:
    """What the guest's agent says of the guest's network; empty while no agent answers."""
    try:
        answer = await asyncio.wait_for(
            _ask_agent(directory / "agent.sock", "guest-network-get-interfaces"), AGENT_TIMEOUT
        )
    except (asyncio.TimeoutError, OSError, json.JSONDecodeError):
        return []
    return [_read_interface(entry) for entry in answer.get("return", [])]


async def _monitor(directory: Path, command: str) -> Mapping[str, Any]:
    """Run one QMP command. The socket serves one client at a time, so each call is a short visit."""
    client = QMPClient(directory.name)
    try:
        async with asyncio.timeout(MONITOR_TIMEOUT):
            await client.connect(str(directory / "qmp.sock"))
            try:
                answer: Mapping[str, Any] = await client.execute(command)
            finally:
                await client.disconnect()
    except (QMPError, OSError, EOFError, asyncio.TimeoutError) as error:
        raise LabError(f"{directory.name}: QEMU did not carry out {command}: {error}") from error
    return answer


async def _ask_agent(socket: Path, command: str) -> Mapping[str, Any]:
    """The agent's answer. Raises OSError when QEMU closes the channel; waits as long as it takes."""
    reader, writer = await asyncio.open_unix_connection(str(socket))
    try:
        return await _converse(reader, writer, command)
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError(f"{socket}: QEMU closed the agent's channel") from error
    finally:
        writer.close()


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: str
) -> Mapping[str, Any]:
    token = secrets.randbelow(2**31)
    sync = {"execute": "guest-sync-delimited", "arguments": {"id": token}}
    # The delimiter first: it makes the agent drop half a command of an earlier visitor. Answers
    # to earlier visitors that gave up may come before ours.
    writer.write(AGENT_DELIMITER + _line(sync))
    synced: object = None
    while synced != token:
        await reader.readuntil(AGENT_DELIMITER)
        synced = json.loads(await reader.readline()).get("return")
    writer.write(_line({"execute": command}))
    answer: Mapping[str, Any] = json.loads(await reader.readline())
    return answer


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _read_interface(entry: Mapping[str, Any]) -> GuestInterface:
    addresses = [item["ip-address"] for item in entry.get("ip-addresses", [])]
    return GuestInterface(
        name=entry.get("name", ""),
        mac=entry.get("hardware-address", "").lower(),
        addresses=[address for address in addresses if _is_reachable(address)],
    )


def _is_reachable(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return not (parsed.is_loopback or parsed.is_link_local)
