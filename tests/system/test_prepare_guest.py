# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that cannot boot on virtio is prepared on a real worker, killed on the way, and then boots.

One boot of the worker carries two pairs of the source server's disks, as overlays that are thrown away:

    vdb vdc   prepared through Ansible as a play does it: tried, killed, done, done again; then booted
    vdd vde   killed while the changes are being copied to the disks, and finished by the next run

What is on the disks is judged from outside, by qemu-img.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab import qemu
from lab.accelerator import choose_acceleration
from lab.guests.marker import BootReport
from lab.guests.source import SourceServer, ensure_source
from lab.hardware import Disk, Machine, Nic
from lab.migration import wait_for_report
from lab.settings import LabSettings
from tests.support.machine_lab import machine_lab
from tests.system.preparing_worker import (
    CHECKOUT,
    PreparingWorker,
    add_overlay,
    changed_granules,
    differs,
    flatten,
    packed_room,
    reported_granules,
    running_worker,
    wait_for_line,
)

# Emulated on two idle cores all of it takes about five minutes, half of it in the guest's own tools.
pytestmark = [pytest.mark.boots, pytest.mark.timeout(1500)]

NEW_MAC = "52:54:00:00:0e:01"
# What was there before the preparation, what after it, and what the clone says of both.
EXTENSIONS = (
    ("old-root", "before", "awk '$2 == \"/\" {print $1}' /etc/fstab | tee /etc/ferry-test\n"),
    ("new-root", "after", "awk '$2 == \"/\" {print $1}' /etc/fstab | tee -a /etc/ferry-test\n"),
    (
        "hello",
        "first_boot",
        "echo FERRY-HELLO $(cat /etc/ferry-test) $FERRY_SYNC | tee /dev/ttyS0\n",
    ),
)

# Runs in the worker: a preparation whose process is killed in the middle of its third write to a disk.
KILLED_WHILE_COPYING = """
import base64, os, signal, sys
with open("/run/room.zip", "wb") as room:
    room.write(base64.b64decode("{room}"))
sys.path.insert(0, "/run/room.zip")
from module_utils.guest import direct_io, prepare, report
whole_write, calls = direct_io.DirectDisk.write, []
def write(disk, start, data):
    calls.append(start)
    if len(calls) == 3:
        whole_write(disk, start, data[:512])
        os.kill(os.getpid(), signal.SIGKILL)
    whole_write(disk, start, data)
direct_io.DirectDisk.write = write
prepare.prepare(report.read_request({arguments!r}), trial=False)
"""


@dataclass
class Bench(PreparingWorker):
    """The worker, the source server that the guests are copies of, and the overlays by their device."""

    server: SourceServer = field(kw_only=True)
    images: dict[str, Path] = field(kw_only=True)

    def original(self, device: str) -> Path:
        """The file that the overlay of `device` began as."""
        return original(self.server, device)

    def differs(self, device: str) -> bool:
        """Return whether any byte of the disk is not as it was replicated, as qemu-img sees it."""
        return differs(self.flushed(device), self.original(device))

    def digest(self, device: str) -> str:
        """Return the digest of the overlay's file: any write at all changes it."""
        return hashlib.sha256(self.flushed(device).read_bytes()).hexdigest()

    def flushed(self, device: str) -> Path:
        """Return the overlay's file when it tells all: QEMU keeps its maps in memory until a flush."""
        self.on_worker(f"sync /dev/{device}")
        return self.images[device]

    def arguments(self, first: str, second: str) -> dict[str, Any]:
        """Return the module's arguments for a pair of disks."""
        return {
            "disks": [
                {"path": f"/dev/{first}", "name": "sda"},
                {"path": f"/dev/{second}", "name": "sdb"},
            ],
            "generation": "1",
            "stage": f"/var/lib/ferry/{first}",
            "interfaces": [
                {"source_mac": self.server.mac.upper(), "target_mac": NEW_MAC, "name": None}
            ],
            "encrypted": [],
            "serial_console": False,
            "packages_directory": None,
            "virtio_win": None,
            "sync": {"migration_id": "web01", "number": 1, "kind": "first"},
            "extensions": [extension(*each) for each in EXTENSIONS],
        }


