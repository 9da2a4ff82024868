# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of a real LVM: what is read through them is the server as it was, whatever it writes meanwhile.

The server here is a worker in a machine, for it has LVM's programs and a kernel with device-mapper. What is
proven, the guest's own tools prove: LVM, e2fsck, the kernel's XFS and sha256sum, on disks that were written
back byte by byte.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication.package import build_sender

from lab.settings import LabSettings
from tests.support.machine_lab import machine_lab
from tests.system.worker_machine import GIB, Worker, boot, build_image, seed

pytestmark = [pytest.mark.boots, pytest.mark.timeout(900)]

MIB = 1 << 20
# mkfs.xfs makes nothing below 300 MiB.
DISKS = {"first": 416 * MIB, "second": 384 * MIB}

# A boot partition, a volume on one disk, one that is striped over two, and swap.
MAKE_SERVER = """
set -e
blockdev --setrw /dev/vdb /dev/vdc
printf 'label: gpt\\nsize=32M\\ntype=lvm\\n' | sfdisk -q /dev/vdb
udevadm settle
mkdir /tmp/lvm
echo 'devices { use_devicesfile = 0 }' > /tmp/lvm/lvm.conf
export LVM_SYSTEM_DIR=/tmp/lvm
pvcreate -q /dev/vdb2 /dev/vdc
vgcreate -q guest /dev/vdb2 /dev/vdc
lvcreate -q -y -n root -L 64M guest /dev/vdb2
lvcreate -q -y -n data -L 320M -i 2 -I 64k guest
lvcreate -q -y -n swap -L 8M guest
mkswap -q /dev/guest/swap && swapon /dev/guest/swap
mkfs.ext4 -q /dev/vdb1
mkfs.ext4 -q /dev/guest/root
mkfs.xfs -q /dev/guest/data
mkdir -p /boot /srv/root /srv/data /srv/other
mount /dev/vdb1 /boot
mount /dev/guest/root /srv/root
mount /dev/guest/data /srv/data
for place in /boot /srv/root /srv/data; do
    for number in 1 2 3 4; do head -c 3000000 /dev/urandom > $place/$number; done
    (cd $place && sha256sum 1 2 3 4 > SUMS)
done
"""

# Overwritten in place, removed and new, all on the storage; and LVM's metadata change too.
CHANGE_SERVER = """
set -e
for place in /srv/root /srv/data; do
    head -c 3000000 /dev/urandom | dd of=$place/1 conv=notrunc status=none
    rm $place/2
    head -c 3000000 /dev/urandom > $place/5
    sync -f $place
done
lvcreate -q -y -n late -L 4M guest
"""

# The disks as they were carried take the place of the server's own.
BECOME_TARGET = """
set -e
swapoff /dev/guest/swap
umount /boot /srv/root /srv/data
vgchange -q -an guest
for disk in vdb vdc; do
    blkdiscard --force --zeroout /dev/$disk
    dd if=/var/lib/ferry/$disk of=/dev/$disk bs=1M conv=sparse,fsync status=none
done
rm /var/lib/ferry/vdb /var/lib/ferry/vdc
partprobe /dev/vdb 2>/dev/null || blockdev --rereadpt /dev/vdb
udevadm settle
vgck guest
vgchange -q -ay guest
e2fsck -fn /dev/guest/root
mount /dev/vdb1 /boot
mount /dev/guest/root /srv/root
mount /dev/guest/data /srv/data
for place in /boot /srv/root /srv/data; do
    (cd $place && sha256sum --quiet -c SUMS && echo "FILES $place" $(ls -I lost+found))
done
echo VOLUMES $(lvs --noheadings -o lv_name guest | sort)
swapon /dev/guest/swap
"""

# What the sender does, without its network. Its answer is the last line.
PROGRAM = """
import json, os, subprocess, sys
from contextlib import closing
sys.path.insert(0, "/var/lib/ferry/sender.pyz")
from ferry.errors import FerryError
from ferry.replication.digests import is_zero
from ferry.replication.disks import aligned_buffer
from ferry.replication.limits import CHUNK
from ferry.replication.source_view import discard_snapshots, list_snapshots, open_view
from ferry.replication.used_blocks import without_unused

PATHS = {"vdb": "/dev/vdb", "vdc": "/dev/vdc"}

def carry(name, disk):
    buffer = aligned_buffer()
    with open("/var/lib/ferry/" + name, "wb") as image, closing(disk):
        for start in range(0, disk.size, CHUNK):
            chunk = disk.read(start, min(CHUNK, disk.size - start), buffer)
            if not is_zero(chunk):
                image.seek(start)
                image.write(chunk)
        image.truncate(disk.size)

def names():
    return [each.name for each in list_snapshots()]

def refused(work):
    try:
        work()
    except FerryError as error:
        return error.what
    return ""

def tell(**answer):
    print(json.dumps(answer))
    sys.stdout.flush()
"""


