# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM in the words for a source server."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.model import is_prepared_release
from ansible_collections.ferry.hvm.plugins.module_utils.workload.pairing import (
    fixed_disks,
    pair_disks,
    pair_interfaces,
    volumes_for_disks,
)
from ansible_collections.ferry.hvm.plugins.module_utils.workload.vm_source import vm_as_source

GIB = 1 << 30
WORKER = {"exports": [], "port_free": True, "is_root": True, "python": "3.11.2", "os": {"id": "x"}}


def disk(key: int, **more: Any) -> dict[str, Any]:
    usual = {"key": key, "file": f"[ds] web01/{key}.vmdk", "uuid": f"6000-{key}", "capacity": GIB}
    at = {"type": "ParaVirtualSCSI", "bus": 0}
    return {**usual, "controller": at, "unit": key - 2000, "snapshot_obstacle": None, **more}


def vm(*disks: dict[str, Any], **guest: Any) -> dict[str, Any]:
    told = {"id": "debian12_64Guest", "full_name": None, "hostname": None, **guest}
    card = {"mac": "00:50:56:00:00:11", "network": "Production", "addresses": None}
    return {
        "name": "web01",
        "guest": told,
        "firmware": "bios",
        "secure_boot": False,
        "tpm": False,
        "cpus": 2,
        "memory": GIB,
        "interfaces": [card],
        "disks": list(disks),
    }


@pytest.mark.parametrize(
    ("told", "firmware"), [("bios", "bios"), ("efi", "efi"), (None, "bios")], ids=str
)
def test_the_firmware_is_the_vms_and_a_bios_where_it_tells_none(
    told: str | None, firmware: str
) -> None:
    source = vm_as_source({**vm(), "firmware": told, "secure_boot": told == "efi"}, WORKER)
    assert (source["firmware"], source["secure_boot"]) == (firmware, told == "efi")


@pytest.mark.parametrize("has_one", [True, False])
def test_a_virtual_tpm_is_told(has_one: bool) -> None:
    assert vm_as_source({**vm(), "tpm": has_one}, WORKER)["tpm"] is has_one


@pytest.mark.parametrize(
    ("guest", "release"),
    [
        ({"id": "debian12_64Guest"}, ("debian", "12")),
        ({"id": "debian11_64Guest"}, ("debian", "11")),
        ({"full_name": "Debian GNU/Linux 13 (64-bit)"}, ("debian", "13")),
        ({"id": "otherLinux64Guest"}, ("", "")),
        ({"id": "windows2019srv_64Guest"}, ("", "")),
        ({"id": None}, ("", "")),
    ],
)
def test_the_release_is_what_tools_tell_else_what_the_vm_was_made_for(
    guest: dict[str, Any], release: tuple[str, str]
) -> None:
    seen = vm_as_source(vm(**guest), WORKER)["os"]
    assert (seen["id"], seen["version"]) == release
    assert is_prepared_release(*release) is bool(release[0])


def test_disks_are_named_after_their_keys_and_so_are_their_volumes() -> None:
    disks = vm_as_source(vm(disk(2000), disk(2016), disk(2001)), WORKER)["disks"]
    volumes = volumes_for_disks(disks, datastore="ds")
    assert [each["name"] for each in volumes] == ["disk-2000", "disk-2016", "disk-2001"]
    made = [
        {**each, "id": number, "uuid": f"u{number}", "unit": None}
        for number, each in enumerate(reversed(volumes))
    ]
    pairs = pair_disks(fixed_disks(disks), made, {})
    assert [each.volume_name for each in pairs] == [each.source for each in pairs]


def test_a_disk_that_is_left_out_is_not_carried_and_no_obstacle() -> None:
    independent = disk(2001, snapshot_obstacle="it is independent")
    whole = vm_as_source(vm(disk(2000), independent), WORKER)["disks"]
    assert [each["obstacle"] for each in whole] == ["", "it is independent"]
    without = vm_as_source(vm(disk(2000), independent), WORKER, left_out=[2001])["disks"]
    assert [each["name"] for each in fixed_disks(without)] == ["disk-2000"]
    assert [each["obstacle"] for each in without] == ["", ""]


def test_port_and_rights_are_the_source_workers_and_the_rest_is_the_vms() -> None:
    seen = vm_as_source(vm(disk(2000)), {**WORKER, "is_root": False})
    assert (seen["is_root"], seen["view"]["view"]) == (False, "vcenter_snapshot")
    assert (seen["hostname"], seen["cpus"]) == ("web01", 2)
    (pair,) = pair_interfaces(seen["interfaces"], [{"mac": "52:54:00:00:00:01"}])
    assert (pair["name"], pair["source_mac"]) == ("", "00:50:56:00:00:11")


def devices(*disks: dict[str, Any]) -> list[str]:
    return [each["device"] for each in vm_as_source(vm(*disks), WORKER)["disks"]]


def test_one_controllers_disks_are_called_by_the_order_of_their_units() -> None:
    assert devices(disk(2000, unit=3), disk(2001, unit=0)) == ["sdb", "sda"]


def test_over_several_controllers_or_nvme_no_disk_gets_a_name_of_the_guests() -> None:
    other = {"type": "ParaVirtualSCSI", "bus": 1}
    assert devices(disk(2000), disk(2001, controller=other)) == ["disk-2000", "disk-2001"]
    assert devices(disk(2000, controller={"type": "NVME", "bus": 0})) == ["disk-2000"]
    assert devices(disk(2000), disk(2001, controller=None)) == ["disk-2000", "disk-2001"]
