# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's vCenter: changed block tracking, and what makes it unusable."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyVmomi import vim, vmodl

from tests.support.vcenter_client import KIB64, Client, changed_areas, disk_of, fresh_client

MIB = 1 << 20
# No whole number of blocks.
ODD_SIZE = 100 * KIB64 + 512


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    image = tmp_path / "first.raw"
    image.write_bytes(bytes(KIB64) + b"used" * 40000)
    with fresh_client(tmp_path / "vcenter", {"image": str(image), "size": ODD_SIZE}) as opened:
        opened.track(opened.vm("web01"))
        yield opened


def write_blocks(client: Client, *blocks: int) -> None:
    for block in blocks:
        client.vcenter.control.write("web01", 2000, block * KIB64 + 7, b"x")


def change_id(snapshot: object) -> str:
    return str(disk_of(snapshot).backing.changeId)


def test_the_areas_between_two_snapshots_are_those_written_between_them(client: Client) -> None:
    vm = client.vm("web01")
    write_blocks(client, 5)
    first = client.take_snapshot(vm)
    write_blocks(client, 1, 2, 9)
    second = client.take_snapshot(vm)
    write_blocks(client, 2, 30)

    areas = changed_areas(vm, second, change_id(first))

    assert areas == [(KIB64, 2 * KIB64), (9 * KIB64, KIB64)]


def test_a_change_id_is_good_after_its_snapshot_is_gone(client: Client) -> None:
    vm = client.vm("web01")
    first = client.take_snapshot(vm)
    known = change_id(first)
    write_blocks(client, 3)
    client.remove_snapshot(first)
    write_blocks(client, 4)
    second = client.take_snapshot(vm)

    assert changed_areas(vm, second, known) == [(3 * KIB64, 2 * KIB64)]
    assert change_id(second) != known


def test_the_last_block_of_a_disk_may_be_short(client: Client) -> None:
    vm = client.vm("web01")
    known = change_id(client.take_snapshot(vm))
    client.vcenter.control.write("web01", 2000, ODD_SIZE - 1, b"x")
    second = client.take_snapshot(vm)

    assert changed_areas(vm, second, known) == [(100 * KIB64, 512)]


def test_an_asterisk_asks_for_what_is_in_use(client: Client) -> None:
    vm = client.vm("web01")
    client.take_snapshot(vm)
    write_blocks(client, 50)
    second = client.take_snapshot(vm)

    areas = changed_areas(vm, second, "*")

    assert areas == [(KIB64, 3 * KIB64), (50 * KIB64, KIB64)]


@pytest.mark.parametrize(
    "limits",
    [{"page_extents": 1}, {"page_length": KIB64}, {"page_extents": 2, "page_length": 5 * KIB64}],
    ids=["by extents", "by length", "by both"],
)
def test_pages_cover_the_whole_disk_however_small_they_are(
    client: Client, limits: dict[str, int]
) -> None:
    client.vcenter.control.change_settings(**limits)
    vm = client.vm("web01")
    known = change_id(client.take_snapshot(vm))
    write_blocks(client, 0, 1, 20, 40, 41, 99)
    second = client.take_snapshot(vm)

    page = vm.QueryChangedDiskAreas(second, 2000, 0, known)
    assert page.length < ODD_SIZE
    assert changed_areas(vm, second, known) == [
        (0, 2 * KIB64),
        (20 * KIB64, KIB64),
        (40 * KIB64, 2 * KIB64),
        (99 * KIB64, KIB64),
    ]


def test_a_page_begins_where_it_is_asked_to(client: Client) -> None:
    vm = client.vm("web01")
    known = change_id(client.take_snapshot(vm))
    write_blocks(client, 1, 2)
    second = client.take_snapshot(vm)

    page = vm.QueryChangedDiskAreas(second, 2000, 2 * KIB64 - 100, known)

    assert (page.startOffset, page.length) == (2 * KIB64 - 100, ODD_SIZE - 2 * KIB64 + 100)
    assert [(area.start, area.length) for area in page.changedArea] == [
        (2 * KIB64 - 100, KIB64 + 100)
    ]


def test_an_imported_image_changes_exactly_the_blocks_that_differ(
    client: Client, tmp_path: Path
) -> None:
    vm = client.vm("web01")
    known = change_id(client.take_snapshot(vm))
    edited = bytearray(client.live(tmp_path))
    edited[10 * KIB64] ^= 1
    edited[-1] ^= 1
    image = tmp_path / "edited.raw"
    image.write_bytes(edited)

    written = client.vcenter.control.import_raw("web01", 2000, image)

    second = client.take_snapshot(vm)
    assert written == 2 * KIB64
    assert client.live(tmp_path, snapshot=second) == edited
    assert changed_areas(vm, second, known) == [(10 * KIB64, KIB64), (100 * KIB64, 512)]


def test_tracking_takes_effect_at_the_next_stun_of_a_running_machine(tmp_path: Path) -> None:
    with fresh_client(tmp_path) as client:
        client.vcenter.control.change_settings(late_change_ids=True)
        vm = client.vm("web01")
        client.track(vm)
        assert vm.config.changeTrackingEnabled is True

        first = client.take_snapshot(vm)
        second = client.take_snapshot(vm)

        assert not disk_of(first).backing.changeId
        with pytest.raises(vim.fault.FileFault):
            vm.QueryChangedDiskAreas(first, 2000, 0, "*")
        assert disk_of(second).backing.changeId