def extension(name: str, stage: str, content: str) -> dict[str, Any]:
    """Return an extension as the module takes it, with every option: one test has no Ansible."""
    return {
        "name": name,
        "kind": "bash",
        "stage": stage,
        "content": content,
        "syncs": ["first"],
        "runs_on": "guest",
        "failure": "fail",
        "timeout": 120,
        "environment": {},
        "secrets": {},
        "no_log": False,
    }


def original(server: SourceServer, device: str) -> Path:
    return server.directory / ("root.raw" if device in ("vdb", "vdd") else "data.raw")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabSettings]:
    with machine_lab("prepare", 14, tmp_path_factory.mktemp("prepare"), dhcp=True) as made:
        yield made


@pytest.fixture(scope="module")
def bench(lab: LabSettings) -> Iterator[Bench]:
    server = ensure_source(lab, "web01")
    images = {device: lab.directory / f"{device}.qcow2" for device in ("vdb", "vdc", "vdd", "vde")}
    for device, image in images.items():
        add_overlay(image, original(server, device))
    with running_worker(lab, images) as running:
        yield Bench(**vars(running), server=server, images=images)


@pytest.fixture(scope="module")
def arguments(bench: Bench) -> dict[str, Any]:
    return bench.arguments("vdb", "vdc")


@pytest.fixture(scope="module")
def planned(bench: Bench, arguments: dict[str, Any]) -> dict[str, Any]:
    return bench.prepare(arguments, "--check", "--diff")


def test_check_mode_shows_the_plan_and_writes_nothing(
    bench: Bench, planned: dict[str, Any]
) -> None:
    assert planned["changed"]
    assert planned["guest"]["distribution"].startswith("Debian GNU/Linux 12")
    paths = [change["path"] for change in planned["plan"] if "path" in change]
    assert paths == [
        "/etc/fstab",
        "/etc/udev/rules.d/70-persistent-net.rules",
        "/etc/default/grub",
        "/etc/initramfs-tools/modules",
        "/var/lib/ferry/first-boot/010-hello.sh",
        "/var/lib/ferry/first-boot/010-hello",
        "/var/lib/ferry/first-boot/run",
        "/etc/systemd/system/ferry-first-boot.service",
    ]
    commands = [change["command"][0] for change in planned["plan"] if "command" in change]
    assert commands == ["dpkg", "update-grub", "update-initramfs", "systemctl"]
    assert states(planned) == ["would_run", "would_run", "at_first_boot"]
    shown = {each["after_header"]: each for each in planned["diff"] if "after_header" in each}
    assert "/dev/sda1" in shown["/etc/fstab"]["before"]
    assert "UUID=" in shown["/etc/fstab"]["after"]
    assert not bench.differs("vdb")
    assert not bench.differs("vdc")


