# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests of many shapes of storage are prepared on a real worker, and then boot on virtio.

The shapes are rows of the lab's table (`lab/shapes/table.py`). Each is prepared on volumes larger than its
disks, as real targets are, and booted with a MAC that it never had; UEFI with an empty memory.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lab import qemu, services
from lab.guests.marker import BootReport
from lab.migration import wait_for_report
from lab.settings import LabSettings
from lab.shapes.build import ShapedServer, ensure_shape
from tests.support.machine_lab import machine_lab
from tests.system.preparing_worker import (
    PreparingWorker,
    add_overlay,
    running_worker,
    wait_for_line,
)
from tests.system.shaped_clone import new_mac, prepare_arguments, running_clone

# A boot of the worker, and a preparation and a boot for each shape: a minute each on an idle machine.
pytestmark = [pytest.mark.boots, pytest.mark.timeout(1500)]

# In every run of the tests, and only in the long one.
USUAL = ("lvm", "uefi")
RARE = ("xfs", "btrfs", "mirror", "luks")
SHAPES = [*USUAL, *(pytest.param(name, marks=pytest.mark.soak) for name in RARE)]
# What each calls its root when it runs on virtio.
ROOTS = {
    "lvm": "/dev/mapper/vg0-root",
    "uefi": "/dev/vda2",
    "xfs": "/dev/vda3",
    "btrfs": "/dev/vda1",
    "mirror": "/dev/md0",
    "luks": "/dev/mapper/root_crypt",
}
GROWN_BY = 64 << 20
NO_LOADER = re.compile(r"BdsDxe: No bootable option|Shell>|failed to load Boot0001")

Images = dict[str, dict[str, Path]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabSettings]:
    with machine_lab("shapes", 11, tmp_path_factory.mktemp("shapes")) as made:
        services.ensure_dhcp(made)
        try:
            yield made
        finally:
            services.stop_services(made)


@pytest.fixture(scope="module")
def servers(request: pytest.FixtureRequest) -> dict[str, ShapedServer]:
    """The shapes of this run: those whose tests were not left out."""
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    chosen = {call.params.get("shape") for call in calls if call is not None}
    return {name: ensure_shape(name) for name in (*USUAL, *RARE) if name in chosen}


@pytest.fixture(scope="module")
def images(lab: LabSettings, servers: Mapping[str, ShapedServer]) -> Images:
    """The volumes of each server, longer than its disks, as overlays over them."""
    made: Images = {}
    for name, server in servers.items():
        made[name] = {disk: lab.directory / f"{name}-{disk}.qcow2" for disk in server.disks}
        for disk, image in made[name].items():
            add_overlay(image, server.disks[disk], grown_by=GROWN_BY)
    return made


@pytest.fixture(scope="module")
def worker(lab: LabSettings, images: Images) -> Iterator[PreparingWorker]:
    with running_worker(lab, dict(devices(images).values())) as running:
        yield running


def devices(images: Images) -> dict[tuple[str, str], tuple[str, Path]]:
    """Return the worker's device and the file of each (server, disk)."""
    pairs = [(name, disk) for name, disks in images.items() for disk in disks]
    letters = "bcdefghijklmnopqrstu"
    return {
        (name, disk): (f"vd{letter}", images[name][disk])
        for letter, (name, disk) in zip(letters, pairs, strict=False)
    }


@pytest.fixture(scope="module")
def prepared(
    worker: PreparingWorker, servers: Mapping[str, ShapedServer], images: Images
) -> dict[str, dict[str, Any]]:
    """All servers are prepared, and a second time; the worker's answers to both, by server."""
    found: dict[str, dict[str, Any]] = {}
    for name, server in servers.items():
        wanted = arguments(server, images)
        first, second = worker.prepare(wanted), worker.prepare(wanted)
        found[name] = {"first": first, "second": second}
    found[""] = {"left": worker.on_worker("dmsetup ls; losetup; ls /dev/mapper; ls /sys/block")}
    asyncio.run(qemu.cut_off(worker.worker.directory))
    return found


def arguments(server: ShapedServer, images: Images) -> dict[str, Any]:
    places = devices(images)
    paths = {disk: f"/dev/{places[server.name, disk][0]}" for disk in server.disks}
    return prepare_arguments(server, paths, f"/var/lib/ferry/{server.name}")


@pytest.mark.parametrize("shape", ["uefi"])
def test_firmware_with_an_empty_memory_finds_no_loader_before(
    lab: LabSettings, servers: Mapping[str, ShapedServer], shape: str
) -> None:
    server = servers[shape]
    disks = {name: lab.directory / f"untouched-{shape}-{name}.qcow2" for name in server.disks}
    for name, image in disks.items():
        add_overlay(image, server.disks[name])
    with running_clone(lab, server, disks) as machine:
        assert NO_LOADER.search(wait_for_line(NO_LOADER, machine.console))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_second_preparation_changes_nothing(
    prepared: Mapping[str, Mapping[str, Any]], shape: str
) -> None:
    assert prepared[shape]["first"]["changed"]
    assert not prepared[shape]["second"]["changed"]


def test_nothing_of_any_guest_is_left_on_the_worker(
    prepared: Mapping[str, Mapping[str, Any]],
) -> None:
    left = prepared[""]["left"].replace("No devices found", "")
    assert not re.search(r"ov-|vg0|md\d|dm-\d|/dev/loop", left)


@pytest.fixture(scope="module")
def booted(
    lab: LabSettings,
    servers: Mapping[str, ShapedServer],
    images: Images,
    prepared: Mapping[str, Mapping[str, Any]],
) -> dict[str, BootReport]:
    """How each prepared server came up."""
    reports = {}
    for name, server in servers.items():
        with running_clone(lab, server, images[name]) as machine:
            reports[name] = wait_for_report(machine.console, 0)
    return reports


@pytest.mark.parametrize("shape", SHAPES)
def test_the_prepared_guest_boots_on_virtio(
    booted: Mapping[str, BootReport], servers: Mapping[str, ShapedServer], shape: str
) -> None:
    report, server = booted[shape], servers[shape]
    assert report.root == ROOTS[shape]
    assert (report.host, report.driver) == (server.name, "virtio_blk")
    assert report.failed_units == ()
    assert not report.has_vmware_tools
    assert report.data_is_intact
    (nic,) = report.interfaces
    assert (nic.name, nic.mac) == ("ens192", new_mac(server))
    assert nic.addresses == (f"{server.address}/24",)
