# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What LVM's reports tell, and what it is asked to do; a real one is asked in tests/system/test_source_view.py."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError, PermanentError
from ansible_collections.ferry.hvm.plugins.module_utils.replication import lvm
from ansible_collections.ferry.hvm.plugins.module_utils.replication.geometry import Span
from ansible_collections.ferry.hvm.plugins.module_utils.replication.lvm_view import (
    Device,
    table_spans,
    volume_parts,
)

MIB = 1 << 20
EXTENT = 4 * MIB

Row = dict[str, str]


def volume(name: str, **fields: str) -> Row:
    """Return a row of `lvs --segments` as LVM 2.03 prints it."""
    row = {
        "vg_name": "guest",
        "lv_name": name,
        "lv_tags": "",
        "lv_size": str(64 * MIB),
        "lv_active": "active",
        "lv_kernel_major": "253",
        "lv_kernel_minor": "0",
        "origin": "",
        "segtype": "linear",
        "seg_start": "0",
        "seg_size": str(64 * MIB),
        "stripes": "1",
        "stripe_size": "0",
        "devices": "/dev/sda2(0)",
        "data_percent": "",
        "lv_snapshot_invalid": "",
    }
    return {**row, **fields}


ROOT = volume("root")
GROWN = volume("root", seg_start=str(64 * MIB), devices="/dev/sdb(80)")
DATA = volume(
    "data",
    lv_kernel_minor="1",
    lv_size=str(128 * MIB),
    segtype="striped",
    seg_size=str(128 * MIB),
    stripes="2",
    stripe_size="65536",
    devices="/dev/sda2(16),/dev/sdb(0)",
)
OURS = volume(
    "ferry_web01_0",
    lv_tags="ferry_web01",
    origin="root",
    devices="/dev/sda2(40)",
    seg_size=str(12 * MIB),
    data_percent="12.50",
)


class FakeLvm:
    """Answers reports from rows, and keeps what else it is told; `fails` is part of a command that fails."""

    def __init__(self, *volumes: Row, free: int = 50, fails: str = "") -> None:
        self.volumes = list(volumes)
        self.free = free
        self.fails = fails
        self.done: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str]) -> str:
        reports: dict[str, Callable[[], list[Row]]] = {
            "vgs": self._groups,
            "pvs": self._physical,
            "lvs": lambda: self.volumes,
        }
        if command[0] in reports:
            assert command[1:3] == ["--reportformat", "json"]
            return json.dumps({"report": [{"rows": reports[command[0]]()}], "log": []})
        if self.fails and self.fails in " ".join(command):
            raise PermanentError(f"{command[0]} ended with 5.")
        self.done.append(command)
        return ""

    def _groups(self) -> list[Row]:
        group = {"vg_extent_size": str(EXTENT), "vg_free_count": str(self.free), "vg_seqno": "4"}
        return [{"vg_name": "guest", **group}]

    def _physical(self) -> list[Row]:
        rows = [("/dev/sda2", "guest", 100), ("/dev/sdb", "guest", 100), ("/dev/sdc", "", 0)]
        return [
            {
                "pv_name": name,
                "vg_name": group,
                "pe_start": str(MIB),
                "pv_pe_count": str(count),
                "dev_size": str(402 * MIB),
            }
            for name, group, count in rows
        ]


def test_segments_lie_where_the_report_says() -> None:
    layout = lvm.read_layout(FakeLvm(ROOT, GROWN, DATA))
    assert [part for part in layout.segments if part.volume == "guest/root"] == [
        lvm.Segment("guest/root", "sda2", MIB, 64 * MIB, 0, 1, 0, 64 * MIB),
        lvm.Segment("guest/root", "sdb", MIB + 80 * EXTENT, 64 * MIB, 64 * MIB, 1, 0, 64 * MIB),
    ]
    assert [part for part in layout.segments if part.volume == "guest/data"] == [
        lvm.Segment("guest/data", "sda2", MIB + 16 * EXTENT, 64 * MIB, 0, 2, 0, 65536),
        lvm.Segment("guest/data", "sdb", MIB, 64 * MIB, 0, 2, 1, 65536),
    ]
    assert layout.physical[0] == lvm.PhysicalVolume(
        "sda2", "guest", MIB, MIB + 100 * EXTENT, 402 * MIB
    )
    assert len(layout.physical) == 2, "a device of no group holds nothing"


WHY_NOT = {
    "a mirror": ([volume("v", segtype="raid1")], "it is of type raid1"),
    "a thin volume": ([volume("v", segtype="thin")], "it is of type thin"),
    "a volume that is a mirror in part": (
        [volume("v", segtype="raid1"), volume("v")],
        "it is of type raid1",
    ),
    "a mirror's half": ([volume("[v_rimage_0]")], "it is a part of another volume"),
    "another's snapshot": ([volume("v", origin="root")], "it is a snapshot itself"),
    "a volume that is off": ([volume("v", lv_active="")], "it is not active"),
    "a plain volume": ([volume("v")], ""),
}


@pytest.mark.parametrize(("rows", "why_not"), WHY_NOT.values(), ids=WHY_NOT.keys())
def test_which_volumes_can_have_a_snapshot(rows: list[Row], why_not: str) -> None:
    (found,) = lvm.read_layout(FakeLvm(*rows)).volumes.values()
    assert found.why_not == why_not


