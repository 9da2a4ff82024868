# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot's disk, read by export and from its datastore, is what the lab's vCenter froze."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import (
    PermanentError,
    TransientError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.datastore_disk import DatastoreDisk
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.export_disk import (
    ExportDisk,
    Exporter,
)
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.flat_files import (
    SnapshotDisk,
    flat_file,
    flat_obstacle,
)
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.https import Host
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.nfc_lease import Device
from pyVmomi import vmodl

from tests.support.vcenter_client import DEADLINE, Client, fresh_client, log_in

MIB = 1 << 20
SIZE = 4 * MIB
pytestmark = pytest.mark.timeout(300)


class Web:
    """The session of pyvmomi, as far as HTTPS needs one."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.renewals = 0

    def cookie(self) -> str:
        return self._client.cookie()

    def renew(self) -> None:
        self.renewals += 1
        self._client = log_in(self._client.vcenter)


class Export:
    """An HttpNfcLease that is ready, by pyvmomi."""

    def __init__(self, lease: Any) -> None:
        last = time.monotonic() + DEADLINE
        while str(lease.state) != "ready":
            assert time.monotonic() < last, lease.state
        self.lease = lease
        self.timeout = float(lease.info.leaseTimeout)
        self.devices: Sequence[Device] = [
            Device(each.key, each.url, each.sslThumbprint, is_disk=each.disk)
            for each in lease.info.deviceUrl
        ]

    def progress(self, percent: int) -> None:
        self._tell(self.lease.HttpNfcLeaseProgress, percent)

    def complete(self) -> None:
        self._tell(self.lease.HttpNfcLeaseComplete)

    def abort(self) -> None:
        self._tell(self.lease.HttpNfcLeaseAbort, None)

    def _tell(self, call: Callable[..., Any], *arguments: Any) -> None:
        try:
            call(*arguments)
        except vmodl.MethodFault as fault:
            raise PermanentError(f"The lease refused: {fault.msg}.") from fault


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    image = tmp_path / "first.raw"
    image.write_bytes(os.urandom(MIB) + bytes(2 * MIB) + os.urandom(MIB))
    disks = ({"image": str(image)}, {"size": SIZE, "controller": "lsilogic", "bus": 1, "unit": 3})
    with fresh_client(tmp_path / "vcenter", *disks) as opened:
        yield opened


def host_of(client: Client) -> Host:
    parts = urlsplit(client.vcenter.url)
    trust = ssl.create_default_context(cafile=str(client.vcenter.ca_path))
    return Host(str(parts.hostname), int(parts.port or 443), trust, DEADLINE)


def read_all(disk: ExportDisk | DatastoreDisk) -> bytes:
    buffer = memoryview(bytearray(MIB))
    return b"".join(bytes(disk.read(start, MIB, buffer)) for start in range(0, disk.size, MIB))


def seen_disk(snapshot: Any) -> SnapshotDisk:
    """The first disk in the snapshot's own configuration."""
    device = next(each for each in snapshot.config.hardware.device if each.key == 2000)
    kind = type(device.backing).__name__.rpartition(".")[2]
    backing = kind.replace("VirtualDisk", "").replace("BackingInfo", "")
    has_parent = device.backing.parent is not None
    return SnapshotDisk(2000, device.backing.fileName, backing, has_parent, False, SIZE, "")


class Exports:
    """All leases that were opened of a snapshot, and a disk read from them."""

    def __init__(self, client: Client, snapshot: Any, place: str) -> None:
        self.leases: list[Export] = []
        self._snapshot = snapshot
        self.disk = ExportDisk(Exporter(self._open, host_of(client), Web(client)), place, SIZE)

    def _open(self) -> Export:
        self.leases.append(Export(self._snapshot.ExportSnapshot()))
        return self.leases[-1]

    @property
    def states(self) -> list[str]:
        return [str(each.lease.state) for each in self.leases]


@pytest.mark.parametrize("place", ["ParaVirtualSCSIController0:0", "LsiLogicController1:3"])
def test_an_export_is_what_was_frozen(client: Client, tmp_path: Path, place: str) -> None:
    client.vcenter.control.write("web01", 2001, 3 * MIB - 3, b"frozen")
    snapshot = client.take_snapshot(client.vm("web01"))
    client.vcenter.control.write("web01", 2000, 0, b"later")
    client.vcenter.control.write("web01", 2001, 0, b"later")
    exports = Exports(client, snapshot, place)
    key = 2000 if place.endswith("0:0") else 2001
    assert read_all(exports.disk) == client.live(tmp_path, key=key, snapshot=snapshot)
    assert exports.states == ["done"]


def test_an_export_that_breaks_in_the_middle_is_opened_again(
    client: Client, tmp_path: Path
) -> None:
    snapshot = client.take_snapshot(client.vm("web01"))
    exports = Exports(client, snapshot, "ParaVirtualSCSIController0:0")
    client.vcenter.control.add_fault("lease_expired", after_bytes=MIB // 2)
    with pytest.raises(TransientError):
        read_all(exports.disk)
    assert read_all(exports.disk) == client.live(tmp_path, snapshot=snapshot)
    assert exports.states == ["error", "done"]


def test_a_flat_file_is_what_was_frozen_also_in_a_new_session(
    client: Client, tmp_path: Path
) -> None:
    snapshot = client.take_snapshot(client.vm("web01"))
    client.vcenter.control.write("web01", 2000, 0, b"later")
    file = flat_file(seen_disk(snapshot), "DC0")
    frozen = client.live(tmp_path, snapshot=snapshot)
    web = Web(client)
    disk = DatastoreDisk(file, SIZE, host=host_of(client), session=web)
    assert read_all(disk) == frozen
    client.content.sessionManager.Logout()
    assert read_all(disk) == frozen
    assert web.renewals == 1
    disk.close()


def test_a_second_snapshot_is_not_read_from_a_file(client: Client) -> None:
    vm = client.vm("web01")
    assert flat_obstacle(seen_disk(client.take_snapshot(vm, "lower"))) == ""
    assert "older snapshot" in flat_obstacle(seen_disk(client.take_snapshot(vm, "upper")))
