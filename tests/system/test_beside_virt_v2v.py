# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests are prepared by Ferry and by virt-v2v-in-place, in turn, from equal disks; then both are booted.

Both sides are emulated (TCG), with two processors. What is counted and what not: docs/benchmarks/guests.md.
The table is written to tests/output/beside-virt-v2v.md.
"""

from __future__ import annotations

import asyncio
import datetime
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import qemu
from lab.command import run
from lab.guests.marker import LAST_LINE, BootReport, read_reports
from lab.settings import LabSettings
from lab.shapes.build import ShapedServer, ensure_shape
from tests.support.machine_lab import machine_lab
from tests.system.preparing_worker import CHECKOUT, running_worker, wait_for_line
from tests.system.shape_machines import (
    GROWN_BY,
    NO_LOADER,
    NO_ROOT,
    Images,
    arguments,
    bring_agents,
    devices,
    new_mac,
    running_clone,
)

pytestmark = [pytest.mark.boots, pytest.mark.soak, pytest.mark.timeout(7200)]

# All by UUID; root=/dev/sda1 and fstab alike; a root over two disks, and the place of hibernation by /dev/sda3.
GUESTS = ("usual", "bookworm", "lvm")
PROGRAM = CHECKOUT / "tests" / "bench" / "virt-v2v.sh"
TABLE = CHECKOUT / "tests" / "output" / "beside-virt-v2v.md"
ENDED = re.compile(f"{LAST_LINE}|{NO_LOADER.pattern}|{NO_ROOT.pattern}")
DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
    "<source file='/guest/{file}'/><target dev='{name}' bus='scsi'/></disk>"
)
DOMAIN = (
    "<domain type='kvm'><name>{name}</name><memory unit='MiB'>1024</memory><vcpu>2</vcpu>"
    "<os><type arch='x86_64'>hvm</type></os><devices>{disks}</devices></domain>"
)
Servers = Mapping[str, ShapedServer]


@dataclass(frozen=True)
class Outcome:
    """One side's guest: how long it took, in seconds, and what its console said then."""

    seconds: float
    report: BootReport | None
    last_word: str

    def says(self, server: ShapedServer) -> str:
        """Return `boots` with what is not right, or why it does not."""
        if self.report is None:
            return f"no: {self.last_word}"
        (nic,) = self.report.interfaces
        wrong = [
            *(f"{unit} failed" for unit in self.report.failed_units),
            *(["no address"] if nic.addresses != (f"{server.address}/24",) else []),
        ]
        return "boots" + "".join(f"; {each}" for each in wrong)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabSettings]:
    with machine_lab("beside", 8, tmp_path_factory.mktemp("beside"), dhcp=True) as made:
        yield made


@pytest.fixture(scope="module")
def servers() -> Servers:
    return {name: ensure_shape(name) for name in GUESTS}


def make_disks(lab: LabSettings, servers: Servers, side: str) -> Images:
    """Return whole copies of each server's disks: in the peer's tree there is nothing to lean on."""
    made: Images = {}
    for name, server in servers.items():
        made[name] = {disk: lab.directory / f"{side}-{name}-{disk}.qcow2" for disk in server.disks}
        for disk, image in made[name].items():
            run("qemu-img", "convert", "-O", "qcow2", str(server.disks[disk]), str(image))
            run("qemu-img", "resize", "-q", str(image), f"+{GROWN_BY}")
    return made


@pytest.fixture(scope="module")
def ours(lab: LabSettings, servers: Servers) -> dict[str, Outcome]:
    """Each guest by Ferry; under an empty name, how long the worker took to be there."""
    images = make_disks(lab, servers, "ours")
    started = time.monotonic()
    seconds = {}
    with running_worker(lab, dict(devices(images).values())) as worker:
        there = time.monotonic() - started
        bring_agents(worker, list(servers.values()))
        for name, server in servers.items():
            started = time.monotonic()
            worker.prepare(arguments(server, images))
            seconds[name] = time.monotonic() - started
            worker.on_worker("sync")
        asyncio.run(qemu.cut_off(worker.worker.directory))
    found = {name: boot(lab, servers[name], images[name], seconds[name]) for name in servers}
    return {**found, "": Outcome(there, None, "")}


@pytest.fixture(scope="module")
def theirs(lab: LabSettings, servers: Servers) -> dict[str, Outcome]:
    """Each guest by virt-v2v-in-place. Its appliance's files are made before, as they are but once."""
    run(str(PROGRAM))
    run(str(PROGRAM), str(lab.directory), "libguestfs-test-tool")
    images = make_disks(lab, servers, "theirs")
    found = {}
    for name, server in servers.items():
        disks = "".join(
            DISK.format(file=image.name, name=disk) for disk, image in images[name].items()
        )
        (lab.directory / f"{name}.xml").write_text(DOMAIN.format(name=name, disks=disks))
        convert = ("virt-v2v-in-place", "-i", "libvirtxml", f"/guest/{name}.xml")
        started = time.monotonic()
        done = subprocess.run(
            [str(PROGRAM), str(lab.directory), *convert],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - started
        print(done.stdout[-3000:], done.stderr[-3000:])
        if done.returncode:
            found[name] = Outcome(seconds, None, done.stderr.strip().splitlines()[-1])
        else:
            found[name] = boot(lab, server, images[name], seconds)
    return found


def boot(
    lab: LabSettings, server: ShapedServer, disks: Mapping[str, Path], seconds: float
) -> Outcome:
    with running_clone(lab, server, disks) as machine:
        line = wait_for_line(ENDED, machine.console).strip()
        reports = read_reports(machine.console.read_text(errors="replace"))
    print(server.name, reports)
    return Outcome(seconds, reports[0] if reports else None, line)


@pytest.fixture(scope="module")
def table(servers: Servers, ours: Mapping[str, Outcome], theirs: Mapping[str, Outcome]) -> None:
    """The table is written, whatever the tests say of it."""
    head = (
        f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, load {os.getloadavg()[0]:.1f};"
        f" Ferry's worker was there after {ours[''].seconds:.0f} s\n\n"
        "| guest | Ferry, s | virt-v2v-in-place, s | after Ferry | after virt-v2v-in-place |\n"
        "|---|---|---|---|---|\n"
    )
    rows = [
        f"| {name} | {ours[name].seconds:.0f} | {theirs[name].seconds:.0f}"
        f" | {ours[name].says(server)} | {theirs[name].says(server)} |\n"
        for name, server in servers.items()
    ]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(head + "".join(rows))
    print(TABLE.read_text())


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("guest", GUESTS)
def test_ours_boots_with_its_address(
    servers: Servers, ours: Mapping[str, Outcome], guest: str
) -> None:
    report = ours[guest].report
    assert report is not None, ours[guest].last_word
    assert report.failed_units == ()
    (nic,) = report.interfaces
    assert (nic.mac, nic.addresses) == (new_mac(servers[guest]), (f"{servers[guest].address}/24",))


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("guest", GUESTS)
def test_ours_takes_at_most_half_of_the_time(
    ours: Mapping[str, Outcome], theirs: Mapping[str, Outcome], guest: str
) -> None:
    assert ours[guest].seconds <= theirs[guest].seconds / 2
