# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's vCenter: machines as their inventory describes them, and as a client finds them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import vim

from lab.errors import LabError
from lab.vcenter.server import local_vcenter
from tests.support.vcenter_client import Client, fresh_client, log_in

MIB = 1 << 20
DESCRIBED: dict[str, Any] = {
    "name": "db01",
    "guest_id": "rhel8_64Guest",
    "firmware": "efi",
    "memory_mib": 2048,
    "cpus": 4,
    "powered_off": True,
    "host": 1,
    "nics": [
        {"mac": "00:50:56:01:02:03", "network": "Production"},
        {"mac": "00:50:56:01:02:04", "network": "Backup"},
    ],
    "disks": [
        {"size": MIB},
        {"size": MIB},
        {"size": MIB, "controller": "lsilogic", "bus": 1, "unit": 8},
    ],
}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with local_vcenter(tmp_path, {"vms": [{"name": "web01"}, DESCRIBED]}) as vcenter:
        yield log_in(vcenter)


def devices(vm: Any, kind: type) -> list[Any]:
    return [each for each in vm.config.hardware.device if isinstance(each, kind)]


def test_a_machine_is_as_it_is_described(client: Client) -> None:
    vm = client.vm("db01")

    assert (vm.config.guestId, vm.config.firmware) == ("rhel8_64Guest", "efi")
    assert (vm.config.hardware.memoryMB, vm.config.hardware.numCPU) == (2048, 4)
    assert vm.runtime.powerState == "poweredOff"
    assert vm.runtime.host.name == "DC0_C0_H1"
    assert [each.name for each in vm.datastore] == ["datastore1"]


def test_its_cards_have_their_addresses_and_networks(client: Client) -> None:
    cards = devices(client.vm("db01"), vim.vm.device.VirtualEthernetCard)

    assert [(card.macAddress, card.backing.network.name) for card in cards] == [
        ("00:50:56:01:02:03", "Production"),
        ("00:50:56:01:02:04", "Backup"),
    ]


def test_its_disks_have_places_keys_and_names_of_their_own(client: Client) -> None:
    vm = client.vm("db01")
    disks = devices(vm, vim.vm.device.VirtualDisk)

    assert [(disk.key, disk.controllerKey, disk.unitNumber) for disk in disks] == [
        (2000, 1000, 0),
        (2001, 1000, 1),
        (2002, 1001, 8),
    ]
    assert len({disk.backing.uuid for disk in disks}) == 3
    assert [disk.capacityInBytes for disk in disks] == [MIB] * 3
    assert len(devices(vm, vim.vm.device.ParaVirtualSCSIController)) == 1
    assert len(devices(vm, vim.vm.device.VirtualLsiLogicController)) == 1


def test_machines_are_found_by_view_path_and_uuid(client: Client) -> None:
    content, vm = client.content, client.vm("web01")
    kinds = [vim.VirtualMachine]
    view = content.viewManager.CreateContainerView(content.rootFolder, kinds, True)

    assert sorted(each.name for each in view.view) == ["db01", "web01"]
    assert content.searchIndex.FindByUuid(None, vm.config.uuid, True, False) == vm
    assert vm.summary.vm == vm


def test_a_client_cannot_destroy_the_labs_machines(client: Client) -> None:
    with pytest.raises(vim.fault.MethodDisabled):
        client.vm("db01").Destroy_Task()


def test_a_later_start_adds_what_is_new_and_keeps_what_is_known(tmp_path: Path) -> None:
    with fresh_client(tmp_path) as client:
        uuid = client.vm("web01").config.instanceUuid
    changed = {"name": "web01", "cpus": 8}

    with local_vcenter(tmp_path, {"vms": [changed, {"name": "db01"}]}) as vcenter:
        client = log_in(vcenter)
        web, database = client.vm("web01"), client.vm("db01")

        assert (web.config.hardware.numCPU, web.config.instanceUuid) == (1, uuid)
        assert (web._moId, database._moId) == ("vm-101", "vm-102")


def test_a_machine_without_a_usable_description_stops_the_start(tmp_path: Path) -> None:
    described = {"name": "web01", "disks": [{}]}

    with pytest.raises(LabError, match="did not write"), local_vcenter(
        tmp_path, {"vms": [described]}
    ):
        pass

    assert "a disk needs an image or a size" in (tmp_path / "server.log").read_text()