def test_a_kill_before_the_decision_leaves_the_disks_as_they_were(
    bench: Bench, arguments: dict[str, Any], planned: dict[str, Any]
) -> None:
    with subprocess.Popen(
        bench.command(arguments),
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as ansible:
        # The module's process is the parent of what it runs in the guest.
        bench.on_worker(
            "timeout 300 sh -c 'until pgrep -x mkinitramfs; do sleep 0.2; done' &&"
            " kill -9 $(ps -o ppid= -p $(pgrep -o -x unshare)) &&"
            " timeout 60 sh -c 'while pgrep -x unshare; do sleep 0.2; done'"
        )
        assert ansible.wait() != 0
    assert "/var/lib/ferry/vdb" not in bench.on_worker("cat /proc/mounts")
    assert not bench.differs("vdb")
    assert not bench.differs("vdc")


@pytest.fixture(scope="module")
def prepared(bench: Bench, arguments: dict[str, Any], planned: dict[str, Any]) -> dict[str, Any]:
    return bench.prepare(arguments)


def test_the_preparation_does_what_was_planned(
    prepared: dict[str, Any], planned: dict[str, Any]
) -> None:
    assert prepared["changed"]
    assert prepared["plan"] == planned["plan"]


def states(result: dict[str, Any]) -> list[str]:
    return [each["state"] for each in result["extensions"]]


def test_extensions_run_before_and_after_the_changes(prepared: dict[str, Any]) -> None:
    assert states(prepared) == ["ran", "ran", "at_first_boot"]
    before, after, _later = prepared["extensions"]
    assert before["output"] == "/dev/sda1\n"
    assert after["output"].startswith("UUID=")


def test_a_second_preparation_writes_nothing(
    bench: Bench, arguments: dict[str, Any], prepared: dict[str, Any]
) -> None:
    before = [bench.digest(device) for device in ("vdb", "vdc")]
    again = bench.prepare(arguments)
    assert not again["changed"]
    assert again["plan"] == []
    assert states(again) == ["ran_earlier", "ran_earlier", "at_first_boot"]
    assert [bench.digest(device) for device in ("vdb", "vdc")] == before


def test_the_worker_keeps_the_disks_read_only_and_nothing_is_left(
    bench: Bench, prepared: dict[str, Any]
) -> None:
    flags = bench.on_worker("blockdev --getro /dev/vdb /dev/vdc /dev/vdd /dev/vde").split()
    assert flags == ["1"] * 4
    assert bench.on_worker("dmsetup ls; losetup").replace("No devices found", "").strip() == ""
    assert "store-" not in bench.on_worker("ls /var/lib/ferry/vdb")


def test_a_kill_while_the_disks_are_written_is_made_good_by_the_next_run(bench: Bench) -> None:
    arguments = bench.arguments("vdd", "vde")
    script = KILLED_WHILE_COPYING.format(room=packed_room(), arguments=arguments)
    died = subprocess.run([*bench.ssh(), "python3 -"], input=script.encode(), check=False)
    assert died.returncode != 0
    assert bench.differs("vdd")
    half_written = bench.digest("vdd")
    tried = bench.prepare(arguments, "--check")
    assert tried["changed"]
    assert "yet to be finished" in tried["notes"][0]
    assert bench.digest("vdd") == half_written
    finished = bench.prepare(arguments)
    assert finished["changed"]
    assert finished["plan"] == []
    assert finished["changed_extents"] == tried["changed_extents"]
    assert not bench.prepare(arguments)["changed"]


def test_the_reported_extents_are_exactly_what_differs(
    bench: Bench, prepared: dict[str, Any]
) -> None:
    for device, name in (("vdb", "sda"), ("vdc", "sdb")):
        flat = bench.lab.directory / f"{device}.raw"
        flatten(bench.flushed(device), flat)
        changed = changed_granules(flat, bench.original(device))
        assert changed == reported_granules(prepared, name)


@pytest.fixture(scope="module")
def booted(bench: Bench, prepared: dict[str, Any]) -> Iterator[BootReport]:
    """The prepared guest, booted on virtio with a MAC that it never had; the worker is off."""
    asyncio.run(qemu.cut_off(bench.worker.directory))
    directory = bench.lab.directory / "clone"
    directory.mkdir()
    disks = [
        Disk(bench.images[device], unit, boot_order=None if unit else 1)
        for unit, device in enumerate(("vdb", "vdc"))
    ]
    nics = [Nic(NEW_MAC, "clone", "isolated")]
    machine = Machine(
        "clone",
        directory,
        directory / "console.log",
        1 << 30,
        2,
        disks,
        nics,
        namespace=bench.lab.namespace,
        acceleration=choose_acceleration(),
    )
    machine.console.touch()
    asyncio.run(qemu.start(machine))
    try:
        yield wait_for_report(machine.console, 0)
    finally:
        asyncio.run(qemu.cut_off(directory))


def test_the_prepared_guest_boots_on_virtio(bench: Bench, booted: BootReport) -> None:
    assert booted.host == "web01"
    assert booted.driver == "virtio_blk"
    assert booted.failed_units == ()
    assert not booted.has_vmware_tools
    assert booted.data_is_intact


def test_an_extension_runs_at_the_first_boot_with_what_the_others_left(
    bench: Bench, booted: BootReport
) -> None:
    console = bench.lab.directory / "clone" / "console.log"
    said = wait_for_line(re.compile("FERRY-HELLO"), console)
    assert re.search(r"FERRY-HELLO /dev/sda1 UUID=\S+ first", said)


def test_the_interface_has_its_old_name_and_address_with_a_new_mac(
    bench: Bench, booted: BootReport
) -> None:
    (nic,) = booted.interfaces
    assert (nic.name, nic.mac) == ("ens192", NEW_MAC)
    assert nic.addresses == (f"{bench.server.address}/24",)
