# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's vCenter: chains of disks under snapshots, and how they end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from tests.support.vcenter_client import KIB64, Client, disk_of, fresh_client

BEFORE = bytes(range(256)) * 4096
OFFSET = 3 * KIB64 + 5


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    image = tmp_path / "first.raw"
    image.write_bytes(BEFORE)
    with fresh_client(tmp_path / "vcenter", {"image": str(image)}, {"size": 1 << 20}) as opened:
        yield opened


def write(client: Client, text: bytes, offset: int = OFFSET) -> None:
    client.vcenter.control.write("web01", 2000, offset, text)


def with_text(content: bytes, text: bytes, offset: int = OFFSET) -> bytes:
    return content[:offset] + text + content[offset + len(text) :]


def test_a_snapshot_freezes_the_flat_file_and_the_machine_writes_to_a_child(
    client: Client, tmp_path: Path
) -> None:
    vm = client.vm("web01")

    snapshot = client.take_snapshot(vm)
    write(client, b"after")

    assert client.flat() == BEFORE
    assert client.live(tmp_path) == with_text(BEFORE, b"after")
    frozen, live = disk_of(snapshot).backing, disk_of(vm).backing
    assert (frozen.fileName, frozen.parent) == ("[datastore1] web01/web01.vmdk", None)
    assert live.fileName == "[datastore1] web01/web01-000001.vmdk"
    assert live.parent.fileName == frozen.fileName
    assert frozen.uuid == live.uuid


def test_a_second_snapshot_has_a_parent_and_reads_through_it(
    client: Client, tmp_path: Path
) -> None:
    vm = client.vm("web01")
    client.take_snapshot(vm, "lower")
    write(client, b"between")
    upper = client.take_snapshot(vm, "upper")
    write(client, b"later", 0)

    assert disk_of(upper).backing.parent.fileName == "[datastore1] web01/web01.vmdk"
    assert client.live(tmp_path, snapshot=upper) == with_text(BEFORE, b"between")


def test_removal_of_the_lower_snapshot_merges_its_child_into_the_base(client: Client) -> None:
    vm = client.vm("web01")
    lower = client.take_snapshot(vm, "lower")
    write(client, b"between")
    upper = client.take_snapshot(vm, "upper")
    write(client, b"later", 0)

    client.remove_snapshot(lower)

    assert client.flat() == with_text(BEFORE, b"between")
    assert disk_of(upper).backing.fileName == "[datastore1] web01/web01.vmdk"
    assert disk_of(upper).backing.parent is None
    assert [each.name for each in vm.snapshot.rootSnapshotList] == ["upper"]
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        lower.RemoveSnapshot_Task(False)


def test_removal_of_all_snapshots_leaves_the_base_alone_with_all_that_was_written(
    client: Client, tmp_path: Path
) -> None:
    vm = client.vm("web01")
    for number in range(3):
        client.take_snapshot(vm, f"s{number}")
        write(client, b"%d" % number, number * KIB64)

    client.wait(vm.RemoveAllSnapshots_Task(True))

    assert vm.snapshot is None
    assert vm.runtime.consolidationNeeded is False
    assert disk_of(vm).backing.fileName == "[datastore1] web01/web01.vmdk"
    expected = BEFORE
    for number in range(3):
        expected = with_text(expected, b"%d" % number, number * KIB64)
    assert client.live(tmp_path) == expected
    files = (client.vcenter.directory / "datastore1" / "web01").iterdir()
    assert sorted(file.name for file in files if "0000" in file.name) == []


def test_a_removal_that_does_not_consolidate_says_so_until_somebody_does(
    client: Client, tmp_path: Path
) -> None:
    vm = client.vm("web01")
    snapshot = client.take_snapshot(vm)
    write(client, b"after")

    client.remove_snapshot(snapshot, consolidate=False)

    assert vm.snapshot is None
    assert vm.runtime.consolidationNeeded is True
    client.wait(vm.ConsolidateVMDisks_Task())
    assert vm.runtime.consolidationNeeded is False
    assert client.live(tmp_path) == with_text(BEFORE, b"after")


def test_revert_gives_the_disks_back_and_turns_the_machine_off(
    client: Client, tmp_path: Path
) -> None:
    vm = client.vm("web01")
    snapshot = client.take_snapshot(vm)
    write(client, b"wrong")

    client.wait(snapshot.RevertToSnapshot_Task())

    assert client.live(tmp_path) == BEFORE
    assert vm.runtime.powerState == "poweredOff"
    assert vm.snapshot.currentSnapshot == snapshot


