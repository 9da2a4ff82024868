# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of the lab's table on virtio: their volumes, what the worker is told of them, and their machine."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import qemu
from lab.accelerator import choose_acceleration
from lab.agent import ensure_agent
from lab.hardware import Disk, Machine, Nic
from lab.settings import LabSettings
from lab.shapes.build import ShapedServer
from tests.system.preparing_worker import PreparingWorker, add_overlay, wait_for_line

# Targets are larger than sources.
GROWN_BY = 64 << 20
PACKAGES = "/var/lib/ferry/packages"
DEVICES = [f"vd{letter}" for letter in "bcdefghijklmnopqrstuv"]

NO_LOADER = re.compile(r"BdsDxe: No bootable option|Shell>|failed to load Boot0001")
# The initramfs gives up.
NO_ROOT = re.compile(r"ALERT!\s+(\S+) does not exist")
# What it looked for under a name of VMware's hardware: its root, or what that is encrypted on.
OLD_NAME = re.compile(r"(?:ALERT!\s+|encrypted source device )/dev/sd")
# The driver tells of each disk that it finds.
DISK_FOUND = "virtio_blk virtio"

Images = dict[str, dict[str, Path]]


def make_images(lab: LabSettings, servers: Mapping[str, ShapedServer]) -> Images:
    """The volumes of each server, longer than its disks, are overlays over them."""
    made: Images = {}
    for name, server in servers.items():
        made[name] = {disk: lab.directory / f"{name}-{disk}.qcow2" for disk in server.disks}
        for disk, image in made[name].items():
            add_overlay(image, server.disks[disk], grown_by=GROWN_BY)
    return made


def devices(images: Images) -> dict[tuple[str, str], tuple[str, Path]]:
    """Return the worker's device and the file of each (server, disk)."""
    pairs = [(name, disk) for name, disks in images.items() for disk in disks]
    return {
        (name, disk): (device, images[name][disk])
        for device, (name, disk) in zip(DEVICES, pairs, strict=False)
    }


def arguments(server: ShapedServer, images: Images) -> dict[str, Any]:
    """Return the options of `worker_prepare` for the server, whose agent's packages the worker has."""
    places = devices(images)
    paths = {disk: f"/dev/{places[server.name, disk][0]}" for disk in server.disks}
    wanted = prepare_arguments(server, paths, f"/var/lib/ferry/{server.name}")
    return {**wanted, "packages_directory": PACKAGES}


def prepare_arguments(server: ShapedServer, paths: Mapping[str, str], stage: str) -> dict[str, Any]:
    """Return the options of `worker_prepare`; `paths` are the server's disks on the worker, by name."""
    return {
        "disks": [{"path": paths[disk], "name": disk} for disk in server.disks],
        "generation": "1",
        "stage": stage,
        "interfaces": [{"source_mac": server.mac, "target_mac": new_mac(server), "name": None}],
        "encrypted": [
            {"device": place, "key": key} for place, key in server.shape.encrypted.items()
        ],
        "serial_console": False,
        "packages_directory": None,
    }


def bring_agents(worker: PreparingWorker, servers: Sequence[ShapedServer]) -> None:
    """The worker has the agent's package files for the release of each server."""
    worker.on_worker(f"mkdir -p {PACKAGES}")
    for release in {server.shape.release for server in servers}:
        folder = ensure_agent(release)
        packed = subprocess.run(
            ["tar", "-c", "-C", str(folder.parent), folder.name], stdout=subprocess.PIPE, check=True
        )
        subprocess.run([*worker.ssh(), f"tar -x -C {PACKAGES}"], input=packed.stdout, check=True)


def new_mac(server: ShapedServer) -> str:
    """Return the MAC of the server's clone, which the server never had."""
    return f"52:54:00:00:0b:{server.shape.number:02x}"


@contextmanager
def running_clone(
    lab: LabSettings, server: ShapedServer, disks: Mapping[str, Path]
) -> Iterator[Machine]:
    """The server's volumes run as a machine of virtio parts; firmware that remembers nothing."""
    directory = lab.directory / f"clone-{server.name}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    machine = Machine(
        server.name,
        directory,
        directory / "console.log",
        768 << 20,
        2,
        # The platform boots from the first volume alone.
        [
            Disk(path, unit, boot_order=None if unit else 1)
            for unit, path in enumerate(disks.values())
        ],
        [Nic(new_mac(server), f"c-{server.shape.number}", "isolated")],
        namespace=lab.namespace,
        acceleration=choose_acceleration(),
        is_uefi=server.shape.is_uefi,
    )
    machine.console.touch()
    asyncio.run(qemu.start(machine))
    try:
        yield machine
    finally:
        asyncio.run(qemu.cut_off(directory))


def why_not_up(machine: Machine) -> set[str]:
    """Wait until the machine has given up; return what it lacks: loader, driver, name."""
    line = wait_for_line(re.compile(f"{NO_LOADER.pattern}|{NO_ROOT.pattern}"), machine.console)
    if NO_LOADER.search(line):
        return {"loader"}
    assert NO_ROOT.search(line), line
    console = machine.console.read_text(errors="replace")
    lacks = {"driver": DISK_FOUND not in console, "name": bool(OLD_NAME.search(console))}
    return {what for what, is_lacking in lacks.items() if is_lacking}
