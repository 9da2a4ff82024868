# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests of many shapes do not come up on virtio, are prepared on a real worker, and then do.

The shapes are rows of the lab's table (`lab/shapes/table.py`). Each is prepared on volumes larger than its
disks, as real targets are, and booted with a MAC that it never had; UEFI with an empty memory.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lab import qemu
from lab.guests.marker import BootReport
from lab.migration import wait_for_report
from lab.settings import LabSettings
from lab.shapes.build import ShapedServer, ensure_shape
from tests.support.machine_lab import machine_lab
from tests.system.preparing_worker import PreparingWorker, add_overlay, running_worker
from tests.system.shape_machines import (
    Images,
    arguments,
    bring_agents,
    devices,
    make_images,
    new_mac,
    running_clone,
    why_not_up,
)

# A boot of the worker; two boots and a preparation for each shape: a minute each on an idle machine.
pytestmark = [pytest.mark.boots, pytest.mark.timeout(3600)]

# What an untouched copy lacks, by shape. GRUB on UEFI is not even found; what is named by UUID, as a logical
# volume or as an array, lacks only the drivers.
LACKS = {
    "lvm": {"driver"},
    "uefi": {"loader"},
    "xfs": {"driver", "name"},
    "btrfs": {"driver", "name"},
    "mirror": {"driver"},
    "luks": {"driver", "name"},
    "usual": {"driver"},
    "bullseye": {"driver", "name"},
    "bookworm": {"driver", "name"},
    "trixie": {"driver", "name"},
    "netplan": {"driver", "name"},
    "networkd": {"driver", "name"},
    "networkmanager": {"driver", "name"},
    "systemd-boot": {"driver", "name"},
}
# In every run of the tests; all others in the long one.
USUAL = ("lvm", "uefi")
SHAPES = [
    name if name in USUAL else pytest.param(name, marks=pytest.mark.soak, id=name) for name in LACKS
]
UNTOUCHED = [
    name if name == "uefi" else pytest.param(name, marks=pytest.mark.soak, id=name)
    for name in LACKS
]
# What each calls its root when it runs on virtio; the others: the first partition.
ROOTS = {
    "lvm": "/dev/mapper/vg0-root",
    "uefi": "/dev/vda2",
    "xfs": "/dev/vda3",
    "mirror": "/dev/md0",
    "luks": "/dev/mapper/root_crypt",
    "systemd-boot": "/dev/vda2",
}
STABLE_NAME = re.compile(r"UUID=[0-9a-f-]{36}|/dev/mapper/(?:vg0-root|root_crypt)|/dev/md0")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabSettings]:
    with machine_lab("shapes", 11, tmp_path_factory.mktemp("shapes"), dhcp=True) as made:
        yield made


@pytest.fixture(scope="module")
def servers(request: pytest.FixtureRequest) -> dict[str, ShapedServer]:
    """The shapes of this run: those whose tests were not left out."""
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    chosen = {call.params.get("shape") for call in calls if call is not None}
    return {name: ensure_shape(name) for name in LACKS if name in chosen}


@pytest.fixture(scope="module")
def images(lab: LabSettings, servers: Mapping[str, ShapedServer]) -> Images:
    """The volumes of each server, longer than its disks, as overlays over them."""
    return make_images(lab, servers)


@pytest.fixture(scope="module")
def worker(
    lab: LabSettings, images: Images, servers: Mapping[str, ShapedServer]
) -> Iterator[PreparingWorker]:
    with running_worker(lab, dict(devices(images).values())) as running:
        bring_agents(running, list(servers.values()))
        yield running


@pytest.mark.parametrize("shape", UNTOUCHED)
def test_an_untouched_copy_does_not_come_up(
    lab: LabSettings, servers: Mapping[str, ShapedServer], shape: str
) -> None:
    server = servers[shape]
    disks = {name: lab.directory / f"untouched-{shape}-{name}.qcow2" for name in server.disks}
    for name, image in disks.items():
        add_overlay(image, server.disks[name])
    with running_clone(lab, server, disks) as machine:
        assert why_not_up(machine) == LACKS[shape]


@pytest.fixture(scope="module")
def prepared(
    worker: PreparingWorker, servers: Mapping[str, ShapedServer], images: Images
) -> dict[str, dict[str, Any]]:
    """All servers are prepared, and a second time; the worker's answers to both, by server."""
    found: dict[str, dict[str, Any]] = {}
    for name, server in servers.items():
        wanted = arguments(server, images)
        first, second = worker.prepare(wanted), worker.prepare(wanted)
        print(f"{name}: prepared in {sum(first['seconds'].values()):.0f} s")
        found[name] = {"first": first, "second": second}
    found[""] = {"left": worker.on_worker("dmsetup ls; losetup; ls /dev/mapper; ls /sys/block")}
    asyncio.run(qemu.cut_off(worker.worker.directory))
    return found


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
            started = time.monotonic()
            reports[name] = wait_for_report(machine.console, 0)
            print(f"{name}: up in {time.monotonic() - started:.0f} s: {reports[name]}")
    return reports


@pytest.mark.parametrize("shape", SHAPES)
def test_the_prepared_guest_boots_on_virtio(
    booted: Mapping[str, BootReport], servers: Mapping[str, ShapedServer], shape: str
) -> None:
    report, server = booted[shape], servers[shape]
    assert report.root == ROOTS.get(shape, "/dev/vda1")
    assert all(STABLE_NAME.fullmatch(name) for name in report.root_names)
    assert (report.host, report.driver) == (server.name, "virtio_blk")
    assert report.failed_units == ()
    assert not report.has_vmware_tools
    assert report.agent_runs
    assert report.data_is_intact
    (nic,) = report.interfaces
    assert (nic.name, nic.mac) == ("ens192", new_mac(server))
    assert nic.addresses == (f"{server.address}/24",)
