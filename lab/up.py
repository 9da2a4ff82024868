# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting, ending and looking at a whole lab. Every step looks first, so each may be repeated."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import network, process, qemu, services, vms
from .accelerator import choose_acceleration
from .command import run
from .errors import LabError
from .guests.source import SourceServer, ensure_source, source_machine
from .hardware import Acceleration
from .inventory import write_inventory, write_vm_inventory
from .settings import APPLIANCE_PORT, SOURCES, USERNAME, LabSettings
from .vcenter.server import Vcenter, stop_vcenter

# A source server under emulation shuts down in less; more would only hide one that hangs.
SOURCE_STOP_DEADLINE = 60.0


def bring_up(lab: LabSettings, sources: Sequence[str]) -> None:
    """The lab runs, with these source servers started (not awaited), and its directory says how to use it.

    Raises LabError; what was started stays, for the next try and for a look at it.
    """
    lab.directory.mkdir(parents=True, exist_ok=True)
    with _step("choosing between KVM and emulation"):
        acceleration = choose_acceleration()
    with _step(f"namespace {lab.namespace} and its networks"):
        network.bring_up(lab)
        services.ensure_dhcp(lab)
    with _step(f"appliance at {lab.appliance_url}"):
        services.ensure_appliance(lab, acceleration)
    _ensure_operator_key(lab)
    names = _with_running(lab, sources)
    servers = []
    for name in names:
        with _step(f"source server {name} at {lab.source_address(name)}"):
            servers.append(_start_source(lab, name, acceleration))
    _write_known_hosts(lab, servers)
    write_inventory(lab, names)
    _write_record(lab, names, acceleration)
    print(f"lab {lab.name} is up; inventory: {lab.inventory}")


def bring_up_vms(lab: LabSettings, names: Sequence[str]) -> Vcenter:
    """The lab runs without source servers, and its vCenter has these VMs; returns the vCenter."""
    bring_up(lab, [])
    with _step(f"vCenter at {lab.appliance_address}, with {', '.join(names)}"):
        vcenter = vms.start(lab, names)
    write_vm_inventory(lab, vcenter, names)
    print(f"VMs: {lab.vm_inventory}")
    return vcenter


def take_down(lab: LabSettings, *, keep: bool) -> None:
    """Nothing of the lab runs and its network is gone; so is its directory, unless it is to be kept."""
    with _step("vCenter, appliance and DHCP"):
        stop_vcenter(lab.vcenter_directory)
        services.stop_services(lab)
    for directory in _machine_directories(lab):
        if qemu.find_pid(directory) is not None:
            with _step(f"machine {directory.name}"):
                asyncio.run(_end_machine(lab, directory, gently=keep))
    with _step(f"namespace {lab.namespace}"):
        network.take_down(lab)
    if not keep:
        shutil.rmtree(lab.directory, ignore_errors=True)


def tell_status(lab: LabSettings) -> None:
    """Print what of the lab runs."""
    exists = lab.namespace in network.namespaces()
    appliance = process.find_pid(lab.appliance_pid_file)
    print(f"network    {'up' if exists else 'down'} ({lab.whole_range})")
    print(f"dhcp       {_running(process.find_pid(lab.dhcp_pid_file))}")
    print(f"appliance  {_running(appliance)} {lab.appliance_url}")
    for directory in _machine_directories(lab):
        print(f"machine    {asyncio.run(qemu.run_state(directory))} {directory}")


def _with_running(lab: LabSettings, wanted: Sequence[str]) -> list[str]:
    """The wanted source servers, and those that an earlier start has left running."""
    running = [name for name in SOURCES if qemu.find_pid(lab.source_directory(name)) is not None]
    return [*wanted, *(name for name in running if name not in wanted)]


def _start_source(lab: LabSettings, name: str, acceleration: Acceleration) -> SourceServer:
    server = ensure_source(lab, name)
    asyncio.run(qemu.start(source_machine(lab, server, acceleration)))
    return server


def _ensure_operator_key(lab: LabSettings) -> None:
    if not lab.operator_key.exists():
        options = ("-q", "-t", "ed25519", "-N", "", "-C", f"operator of the lab {lab.name}")
        run("ssh-keygen", *options, "-f", str(lab.operator_key))


def _write_known_hosts(lab: LabSettings, servers: Sequence[SourceServer]) -> None:
    lines = [f"{server.address} {server.host_key}\n" for server in servers]
    lab.known_hosts.write_text("".join(lines))


def _write_record(lab: LabSettings, sources: Sequence[str], acceleration: Acceleration) -> None:
    record = {
        "name": lab.name,
        "index": lab.index,
        "namespace": lab.namespace,
        "acceleration": acceleration.value,
        "appliance": {
            "url": lab.appliance_url,
            "port": APPLIANCE_PORT,
            "username": USERNAME,
            "password_file": str(lab.password_file),
            "ca_path": str(lab.certificate),
            "pid": process.find_pid(lab.appliance_pid_file),
        },
        "sources": {
            name: {
                "address": str(lab.source_address(name)),
                "pid": qemu.find_pid(lab.source_directory(name)),
            }
            for name in sources
        },
        "operator_key": str(lab.operator_key),
        "known_hosts": str(lab.known_hosts),
        "inventory": str(lab.inventory),
    }
    lab.record.write_text(json.dumps(record, indent=2) + "\n")


def _machine_directories(lab: LabSettings) -> list[Path]:
    """The directories of all machines that this lab may have started."""
    instances = lab.appliance_directory.glob("machines/*/")
    return sorted([*lab.directory.glob("source-*/"), *instances])


async def _end_machine(lab: LabSettings, directory: Path, *, gently: bool) -> None:
    """Its disks are thrown away as a rule, so there is nothing to be gentle about."""
    if gently:
        await qemu.stop(directory, deadline=SOURCE_STOP_DEADLINE)
    else:
        await qemu.cut_off(directory)
    if qemu.find_pid(directory) is not None:
        raise LabError(f"The machine in {directory} of lab {lab.name} does not end")


def _running(pid: int | None) -> str:
    return "ended" if pid is None else f"running as {pid}"


@contextmanager
def _step(what: str) -> Iterator[None]:
    """One line about a step, with the seconds that it took."""
    print(f"==> {what}", end="", flush=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print(" failed", flush=True)
        raise
    print(f" ({time.monotonic() - began:.1f} s)", flush=True)