class Server:
    """The machine, and programs that run on it with the sender's code."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def shell(self, script: str) -> str:
        return self._worker.run("LVM_SYSTEM_DIR=/tmp/lvm sh", given=script)

    def program(self, script: str) -> dict[str, Any]:
        said = self._worker.run("LVM_SYSTEM_DIR=/tmp/lvm python3 -", given=PROGRAM + script)
        answer: dict[str, Any] = json.loads(said.splitlines()[-1])
        return answer


@pytest.fixture(scope="module", name="lab")
def _lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabSettings]:
    with machine_lab("view", 12, tmp_path_factory.mktemp("view")) as lab:
        yield lab


def blanks(folder: Path) -> Sequence[Path]:
    paths = [folder / f"{name}.raw" for name in DISKS]
    for path, size in zip(paths, DISKS.values(), strict=True):
        path.touch()
        os.truncate(path, size)
    return paths


@pytest.fixture(scope="module", name="server")
def _server(lab: LabSettings) -> Iterator[Server]:
    disk = seed(build_image()[0], lab.directory / "worker.raw", lab)
    os.truncate(disk.path, 2 * GIB)
    worker = boot(lab, disk, blanks(lab.directory), name="server")
    try:
        worker.wait_until_ready()
        server = Server(worker)
        server.shell(MAKE_SERVER)
        deliver(worker)
        yield server
    finally:
        worker.cut_off()


def deliver(worker: Worker) -> None:
    """The sender's program lies on the server."""
    encoded = build_sender().hex()
    code = (
        "import sys; open('/var/lib/ferry/sender.pyz', 'wb').write(bytes.fromhex(sys.stdin.read()))"
    )
    worker.run(f'python3 -c "{code}"', given=encoded)


def test_a_killed_senders_snapshots_are_listed_and_the_next_view_removes_them(
    server: Server,
) -> None:
    """And no volume of ours becomes another migration's, or the operator's."""
    killed = server.program(
        """
open_view("lvm_snapshot", "web01", PATHS)
tell(names=names())
os._exit(0)
"""
    )
    assert killed["names"] == ["guest/ferry_web01_0", "guest/ferry_web01_1"]
    server.shell("lvcreate -q -y -n ferry_web01 -L 4M --addtag ferry_web01 guest")
    after = server.program(
        """
found = names()
others = discard_snapshots("web02")
removed = discard_snapshots("web01")
tell(found=found, others=others, removed=removed, left=names())
"""
    )
    assert after["found"] == after["removed"] == killed["names"]
    assert after["others"] == after["left"] == []
    assert server.shell("lvs --noheadings -o lv_name guest | sort").split() == [
        "data",
        "ferry_web01",
        "root",
        "swap",
    ]
    server.shell("lvremove -q -y guest/ferry_web01")


def test_a_view_without_a_snapshot_of_everything_says_why(server: Server) -> None:
    server.shell("umount /boot && mount /dev/vdb1 /srv/other")
    try:
        found = server.program(
            """
view = open_view("auto", "web01", PATHS)
tell(view=view.view.word, reason=view.reason, left=names(),
     refused=refused(lambda: open_view("lvm_snapshot", "web01", PATHS)))
"""
        )
    finally:
        server.shell("umount /srv/other && mount /dev/vdb1 /boot")
    why = (
        "File system /srv/other on disk vdb can be written and has no snapshot: "
        "it is on no volume of LVM on these disks alone."
    )
    assert found["view"] == "moving"
    assert found["reason"].startswith(why)
    assert found["refused"] == why
    assert found["left"] == []


@pytest.mark.soak
def test_a_snapshot_that_overflows_ends_the_sync(server: Server) -> None:
    server.shell("lvcreate -q -y -n filler -l 80%FREE guest")
    try:
        found = server.program(
            """
view = open_view("auto", "web01", PATHS)
view.check()
subprocess.run("head -c 100000000 /dev/urandom > /srv/data/much; sync -f /srv/data", shell=True, check=True)
end = refused(view.check)
reading = refused(lambda: carry("vdc", view.disks["vdc"]()))
view.close()
tell(view=view.view.word, end=end, reading=reading, left=names())
"""
        )
    finally:
        server.shell("rm /srv/data/much; lvremove -q -y guest/filler")
    assert found["view"] == "lvm_snapshot"
    assert "guest/ferry_web01_" in found["end"]
    assert found["reading"] != ""
    assert found["left"] == []


def test_a_group_that_is_full_is_named_with_what_it_needs(server: Server) -> None:
    server.shell("lvcreate -q -y -n filler -l 100%FREE guest")
    try:
        found = server.program(
            """
tell(refused=refused(lambda: open_view("lvm_snapshot", "web01", PATHS)), left=names())
"""
        )
    finally:
        server.shell("lvremove -q -y guest/filler")
    assert "Group guest has 0 bytes free" in found["refused"]
    assert found["left"] == []


def test_what_is_read_through_snapshots_is_the_server_as_it_was(server: Server) -> None:
    """Without what its file systems do not use. Last: afterwards the disks are those that were carried."""
    found = server.program(
        f"""
view = without_unused(open_view("auto", "web01", PATHS), PATHS)
subprocess.run({CHANGE_SERVER!r}, shell=True, check=True)
for name, opened in view.disks.items():
    carry(name, opened())
view.check()
full = [each.full for each in list_snapshots()]
view.close()
tell(view=view.view.word, full=full, left=names(), file_systems=view.file_systems)
"""
    )
    assert found["view"] == "lvm_snapshot"
    unused = {each["place"]: (each["unused"], each["reason"]) for each in found["file_systems"]}
    assert unused["/srv/root"][0] > 32 * MIB
    assert "no plain volume" in unused["/srv/data"][1]
    assert len(found["full"]) == 2
    assert all(0 < each < 50 for each in found["full"])
    assert found["left"] == []
    seen = server.shell(BECOME_TARGET)
    lines = [line for line in seen.splitlines() if line.startswith(("FILES", "VOLUMES"))]
    assert lines == [
        "FILES /boot 1 2 3 4 SUMS",
        "FILES /srv/root 1 2 3 4 SUMS",
        "FILES /srv/data 1 2 3 4 SUMS",
        "VOLUMES data root swap",
    ]