def test_snapshots_share_the_free_space_by_the_size_of_their_volumes() -> None:
    layout = lvm.read_layout(FakeLvm(ROOT, DATA, free=15))
    assert lvm.share_space(layout, ["guest/root", "guest/data"]) == {
        "guest/root": 4,
        "guest/data": 8,
    }


def test_a_snapshot_takes_no_more_than_all_that_can_change() -> None:
    layout = lvm.read_layout(FakeLvm(ROOT, free=1000))
    assert lvm.share_space(layout, ["guest/root"]) == {"guest/root": 17}


def test_too_little_space_is_told_with_what_is_needed() -> None:
    layout = lvm.read_layout(FakeLvm(ROOT, free=0))
    with pytest.raises(InputError, match=r"Group guest has 0 bytes free; .* at least 8388608"):
        lvm.share_space(layout, ["guest/root"])


def test_a_snapshot_is_marked_by_the_call_that_makes_it() -> None:
    fake = FakeLvm(ROOT, DATA)
    paths = lvm.take_snapshots("web01", {"guest/root": 3, "guest/data": 6}, fake)
    assert paths == {
        "guest/data": "/dev/guest/ferry_web01_0",
        "guest/root": "/dev/guest/ferry_web01_1",
    }
    assert len(fake.done) == 2
    for command in fake.done:
        assert command[0] == "lvcreate"
        marks = {"--addtag=ferry_web01", "--permission=r", "--autobackup=n"}
        assert marks <= set(command)


def test_a_snapshot_that_fails_takes_the_others_with_it() -> None:
    fake = FakeLvm(ROOT, DATA, OURS, fails="ferry_web01_1")
    with pytest.raises(PermanentError, match="lvcreate ended with 5"):
        lvm.take_snapshots("web01", {"guest/root": 3, "guest/data": 6}, fake)
    assert fake.done[-1] == ["lvremove", "--yes", "--autobackup=n", "guest/ferry_web01_0"]


def test_only_what_has_our_name_and_our_tag_is_ours() -> None:
    others = [
        volume("ferry_web01_1"),
        volume("backup", lv_tags="ferry_web01"),
        volume("ferry_web010_0", lv_tags="ferry_web01,x"),
        volume("ferry_web02_0", lv_tags="old,ferry_web02", lv_snapshot_invalid="snapshot invalid"),
    ]
    fake = FakeLvm(OURS, *others)
    assert lvm.list_snapshots(fake) == [
        lvm.Snapshot("guest/ferry_web01_0", "web01", 12.5, False),
        lvm.Snapshot("guest/ferry_web02_0", "web02", 0, True),
    ]
    assert lvm.remove_snapshots("web01", fake) == ["guest/ferry_web01_0"]
    assert [command[-1] for command in fake.done] == ["guest/ferry_web01_0"]


def test_a_program_that_fails_is_told_in_its_own_words() -> None:
    with pytest.raises(PermanentError, match=r"ended with 2: .*no-such-file"):
        lvm.run_lvm(["ls", "/no-such-file"])
    with pytest.raises(PermanentError, match="no-such-program did not run"):
        lvm.run_lvm(["no-such-program"])


DEVICES = {
    "sda": Device("sda", Span(0, 600 * MIB)),
    "sda1": Device("sda", Span(MIB, 100 * MIB)),
    "sda2": Device("sda", Span(101 * MIB, 402 * MIB)),
    "sdb": Device("sdb", Span(0, 402 * MIB)),
}


def test_a_disk_is_read_through_snapshots_where_its_volumes_are() -> None:
    namesake = volume("backup", lv_tags="ferry_web01", devices="/dev/sda2(60)")
    layout = lvm.read_layout(FakeLvm(ROOT, DATA, OURS, namesake))
    snapshots = {"guest/root": "/dev/guest/ferry_web01_0", "guest/data": "/dev/guest/d"}
    parts = volume_parts(layout, DEVICES, snapshots)
    assert [(part.span, part.volume) for part in parts["sda"]] == [
        (Span(102 * MIB, 64 * MIB), "guest/root"),
        (Span(102 * MIB + 16 * EXTENT, 64 * MIB), "guest/data"),
        (Span(102 * MIB + 40 * EXTENT, 12 * MIB), None),
    ]
    (striped,) = parts["sdb"]
    assert (striped.span, striped.stripes, striped.stripe_number) == (Span(MIB, 64 * MIB), 2, 1)


def test_tables_of_the_disk_and_of_lvm_are_saved() -> None:
    layout = lvm.read_layout(FakeLvm(ROOT))
    assert table_spans(layout, "sda", DEVICES, 600 * MIB) == [
        Span(0, MIB),
        Span(599 * MIB, MIB),
        Span(101 * MIB, MIB),
        Span(502 * MIB, MIB),
    ]


def test_a_physical_volume_without_partitions_has_its_tables_saved_once() -> None:
    layout = lvm.read_layout(FakeLvm(ROOT))
    assert table_spans(layout, "sdb", DEVICES, 402 * MIB) == [
        Span(0, MIB),
        Span(401 * MIB, MIB),
    ]
