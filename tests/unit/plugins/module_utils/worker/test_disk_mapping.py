# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each source disk finds its one device, and every doubt is an error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.units import GIB
from ansible_collections.ferry.hvm.plugins.module_utils.worker.block_devices import BlockDevice
from ansible_collections.ferry.hvm.plugins.module_utils.worker.disk_mapping import (
    MappingError,
    SourceDisk,
    Wanted,
    map_disks,
)

UUID_A = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
UUID_B = "2c5f39cb-3fb2-22e3-994f-1127e4ddb538"
SDA, SDB = SourceDisk("sda", 3 * GIB), SourceDisk("sdb", GIB)


def device(name: str, **other: Any) -> BlockDevice:
    known = {"size": 4 * GIB, "serial": "", "pci_address": "0000:00:0a.0", "is_in_use": False}
    return BlockDevice(name=name, path=f"/dev/{name}", **{**known, **other})


OWN = device("vda", pci_address="0000:00:0a.0", is_in_use=True, size=2 * GIB)
VDB = device("vdb", pci_address="0000:00:0b.0")
VDC = device("vdc", pci_address="0000:00:0c.0")


def found(*arguments: Any, **options: Any) -> list[tuple[str, str, str]]:
    matches = map_disks(*arguments, **options)
    return [(each.source.name, each.device.path, each.by) for each in matches]


def test_a_serial_tells_whatever_the_order() -> None:
    devices = [OWN, device("vdb", serial=UUID_B[:20]), device("vdc", serial=UUID_A[:20])]
    wanted = [Wanted("sda", serial=UUID_A), Wanted("sdb", serial=UUID_B)]
    assert found([SDA, SDB], wanted, devices) == [
        ("sda", "/dev/vdc", "serial"),
        ("sdb", "/dev/vdb", "serial"),
    ]


def test_units_tell_by_their_rank_when_there_is_no_serial() -> None:
    wanted = [Wanted("sda", serial=UUID_A, unit=7), Wanted("sdb", serial=UUID_B, unit=3)]
    assert found([SDA, SDB], wanted, [VDC, OWN, VDB], units_in_order=True) == [
        ("sda", "/dev/vdc", "unit"),
        ("sdb", "/dev/vdb", "unit"),
    ]


def test_one_by_serial_leaves_the_other_to_its_unit() -> None:
    devices = [OWN, VDB, device("vdc", serial=UUID_A[:20])]
    wanted = [Wanted("sda", serial=UUID_A, unit=1), Wanted("sdb", unit=2)]
    assert found([SDA, SDB], wanted, devices, units_in_order=True) == [
        ("sda", "/dev/vdc", "serial"),
        ("sdb", "/dev/vdb", "unit"),
    ]


def test_the_operators_path_goes_before_all() -> None:
    devices = [device("loop3", pci_address=""), device("vdb", serial=UUID_A[:20])]
    wanted = [Wanted("sda", serial=UUID_A, path="/dev/loop3")]
    assert found([SDA], wanted, devices) == [("sda", "/dev/loop3", "path")]


@pytest.mark.parametrize(
    ("wanted", "devices", "complaint"),
    [
        pytest.param(
            [Wanted("sda", serial=UUID_A)],
            [device("vdb", serial=UUID_A[:20]), device("vdc", serial=UUID_A[:20])],
            "2 disks of the worker have the serial",
            id="two devices with the serial",
        ),
        pytest.param(
            [Wanted("sda", serial=UUID_A, unit=1)],
            [device("vdb", serial=UUID_B[:20])],
            "No disk of the worker is surely",
            id="a serial that is another volume's, whatever the unit",
        ),
        pytest.param(
            [Wanted("sda", unit=1)],
            [VDB, VDC],
            "No disk of the worker is surely",
            id="two free devices for one unit",
        ),
        pytest.param(
            [Wanted("sda", serial=UUID_A)],
            [VDB],
            r"sda \(serial 1b4e28ba-2fa1-11d2-8, unit None\)",
            id="neither serial nor unit",
        ),
        pytest.param([Wanted("sda", unit=1)], [], "The worker has none", id="no disk at all"),
        pytest.param(
            [Wanted("sda", unit=1)],
            [OWN],
            "No disk of the worker is surely",
            id="only the worker's own disk",
        ),
        pytest.param(
            [Wanted("sda", path="/dev/vdx")], [VDB], "has no disk /dev/vdx", id="unknown path"
        ),
        pytest.param(
            [Wanted("sda", path="/dev/vda")],
            [OWN],
            "/dev/vda, found by path for sda, is in use",
            id="the worker's own disk by path",
        ),
        pytest.param(
            [Wanted("sda", serial=UUID_A)],
            [device("vdb", serial=UUID_A[:20], size=3 * GIB - 512)],
            r"too small for sda, which needs 3\.0 GiB \(3221225472\)",
            id="one sector too small",
        ),
        pytest.param(
            [Wanted("sda", unit=1, size=5 * GIB)],
            [VDB],
            "so it is another disk",
            id="a unit whose size is not the volume's",
        ),
        pytest.param(
            [Wanted("sdb", unit=1)], [VDB], "exports sda; target_disks are for sdb", id="other name"
        ),
        pytest.param([], [VDB], "exports sda; target_disks are for", id="no volume named"),
    ],
)
def test_doubt_is_refused(wanted: list[Wanted], devices: list[BlockDevice], complaint: str) -> None:
    with pytest.raises(MappingError, match=complaint):
        map_disks([SDA], wanted, devices, units_in_order=True)


