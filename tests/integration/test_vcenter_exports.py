# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's vCenter: export leases from their beginning to each of their ends."""

from __future__ import annotations

import hashlib
import http.client
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import vim

from tests.support.vcenter_client import DEADLINE, KIB64, Client, fresh_client

MIB = 1 << 20


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    image = tmp_path / "first.raw"
    # Random bytes do not get smaller: enough for transfers to be cut in the middle.
    image.write_bytes(os.urandom(MIB) + bytes(MIB))
    disks = ({"image": str(image)}, {"size": MIB, "controller": "lsilogic", "bus": 1, "unit": 3})
    with fresh_client(tmp_path / "vcenter", *disks) as opened:
        yield opened


def await_state(lease: Any, *states: str) -> str:
    last = time.monotonic() + DEADLINE
    while (state := str(lease.state)) not in states:
        assert time.monotonic() < last, state
    return state


@pytest.fixture
def lease(client: Client) -> Any:
    """A ready lease of a snapshot."""
    opened = client.take_snapshot(client.vm("web01")).ExportSnapshot()
    await_state(opened, "ready")
    return opened


def test_each_body_is_a_stream_optimized_image_of_the_frozen_disk(
    client: Client, tmp_path: Path
) -> None:
    vm = client.vm("web01")
    client.take_snapshot(vm, "lower")
    client.vcenter.control.write("web01", 2000, MIB + 5, b"between")
    upper = client.take_snapshot(vm, "upper")
    client.vcenter.control.write("web01", 2000, 0, b"later")
    lease = upper.ExportSnapshot()
    await_state(lease, "ready")

    status, body = client.get(lease.info.deviceUrl[0].url)

    assert status == 200
    (tmp_path / "body.vmdk").write_bytes(body)
    assert b'createType="streamOptimized"' in body[:KIB64]
    client.live(tmp_path, snapshot=upper)
    compared = subprocess.run(
        ["qemu-img", "compare", "body.vmdk", "exported.raw"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert compared.stdout == "Images are identical.\n", compared.stderr
    assert client.vcenter.control.counters() == {"web01/2000/lease": len(body)}


def test_a_lease_names_devices_by_their_place_and_the_settings_as_no_disk(lease: Any) -> None:
    assert [(each.key, each.disk) for each in lease.info.deviceUrl] == [
        ("/vm-101/ParaVirtualSCSIController0:0", True),
        ("/vm-101/VirtualLsiLogicController1:3", True),
        ("/vm-101/nvram", False),
    ]
    assert lease.info.totalDiskCapacityInKB == 3 * 1024


def test_the_manifest_has_the_digest_of_each_body(client: Client, lease: Any) -> None:
    bodies = [client.get(each.url)[1] for each in lease.info.deviceUrl]

    manifest = lease.HttpNfcLeaseGetManifest()

    assert [(each.size, each.sha1) for each in manifest] == [
        (len(body), hashlib.sha1(body).hexdigest()) for body in bodies
    ]


def test_bodies_are_for_those_with_a_session(client: Client, lease: Any) -> None:
    assert client.get(lease.info.deviceUrl[0].url, cookie=False)[0] == 401


def test_a_completed_lease_is_done_and_serves_no_more(client: Client, lease: Any) -> None:
    address = lease.info.deviceUrl[0].url

    lease.HttpNfcLeaseComplete()

    assert lease.state == "done"
    assert client.get(address)[0] == 404
    with pytest.raises(vim.fault.InvalidState):
        lease.HttpNfcLeaseProgress(60)
    assert not any((client.vcenter.directory / "leases").iterdir())


def test_an_aborted_lease_keeps_the_clients_fault(lease: Any) -> None:
    lease.HttpNfcLeaseAbort(vim.fault.FileFault(file="mine"))

    assert lease.state == "error"
    assert lease.error.file == "mine"


def test_a_lease_without_a_sign_of_life_expires(client: Client) -> None:
    client.vcenter.control.change_settings(lease_seconds=0.3)
    lease = client.take_snapshot(client.vm("web01")).ExportSnapshot()

    assert await_state(lease, "error") == "error"

    assert isinstance(lease.error, vim.fault.Timedout)
    with pytest.raises(vim.fault.Timedout):
        lease.HttpNfcLeaseProgress(1)


def test_the_machine_is_held_until_the_lease_ends(client: Client, lease: Any) -> None:
    vm = client.vm("web01")
    (shown,) = vm.snapshot.rootSnapshotList

    with pytest.raises(vim.fault.TaskInProgress):
        client.remove_snapshot(shown.snapshot)
    with pytest.raises(vim.fault.TaskInProgress):
        client.take_snapshot(vm)

    lease.HttpNfcLeaseComplete()
    client.remove_snapshot(shown.snapshot)


def test_a_running_machine_is_exported_by_a_snapshot_only(client: Client, tmp_path: Path) -> None:
    vm = client.vm("web01")
    with pytest.raises(vim.fault.InvalidPowerState):
        vm.ExportVm()

    client.wait(vm.PowerOff())
    lease = vm.ExportVm()

    await_state(lease, "ready")
    with pytest.raises(vim.fault.TaskInProgress):
        client.wait(vm.PowerOn())


@pytest.mark.parametrize("kind", ["lease_expired", "session_expired"])
def test_a_transfer_breaks_in_the_middle(client: Client, lease: Any, kind: str) -> None:
    address = lease.info.deviceUrl[0].url
    client.vcenter.control.add_fault(kind, after_bytes=MIB // 2)

    with pytest.raises(http.client.IncompleteRead) as broken:
        client.get(address)

    assert MIB // 4 < len(broken.value.partial) < MIB * 3 // 4
    assert client.get(address)[0] == (404 if kind == "lease_expired" else 401)
