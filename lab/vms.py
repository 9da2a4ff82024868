# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's VMs: source servers that lie on a vCenter's datastore, and the source worker that reads them.

    lab.vcenter (namespace)  holds the disks, takes snapshots     <- SOAP, HTTPS -  controller, source worker
    source worker            a Python in the namespace, no machine <- 5994/TCP -    target worker

The VMs do not run. What their guests write is written to copies of the disks, by the kernel's own file
systems, and the vCenter is told to take the difference in as the guest's writes.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from .command import run
from .guests.base import ROOT_DISK
from .guests.content import SUMS
from .guests.disks import MIB, PARTITION_START, attached
from .guests.marker import BootReport, Interface
from .guests.source import (
    CPU_COUNT,
    DATA_DISK,
    MEMORY,
    NIC_NAME,
    SourceServer,
    ensure_source,
)
from .network import inside
from .settings import LabSettings
from .vcenter.server import Vcenter, running_vcenter, start_vcenter

# Beside the appliance's, at the same address.
VCENTER_PORT = 8989

# Device keys of a VM's disks, as the vCenter counts them, and where its own fstab mounts them.
ROOT_KEY, DATA_KEY = 2000, 2001
DATA_PLACE = "srv/data"

COUNT_FILES = f"cat /srv/data/{SUMS} /srv/site/{SUMS} | wc -l"


def start(lab: LabSettings, names: Sequence[str]) -> Vcenter:
    """The vCenter of a lab that is up has these VMs, as they were if it had them; returns it, running."""
    servers = [ensure_source(lab, name) for name in names]
    _write_python(lab)
    return running_vcenter(lab.vcenter_directory) or start_vcenter(
        lab.vcenter_directory,
        {"vms": [_describe(server) for server in servers]},
        address=str(lab.appliance_address),
        port=VCENTER_PORT,
        inside=inside(lab.namespace),
    )


def expected_report(lab: LabSettings, vcenter: Vcenter, name: str) -> BootReport:
    """Return how the VM would come up, for it never runs: what its clone is held against."""
    server = ensure_source(lab, name)
    address = f"{server.address}/{server.prefix_length}"
    return BootReport(
        host=name,
        root="/dev/sda1",
        driver="vmw_pvscsi",
        failed_units=(),
        interfaces=(Interface(NIC_NAME, server.mac, (address,)),),
        has_vmware_tools=True,
        data_is_intact=True,
        file_count=int(in_vm(vcenter, name, COUNT_FILES)),
        root_names=("/dev/sda1", "/dev/sda1"),
        agent_runs=False,
    )


def in_vm(vcenter: Vcenter, name: str, script: str, *arguments: str) -> str:
    """Run a shell script on the VM's file systems, by the guest's own programs; return what it printed.

    Afterwards the VM's disks hold what it wrote.
    """
    with tempfile.TemporaryDirectory(dir=vcenter.directory) as scratch:
        disks = {key: Path(scratch, f"{key}.raw") for key in (ROOT_KEY, DATA_KEY)}
        for key, image in disks.items():
            vcenter.control.export_raw(name, key, image)
        with _mounted(disks, Path(scratch, "root")) as root:
            told = run("chroot", str(root), "/bin/sh", "-c", script, "sh", *arguments)
        for key, image in disks.items():
            vcenter.control.import_raw(name, key, image)
    return told


@contextmanager
def _mounted(disks: dict[int, Path], root: Path) -> Iterator[Path]:
    """The guest's file systems are mounted, and written out afterwards."""
    root.mkdir()
    with ExitStack() as stack:
        for image, place in ((disks[ROOT_KEY], root), (disks[DATA_KEY], root / DATA_PLACE)):
            device = stack.enter_context(attached(image, PARTITION_START))
            run("mount", device, str(place))
            stack.callback(run, "umount", str(place))
        yield root


def _describe(server: SourceServer) -> dict[str, Any]:
    images = (server.directory / ROOT_DISK, server.directory / DATA_DISK)
    return {
        "name": server.name,
        "guest_id": "debian12_64Guest",
        "firmware": "bios",
        "cpus": CPU_COUNT,
        "memory_mib": MEMORY // MIB,
        "nics": [{"mac": server.mac, "network": "Production"}],
        "disks": [{"image": str(image), "controller": "pvscsi"} for image in images],
    }


def _write_python(lab: LabSettings) -> None:
    words = shlex.join([*inside(lab.namespace), sys.executable])
    python = lab.source_worker_python
    python.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    python.chmod(0o755)