def test_tracking_of_a_machine_that_is_off_takes_effect_at_once(tmp_path: Path) -> None:
    with fresh_client(tmp_path, powered_off=True) as client:
        client.vcenter.control.change_settings(late_change_ids=True)
        client.track(client.vm("web01"))

        assert change_id(client.take_snapshot(client.vm("web01")))


def test_a_machine_without_tracking_has_no_change_ids(tmp_path: Path) -> None:
    with fresh_client(tmp_path) as client:
        vm = client.vm("web01")
        snapshot = client.take_snapshot(vm)

        assert not disk_of(snapshot).backing.changeId
        with pytest.raises(vim.fault.FileFault):
            vm.QueryChangedDiskAreas(snapshot, 2000, 0, "*")


def toggle(client: Client) -> None:
    """Off and on, each followed by the stun that lets it take effect."""
    vm = client.vm("web01")
    for on in (False, True):
        client.track(vm, on=on)
        client.remove_snapshot(client.take_snapshot(vm))


def reset(client: Client) -> None:
    client.vcenter.control.reset_change_id("web01", 2000)


def revert(client: Client) -> None:
    vm = client.vm("web01")
    client.wait(client.take_snapshot(vm).RevertToSnapshot_Task())
    client.wait(vm.RemoveAllSnapshots_Task(True))


@pytest.mark.parametrize("cause", [toggle, reset, revert])
def test_an_old_change_id_is_refused_after(client: Client, cause: object) -> None:
    vm = client.vm("web01")
    first = client.take_snapshot(vm)
    known = change_id(first)
    client.remove_snapshot(first)

    assert callable(cause)
    cause(client)
    second = client.take_snapshot(vm)

    assert change_id(second).partition("/")[0] != known.partition("/")[0]
    with pytest.raises(vim.fault.FileFault):
        vm.QueryChangedDiskAreas(second, 2000, 0, known)


def test_a_counter_that_went_back_hides_changes(client: Client) -> None:
    """The trap itself: only the smaller number tells a client that the empty answer is worth nothing."""
    vm = client.vm("web01")
    client.remove_snapshot(client.take_snapshot(vm))
    first = client.take_snapshot(vm)
    known = change_id(first)
    client.remove_snapshot(first)
    write_blocks(client, 7)

    client.vcenter.control.rewind_change_id("web01", 2000)
    second = client.take_snapshot(vm)

    before, after = known.split("/"), change_id(second).split("/")
    assert after[0] == before[0]
    assert int(after[1]) < int(before[1])
    assert changed_areas(vm, second, known) == []


def test_an_omitted_extent_is_missing_from_one_answer(client: Client) -> None:
    vm = client.vm("web01")
    known = change_id(client.take_snapshot(vm))
    write_blocks(client, 7, 9)
    second = client.take_snapshot(vm)
    client.vcenter.control.add_fault("omit_extent")

    assert changed_areas(vm, second, known) == [(9 * KIB64, KIB64)]
    assert changed_areas(vm, second, known) == [(7 * KIB64, KIB64), (9 * KIB64, KIB64)]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ((2001, 0, "*"), "deviceKey"),
        ((2000, ODD_SIZE, "*"), "startOffset"),
        ((2000, -1, "*"), "startOffset"),
        ((2000, 0, "no id"), "changeId"),
    ],
    ids=["another disk", "behind the end", "before the start", "not an id"],
)
def test_a_wrong_argument_is_named(client: Client, asked: tuple[int, int, str], named: str) -> None:
    vm = client.vm("web01")
    snapshot = client.take_snapshot(vm)

    with pytest.raises(vmodl.fault.InvalidArgument) as refused:
        vm.QueryChangedDiskAreas(snapshot, *asked)

    assert refused.value.invalidProperty == named


def test_a_growth_shows_in_the_size_alone(client: Client) -> None:
    """The trap itself: the old id is still good, and no area tells of the new end."""
    vm = client.vm("web01")
    first = client.take_snapshot(vm)
    known = change_id(first)
    client.remove_snapshot(first)
    client.vcenter.control.grow("web01", 2000, 2 * ODD_SIZE)

    second = client.take_snapshot(vm)

    assert disk_of(second).capacityInBytes == 2 * ODD_SIZE
    assert change_id(second).partition("/")[0] == known.partition("/")[0]
    assert changed_areas(vm, second, known) == []


def test_disks_are_added_grown_and_removed(client: Client, tmp_path: Path) -> None:
    control, vm = client.vcenter.control, client.vm("web01")
    key = control.add_disk("web01", size=MIB)
    assert (key, disk_of(vm, key).capacityInBytes) == (2001, MIB)
    assert change_id(client.take_snapshot(vm))
    client.wait(vm.RemoveAllSnapshots_Task(True))

    control.grow("web01", key, 2 * MIB)
    assert len(client.live(tmp_path, key=key)) == 2 * MIB

    control.remove_disk("web01", key)
    assert key not in [device.key for device in vm.config.hardware.device]
    assert control.add_disk("web01", size=MIB) == 2002