def test_two_branches_keep_their_content(client: Client, tmp_path: Path) -> None:
    vm = client.vm("web01")
    root = client.take_snapshot(vm, "root")
    write(client, b"left")
    left = client.take_snapshot(vm, "left")
    client.wait(root.RevertToSnapshot_Task())
    write(client, b"right")

    client.remove_snapshot(root)

    assert client.live(tmp_path, snapshot=left) == with_text(BEFORE, b"left")
    assert client.live(tmp_path) == with_text(BEFORE, b"right")


def test_a_snapshot_is_renamed(client: Client) -> None:
    vm = client.vm("web01")
    snapshot = client.take_snapshot(vm)

    snapshot.RenameSnapshot("new", "why")

    (shown,) = vm.snapshot.rootSnapshotList
    assert (shown.name, shown.description, shown.snapshot) == ("new", "why", snapshot)


@pytest.mark.parametrize(
    ("machine", "quiesce", "quiesced"),
    [({}, True, True), ({}, False, False), ({"powered_off": True}, True, False)],
    ids=["wanted", "not wanted", "wanted of a machine that is off"],
)
def test_the_tree_says_whether_a_snapshot_was_quiesced(
    tmp_path: Path, machine: dict[str, Any], quiesce: bool, quiesced: bool
) -> None:
    with fresh_client(tmp_path, **machine) as client:
        vm = client.vm("web01")
        client.take_snapshot(vm, quiesce=quiesce)

        assert vm.snapshot.rootSnapshotList[0].quiesced is quiesced


def test_nothing_is_quiesced_without_tools(tmp_path: Path) -> None:
    with fresh_client(tmp_path, tools_absent=True) as client:
        vm = client.vm("web01")
        with pytest.raises(vim.fault.ToolsUnavailable):
            client.take_snapshot(vm, quiesce=True)

        assert vm.snapshot is None


@pytest.mark.parametrize(
    "left_out",
    [{"mode": "independent_persistent"}, {"raw_mapping": "physicalMode"}],
    ids=["independent", "raw in physical mode"],
)
def test_a_disk_that_no_snapshot_freezes_keeps_its_file(
    tmp_path: Path, left_out: dict[str, str]
) -> None:
    with fresh_client(tmp_path, {"size": 1 << 20}, {"size": 1 << 20, **left_out}) as client:
        vm = client.vm("web01")
        client.track(vm)
        snapshot = client.take_snapshot(vm)

        assert disk_of(vm, 2001).backing.fileName == "[datastore1] web01/web01_1.vmdk"
        assert disk_of(snapshot, 2000).backing.changeId
        assert not disk_of(snapshot, 2001).backing.changeId


@pytest.mark.parametrize(
    "shared",
    [{"sharing": "sharingMultiWriter"}, {"shared_bus": "physicalSharing", "bus": 1}],
    ids=["multi-writer", "shared bus"],
)
def test_a_running_machine_with_a_shared_disk_has_no_snapshots(
    tmp_path: Path, shared: dict[str, str]
) -> None:
    with fresh_client(
        tmp_path, {"size": 1 << 20}, {"size": 1 << 20, **shared}
    ) as client, pytest.raises(vim.fault.GenericVmConfigFault):
        client.take_snapshot(client.vm("web01"))


def test_the_file_that_a_running_machine_writes_to_is_locked(client: Client) -> None:
    address = client.folder("web01/web01-flat.vmdk")
    vm = client.vm("web01")

    assert client.get(address)[0] == 403
    client.wait(vm.PowerOff())
    assert client.get(address) == (200, BEFORE)


def test_ranges_of_a_frozen_file_are_served_and_counted(client: Client) -> None:
    client.take_snapshot(client.vm("web01"))
    address = client.folder("web01/web01-flat.vmdk")

    status, content = client.get(address, {"Range": f"bytes={OFFSET}-{OFFSET + 99}"})

    assert (status, content) == (206, BEFORE[OFFSET : OFFSET + 100])
    assert client.vcenter.control.counters() == {"web01/2000/folder": 100}


def test_no_file_is_served_without_a_session(client: Client) -> None:
    client.take_snapshot(client.vm("web01"))

    assert client.get(client.folder("web01/web01-flat.vmdk"), cookie=False)[0] == 401