def test_two_disks_on_one_device_are_refused() -> None:
    wanted = [Wanted("sda", path="/dev/vdb"), Wanted("sdb", path="/dev/vdb")]
    with pytest.raises(MappingError, match="/dev/vdb would take both sda and sdb"):
        map_disks([SDA, SDB], wanted, [VDB])


def test_two_equal_units_are_refused() -> None:
    wanted = [Wanted("sda", unit=1), Wanted("sdb", unit=1)]
    with pytest.raises(MappingError, match="No disk of the worker is surely"):
        map_disks([SDA, SDB], wanted, [VDB, VDC], units_in_order=True)


def test_a_source_disk_named_twice_is_refused() -> None:
    wanted = [Wanted("sda", unit=1), Wanted("sda", unit=2)]
    with pytest.raises(MappingError, match="named twice"):
        map_disks([SDA, SDA], wanted, [VDB, VDC])


def test_no_disk_at_all_is_refused() -> None:
    with pytest.raises(MappingError, match="source_disks is empty"):
        map_disks([], [], [VDB])


FIVE = [SourceDisk(f"disk-200{number}", GIB) for number in range(5)]
ORDERS = pytest.mark.parametrize("order", list(permutations(range(5))))


def five_devices(order: Sequence[int], **marks: Sequence[Any]) -> list[BlockDevice]:
    """Device n of five has the nth PCI address and is the volume `order[n]`, with its marks."""
    return [
        device(
            f"vd{'bcdef'[place]}",
            pci_address=f"0000:00:{0x0B + place:02x}.0",
            size=GIB,
            **{name: values[volume] for name, values in marks.items()},
        )
        for place, volume in enumerate(order)
    ]


def as_ordered(order: Sequence[int], by: str) -> list[tuple[str, str, str]]:
    return [
        (f"disk-200{volume}", f"/dev/vd{'bcdef'[order.index(volume)]}", by) for volume in range(5)
    ]


@ORDERS
def test_five_equal_disks_are_told_by_serial_in_any_order(order: Sequence[int]) -> None:
    serials = [f"{number}{UUID_A}" for number in range(5)]
    wanted = [
        Wanted(disk.name, serial=serials[number], unit=number, size=GIB)
        for number, disk in enumerate(FIVE)
    ]
    devices = five_devices(order, serial=[serial[:20] for serial in serials])
    assert found(FIVE, wanted, [OWN, *devices]) == as_ordered(order, "serial")


@ORDERS
def test_five_equal_disks_are_told_by_what_they_held_in_any_order(order: Sequence[int]) -> None:
    contents = [f"gpt-{number}" for number in range(5)]
    wanted = [
        Wanted(disk.name, serial=UUID_A, unit=number, size=GIB, content=contents[number])
        for number, disk in enumerate(FIVE)
    ]
    devices = five_devices(order, content=contents)
    assert found(FIVE, wanted, [OWN, *devices], units_in_order=True) == as_ordered(order, "content")


@ORDERS
def test_five_blank_disks_of_different_sizes_are_told_in_any_order(order: Sequence[int]) -> None:
    sizes = [(number + 1) * GIB for number in range(5)]
    wanted = [
        Wanted(disk.name, unit=number, size=sizes[number]) for number, disk in enumerate(FIVE)
    ]
    devices = [replace(each, size=sizes[order[n]]) for n, each in enumerate(five_devices(order))]
    assert found(FIVE, wanted, [OWN, *devices]) == as_ordered(order, "size")


@ORDERS
def test_five_equal_blank_disks_without_serials_are_refused(order: Sequence[int]) -> None:
    wanted = [Wanted(disk.name, unit=number, size=GIB) for number, disk in enumerate(FIVE)]
    with pytest.raises(MappingError, match="No disk of the worker is surely"):
        map_disks(FIVE, wanted, [OWN, *five_devices(order)])


def test_a_clone_beside_its_original_is_not_told_by_content() -> None:
    wanted = [Wanted("sda", unit=1, content="gpt-1"), Wanted("sdb", unit=2, content="gpt-1")]
    devices = [replace(VDB, content="gpt-1"), replace(VDC, content="gpt-1")]
    with pytest.raises(MappingError, match="No disk of the worker is surely"):
        map_disks([SDA, SDB], wanted, devices, units_in_order=True)


def test_units_do_not_speak_for_a_disk_whose_content_is_gone() -> None:
    wanted = [Wanted("sda", unit=1, content="gpt-1"), Wanted("sdb", unit=2, content="gpt-2")]
    with pytest.raises(MappingError, match="No disk of the worker is surely"):
        map_disks([SDA, SDB], wanted, [VDB, VDC], units_in_order=True)


def test_disks_behind_one_controller_have_no_order_of_addresses() -> None:
    """SCSI disks share their controller's: only their names would order them, which no unit made."""
    wanted = [Wanted("sda", unit=0), Wanted("sdb", unit=1)]
    devices = [device("sda", pci_address="0000:00:05.0"), device("sdb", pci_address="0000:00:05.0")]
    with pytest.raises(MappingError, match="surely the volume"):
        map_disks([SDA, SDB], wanted, devices, units_in_order=True)


def test_a_disk_without_serial_beside_those_that_were_found_is_nobodys_business() -> None:
    devices = [device("vdb", serial=UUID_A[:20]), VDC]
    assert found([SDA], [Wanted("sda", serial=UUID_A)], devices) == [("sda", "/dev/vdb", "serial")]
