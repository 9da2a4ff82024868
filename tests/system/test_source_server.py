# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's source server really boots on VMware's kind of hardware, and really does not on virtio.

One boot serves all tests that look at a healthy server; the last test's machine boots from the same
disks, through overlays that are thrown away.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import qemu
from lab.command import run
from lab.guests.marker import BootReport
from lab.guests.source import SourceServer, ensure_source, source_machine
from lab.hardware import Controller, Disk, Machine
from lab.login import on_source
from lab.migration import report_count, wait_for_report
from lab.settings import LabSettings
from tests.support.machine_lab import machine_lab

# Emulated on an idle machine of two cores the boot takes half a minute and the one that fails 40 s; a
# missing base takes another one to build. The rest is for machines that do other things as well.
pytestmark = [pytest.mark.boots, pytest.mark.timeout(900)]

NAME = "web01"
BOOT_FAILURE = re.compile(r"ALERT!.*does not exist|Kernel panic")
BOOT_FAILURE_DEADLINE = 400


@pytest.fixture(scope="module", name="lab")
def _lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabSettings]:
    with machine_lab("guest", 15, tmp_path_factory.mktemp("guest")) as lab:
        yield lab


@pytest.fixture(scope="module", name="server")
def _server(lab: LabSettings) -> SourceServer:
    server = ensure_source(lab, NAME)
    lab.known_hosts.write_text(f"{server.address} {server.host_key}\n")
    return server


@pytest.fixture(scope="module", name="running")
def _running(lab: LabSettings, server: SourceServer) -> Iterator[Machine]:
    machine = source_machine(lab, server)
    asyncio.run(qemu.start(machine))
    try:
        yield machine
    finally:
        asyncio.run(qemu.cut_off(machine.directory))


@pytest.fixture(scope="module", name="report")
def _report(running: Machine) -> BootReport:
    return wait_for_report(running.console, 0)


def test_server_boots_on_vmwares_hardware(report: BootReport) -> None:
    assert report.host == NAME
    assert report.root == "/dev/sda1"
    assert report.driver == "vmw_pvscsi"
    assert report.failed_units == ()


def test_server_has_its_address_on_a_vmxnet3_card(
    lab: LabSettings, server: SourceServer, report: BootReport
) -> None:
    (nic,) = report.interfaces
    assert nic.name == "ens192"
    assert nic.mac == server.mac
    assert nic.addresses == (f"{server.address}/24",)
    driver = on_source(lab, NAME, "readlink", "/sys/class/net/ens192/device/driver")
    assert driver.strip().endswith("/vmxnet3")


def test_server_has_vmwares_tools_and_its_data(report: BootReport) -> None:
    assert report.has_vmware_tools
    assert report.data_is_intact
    assert report.file_count > 40


def test_data_lie_on_xfs_on_the_second_disk(lab: LabSettings, report: BootReport) -> None:
    mount = on_source(lab, NAME, "findmnt", "-n", "-o", "SOURCE,FSTYPE", "/srv/data")
    assert mount.split() == ["/dev/sdb1", "xfs"]


def test_a_python_that_the_sender_can_use_is_there(lab: LabSettings, report: BootReport) -> None:
    on_source(lab, NAME, "python3", "-c", "import hashlib, json, ssl, zipapp, zlib")


def test_no_virtio_driver_is_in_the_initramfs(lab: LabSettings, report: BootReport) -> None:
    drivers = on_source(lab, NAME, "sh", "-c", "lsinitramfs /boot/initrd.img-* | grep '[.]ko'")
    assert "vmw_pvscsi.ko" in drivers
    assert "virtio" not in drivers


def test_virtio_drivers_are_on_the_disk_for_the_preparation(
    lab: LabSettings, report: BootReport
) -> None:
    on_source(
        lab, NAME, "modprobe", "--dry-run", "--all", "virtio_blk", "virtio_net", "virtio_scsi"
    )


def test_marker_tells_changed_and_missing_data(lab: LabSettings, running: Machine) -> None:
    wait_for_report(running.console, 0)
    for damage, mend in (
        ("echo more >> /srv/data/orders.csv", "sed -i '$d' /srv/data/orders.csv"),
        ("mv /srv/site/logo.bin /root/", "mv /root/logo.bin /srv/site/"),
        ("mv /srv/data/SHA256SUMS /root/", "mv /root/SHA256SUMS /srv/data/"),
    ):
        assert not report_again(lab, running, damage).data_is_intact, damage
        assert report_again(lab, running, mend).data_is_intact, mend


def report_again(lab: LabSettings, machine: Machine, command: str) -> BootReport:
    """Return what the server reports after the command was run on it."""
    already = report_count(machine.console)
    on_source(lab, NAME, "sh", "-ec", f"{command}; /usr/local/sbin/ferry-marker")
    return wait_for_report(machine.console, already)


def test_unprepared_server_does_not_boot_on_virtio(server: SourceServer, tmp_path: Path) -> None:
    directory = tmp_path / "virtio"
    directory.mkdir()
    disks = [
        Disk(overlay_of(server, disk, directory), unit, Controller.VIRTIO_BLK, boot_order=unit)
        for unit, disk in enumerate(("root.raw", "data.raw"))
    ]
    machine = Machine(NAME, directory, directory / "console.log", 1 << 30, cpus=2, disks=disks)
    machine.console.touch()
    asyncio.run(qemu.start(machine))
    try:
        line = wait_for_line(BOOT_FAILURE, machine.console)
    finally:
        asyncio.run(qemu.cut_off(directory))
    assert "/dev/sda1 does not exist" in line
    assert report_count(machine.console) == 0


def overlay_of(server: SourceServer, disk: str, directory: Path) -> Path:
    """Return a new overlay: what its machine writes is gone with the directory."""
    overlay = directory / f"{disk}.qcow2"
    backing = ("-F", "raw", "-b", str(server.directory / disk))
    run("qemu-img", "create", "-q", "-f", "qcow2", *backing, str(overlay))
    return overlay


def wait_for_line(pattern: re.Pattern[str], console: Path) -> str:
    """Return the first line of the growing file that matches; "nothing" when the deadline is over."""
    deadline = ("timeout", str(BOOT_FAILURE_DEADLINE))
    command = [*deadline, "tail", "--lines=+1", "--follow", str(console)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as follower:
        assert follower.stdout is not None
        found = next((line for line in follower.stdout if pattern.search(line)), "nothing")
        follower.terminate()
    return found
