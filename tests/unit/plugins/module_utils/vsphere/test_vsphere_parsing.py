# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""pyvmomi's objects become values: disks, interfaces, snapshots and their marks."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.disks import Disk, parse_disks
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.interfaces import (
    parse_interfaces,
    port_group_keys,
)
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.snapshots import (
    OF_A_STOPPED_VM,
    TO_START_TRACKING,
    Snapshot,
    parse_snapshots,
)
from pyVmomi import vim

from tests.unit.plugins.module_utils.vsphere.vsphere_samples import snapshot

Backing: Any = vim.vm.device.VirtualDisk
Card: Any = vim.vm.device.VirtualEthernetCard


def parse(backing: Any, **other: Any) -> Disk:
    bus = vim.vm.device.ParaVirtualSCSIController(key=1000, busNumber=0, sharedBus="noSharing")
    usual = {"key": 2000, "controllerKey": 1000, "unitNumber": 0, "capacityInKB": 8}
    found = parse_disks([vim.vm.device.VirtualDisk(backing=backing, **{**usual, **other}), bus])
    return found[0]


def test_flat_disk_is_read_whole() -> None:
    parent = Backing.FlatVer2BackingInfo(fileName="[a] web01.vmdk")
    backing = Backing.FlatVer2BackingInfo(
        fileName="[a] web01-000001.vmdk",
        uuid="6000C29",
        diskMode="persistent",
        changeId="52/4",
        thinProvisioned=True,
        parent=parent,
    )
    found = parse(backing, capacityInBytes=8193)
    assert (found.key, found.uuid, found.capacity, found.unit) == (2000, "6000C29", 8193, 0)
    assert (found.backing, found.has_parent, found.is_thin) == ("FlatVer2", True, True)
    assert (found.change_id, found.file) == ("52/4", "[a] web01-000001.vmdk")
    assert found.controller is not None
    assert (found.controller.kind, found.controller.bus) == ("ParaVirtualSCSI", 0)


def test_capacity_in_bytes_may_be_unset() -> None:
    assert parse(Backing.FlatVer2BackingInfo(fileName="x")).capacity == 8192


@pytest.mark.parametrize(
    "backing",
    [
        Backing.FlatVer1BackingInfo(fileName="x"),
        Backing.SparseVer1BackingInfo(fileName="x"),
        Backing.LocalPMemBackingInfo(fileName="x"),
        Backing.RawDiskMappingVer1BackingInfo(fileName="x"),
        Backing.SeSparseBackingInfo(fileName="x"),
        Backing.PartitionedRawDiskVer2BackingInfo(),
    ],
    ids=lambda backing: type(backing).__name__,
)
def test_backings_that_lack_properties_are_read_too(backing: Any) -> None:
    found = parse(backing)
    assert (found.change_id, found.sharing, found.has_parent) == ("", "", False)


def test_disks_come_by_key() -> None:
    devices = [vim.vm.device.VirtualDisk(key=key, capacityInKB=1) for key in (2016, 2000)]
    assert [each.key for each in parse_disks(devices)] == [2000, 2016]


def test_interfaces_tell_address_network_and_what_tools_told() -> None:
    connection = vim.dvs.PortConnection(switchUuid="x", portgroupKey="dvportgroup-13")
    devices = [
        vim.vm.device.VirtualVmxnet3(
            key=4001,
            macAddress="00:50:56:8A:00:02",
            backing=Card.DistributedVirtualPortBackingInfo(port=connection),
        ),
        vim.vm.device.VirtualE1000(
            key=4000,
            macAddress="00:50:56:8A:00:01",
            backing=Card.NetworkBackingInfo(deviceName="VM Network"),
            connectable=vim.vm.device.VirtualDevice.ConnectInfo(
                connected=True, startConnected=True, allowGuestControl=True
            ),
        ),
    ]
    told = [vim.vm.GuestInfo.NicInfo(deviceConfigId=4001, connected=True, ipAddress=["192.0.2.1"])]
    assert port_group_keys(devices) == ("dvportgroup-13",)
    first, second = parse_interfaces(devices, told, {"dvportgroup-13": "Production"})
    assert (first.mac, first.network, first.kind) == ("00:50:56:8a:00:01", "VM Network", "E1000")
    assert (first.is_connected, first.addresses) == (True, ())
    assert (second.network, second.addresses) == ("Production", ("192.0.2.1",))
    assert second.is_connected is False


def tree(moid: str, *children: Any, **other: Any) -> Any:
    usual = {
        "name": moid,
        "description": "",
        "vm": vim.VirtualMachine("vm-42"),
        "id": 1,
        "state": "poweredOff",
        "replaySupported": False,
        "createTime": datetime(2026, 11, 28, 15, tzinfo=timezone(timedelta(hours=2))),
        "quiesced": False,
    }
    reference = vim.vm.Snapshot(moid)
    return vim.vm.SnapshotTree(
        snapshot=reference, childSnapshotList=list(children), **{**usual, **other}
    )


def test_snapshots_come_with_their_parents_first() -> None:
    info = vim.vm.SnapshotInfo(
        currentSnapshot=vim.vm.Snapshot("s3"),
        rootSnapshotList=[tree("s1", tree("s2"), tree("s3", quiesced=True))],
    )
    found = parse_snapshots(info)
    assert [(each.moid, each.parent) for each in found] == [
        ("s1", None),
        ("s2", "s1"),
        ("s3", "s1"),
    ]
    assert [each.is_current for each in found] == [False, False, True]
    assert [each.is_quiesced for each in found] == [False, False, True]
    assert found[0].created == "2026-11-28T13:00:00+00:00"


def test_vm_without_snapshots_has_none() -> None:
    assert parse_snapshots(None) == ()


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        pytest.param(snapshot(), "web01", id="ours"),
        pytest.param(snapshot(TO_START_TRACKING), "web01", id="ours, for tracking"),
        pytest.param(Snapshot("s", "ferry-web01", "by hand"), None, id="our name, another's words"),
        pytest.param(snapshot(name="ferry-web0"), None, id="the name of another migration"),
        pytest.param(snapshot(name="web01"), None, id="our words, another name"),
    ],
)
def test_snapshot_is_ours_by_name_and_description(taken: Snapshot, expected: Any) -> None:
    assert taken.migration_id == expected


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        pytest.param(snapshot(), "filesystem_consistent", id="quiesced"),
        pytest.param(snapshot(is_quiesced=False), "crash_consistent", id="not quiesced"),
        pytest.param(snapshot(OF_A_STOPPED_VM, is_quiesced=False), "powered_off", id="off"),
        pytest.param(
            Snapshot("s", "x", f"{OF_A_STOPPED_VM}"), "crash_consistent", id="what others write"
        ),
    ],
)
def test_consistency_is_no_more_than_what_is_known(taken: Snapshot, expected: str) -> None:
    assert taken.consistency == expected
