# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of the lab's table of shapes, prepared and then run as a machine of virtio parts."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import qemu
from lab.accelerator import choose_acceleration
from lab.hardware import UEFI_EMPTY_MEMORY, Disk, Machine, Nic
from lab.settings import LabSettings
from lab.shapes.build import ShapedServer


def prepare_arguments(server: ShapedServer, paths: Mapping[str, str], stage: str) -> dict[str, Any]:
    """Return the module's arguments for the server; `paths` are its disks on the worker, by name."""
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
    memory = directory / "uefi.fd"
    shutil.copyfile(UEFI_EMPTY_MEMORY, memory)
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
        [Nic(new_mac(server), f"c-{server.name}", "isolated")],
        namespace=lab.namespace,
        acceleration=choose_acceleration(),
        uefi_memory=memory if server.shape.is_uefi else None,
    )
    machine.console.touch()
    asyncio.run(qemu.start(machine))
    try:
        yield machine
    finally:
        asyncio.run(qemu.cut_off(directory))
