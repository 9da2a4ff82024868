# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who writes to disks unseen: on a small copy of a server's /sys, and real programs on real loop devices."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.replication import lvm
from ansible_collections.ferry.hvm.plugins.module_utils.replication.lvm_view import (
    refuse_silent,
    refuse_unseen_writers,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.other_writers import (
    Known,
    find_writer,
    is_silent,
)

from tests.unit.plugins.module_utils.replication.loops import loop_device

MIB = 1 << 20
GUEST = "guest"

# The volumes of the group, by name: minor number, type, tags.
VOLUMES = {
    "root": (0, "linear", ""),
    "swap": (1, "linear", ""),
    "thin": (4, "thin", ""),
    "late": (5, "linear", ""),
    "ferry_web01_0": (6, "linear", "ferry_web01"),
}


class FakeServer:
    """sda with /boot, LVM's space and a boot loader's partition; sdb with LVM alone; sdc of which nothing is known."""

    def __init__(self, folder: Path) -> None:
        self.sys = str(folder / "sys")
        self.proc = str(folder / "proc")
        self._block = folder / "sys" / "block"
        self._mounts = folder / "proc" / "self" / "mountinfo"
        for number, name in enumerate(("sda", "sdb", "sdc")):
            self._add(name, f"8:{16 * number}")
        for number, name in enumerate(("sda1", "sda2", "sda3"), 1):
            self._add(f"sda/{name}", f"8:{number}")
            (self._block / "sda" / name / "partition").write_text(str(number))
        self._mounts.parent.mkdir(parents=True)
        self._mounts.write_text("")
        (folder / "proc" / "swaps").write_text("Filename\n/dev/dm-1 partition 1 0 -2\n")
        self.mount("8:1", "/boot")
        self.make("dm-0", "sda/sda2", "guest-root")
        self.mount("253:0", "/")
        self.make("dm-1", "sda/sda2", "guest-swap")

    def mount(self, number: str, place: str) -> None:
        """A file system is mounted."""
        with self._mounts.open("a") as mounts:
            mounts.write(f"22 1 {number} / {place} rw - xfs /dev/x rw\n")

    def make(self, name: str, of: str, title: str) -> None:
        """A volume, an array or the like is made of a device."""
        if not (self._block / name).exists():
            self._add(name, f"{'9' if name.startswith('md') else '253'}:{name[-1]}")
            (self._block / name / "dm").mkdir()
            (self._block / name / "dm" / "name").write_text(title)
        (self._block / of / "holders" / name).mkdir(parents=True)

    def refuse(self, *names: str) -> None:
        """What an operator gets who asks for `lvm_snapshot` of these disks."""
        refuse_unseen_writers(
            layout(),
            [f"{GUEST}/root"],
            {name: f"/dev/{name}" for name in names},
            sys=self.sys,
            proc=self.proc,
        )

    def refuse_silent(self, *names: str) -> None:
        """What is refused besides to who asks for `auto`."""
        paths = {name: f"/dev/{name}" for name in names}
        refuse_silent(layout(), paths, sys=self.sys, proc=self.proc)

    def _add(self, place: str, number: str) -> None:
        (self._block / place).mkdir(parents=True)
        (self._block / place / "dev").write_text(f"{number}\n")


def layout() -> lvm.Layout:
    volumes = {
        f"{GUEST}/{name}": lvm.LogicalVolume(
            f"{GUEST}/{name}",
            f"253:{minor}",
            64 * MIB,
            "" if kind == "linear" else f"it is of type {kind}",
            bool(tags),
        )
        for name, (minor, kind, tags) in VOLUMES.items()
    }
    physical = [lvm.PhysicalVolume(name, GUEST, MIB, 400 * MIB, 402 * MIB) for name in PHYSICAL]
    return lvm.Layout({}, physical, volumes, [])


PHYSICAL = ("sda2", "sdb")


@pytest.fixture
def server(tmp_path: Path) -> FakeServer:
    return FakeServer(tmp_path)


def test_a_plain_server_has_no_unseen_writer(server: FakeServer) -> None:
    """Its root has a snapshot; /boot is mounted, swap is nobody's, and the loader's partition is idle."""
    server.refuse("sda", "sdb")
    server.refuse_silent("sda", "sdb")


def test_snapshots_of_ours_are_no_writers(server: FakeServer) -> None:
    server.make("dm-6", "sda/sda2", "guest-ferry_web01_0")
    server.refuse("sda")


UNSEEN = {
    "a thin volume": (
        [("dm-2", "sda/sda2", "guest-pool"), ("dm-4", "dm-2", "guest-thin")],
        "volume guest/thin is active, and it is of type thin",
    ),
    "a volume on other disks, too": (
        [("dm-5", "sda/sda2", "guest-late")],
        "volume guest/late is active, and it lies on other disks, too",
    ),
    "an opened LUKS device on a volume": (
        [("dm-7", "dm-0", "vault")],
        "vault is active",
    ),
    "an array": ([("md0", "sda/sda3", "md0")], "md0 is active"),
}


@pytest.mark.parametrize(("made", "reason"), UNSEEN.values(), ids=UNSEEN.keys())
def test_what_is_active_and_not_mounted_is_refused_by_name(
    server: FakeServer, made: list[tuple[str, str, str]], reason: str
) -> None:
    for each in made:
        server.make(*each)
    with pytest.raises(InputError, match=f"Disk sda may be written and has no snapshot: {reason}"):
        server.refuse("sdb", "sda")


def test_what_is_mounted_is_judged_by_its_mounts(server: FakeServer) -> None:
    server.make("dm-4", "sda/sda2", "guest-thin")
    server.mount("253:4", "/srv")
    server.refuse("sda")


def test_a_disk_that_tells_of_no_use_is_refused_to_auto_only(server: FakeServer) -> None:
    server.refuse("sda", "sdc")
    with pytest.raises(
        InputError, match=r"Disk sdc has no mounted file system .* choose"
    ) as caught:
        server.refuse_silent("sda", "sdc")
    assert "source_view lvm_snapshot" in caught.value.hint


@pytest.fixture
def device(tmp_path: Path) -> Iterator[str]:
    file = tmp_path / "disk.raw"
    file.write_bytes(bytes(MIB))
    with loop_device(file) as device:
        yield device


HELD = {
    "by a program that writes": (os.O_RDWR, r"process \d+ \(.+\) has loop\d+ open"),
    "by the kernel, or exclusively": (os.O_RDONLY | os.O_EXCL, r"the kernel has loop\d+ open"),
}


@pytest.mark.parametrize(("flags", "writer"), HELD.values(), ids=HELD.keys())
def test_a_raw_disk_is_refused_while_it_is_held(device: str, flags: int, writer: str) -> None:
    assert find_writer(device, Known()) == ""
    holder = os.open(device, flags)
    try:
        with pytest.raises(InputError, match=writer):
            refuse_unseen_writers(layout(), (), {"sdb": device})
    finally:
        os.close(holder)
    assert find_writer(device, Known()) == ""


def test_a_disk_that_is_only_read_is_not_written(device: str) -> None:
    """A sender has it open, and what watches over disks."""
    reader = os.open(device, os.O_RDONLY)
    try:
        assert find_writer(device, Known()) == ""
        assert is_silent(device, ())
    finally:
        os.close(reader)
