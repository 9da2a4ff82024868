# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The target worker boots, lets in whom its seed names, and does not touch the disks it carries.

Boots told in their order: the first makes disks that anything careless would change (dirty journals,
arrays, active volume groups) and ends by power failure; those after it, from a disk and from a CD, by
BIOS and by UEFI, carry them.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lab import qemu
from lab.command import run
from lab.settings import LabSettings
from tests.support.machine_lab import machine_lab
from tests.system.worker_machine import (
    FAILED,
    GIB,
    Worker,
    WorkerDisk,
    boot,
    build_image,
    digests,
    seed,
    wait_for_line,
)

# An image that has to be built takes two minutes on an idle machine of two cores.
pytestmark = [pytest.mark.boots, pytest.mark.timeout(900)]

MIB = 1 << 20
# What lies on the carried disks, in the order of their units. mkfs.xfs makes nothing below 300 MiB.
CARRIED = {
    "ext4": 64 * MIB,
    "xfs": 320 * MIB,
    "md-first": 64 * MIB,
    "md-second": 64 * MIB,
    "lvm": 128 * MIB,
}
DEVICES = ("vdb", "vdc", "vdd", "vde", "vdf")

# Lifts the worker's guard, which is the receiver's privilege, and leaves everything open and half-written.
MAKE_DIRTY = """
set -ex
for disk in b c d e f; do blockdev --setrw /dev/vd$disk; done
cd /var/lib/ferry && mkdir ext4 xfs md lv
mkfs.ext4 -q /dev/vdb
mount /dev/vdb ext4
mkfs.xfs -q /dev/vdc
mount /dev/vdc xfs
mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --assume-clean /dev/vdd /dev/vde
mkfs.ext4 -q /dev/md0
mount /dev/md0 md
export LVM_SYSTEM_DIR=/tmp/lvm
mkdir /tmp/lvm
echo 'devices { use_devicesfile = 0 }' > /tmp/lvm/lvm.conf
pvcreate -q /dev/vdf
vgcreate -q guest /dev/vdf
lvcreate -q -y -n data -L 64M guest
mkfs.ext4 -q /dev/guest/data
mount /dev/guest/data lv
for place in ext4 xfs md lv; do
    for number in 1 2 3 4 5 6 7 8; do cp /usr/bin/busybox $place/$number; done
    rm $place/1
    sync -f $place
    cp /usr/bin/busybox $place/late
done
# The log is flushed, what it describes is not.
xfs_io -x -c 'shutdown -f' xfs
sync -f ext4 md lv
"""


@pytest.fixture(scope="module", name="image")
def _image() -> Path:
    return build_image()[0]


@pytest.fixture(scope="module", name="lab")
def _lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabSettings]:
    with machine_lab("worker", 13, tmp_path_factory.mktemp("worker")) as lab:
        yield lab


@pytest.fixture(scope="module", name="disk")
def _disk(image: Path, lab: LabSettings) -> WorkerDisk:
    disk = seed(image, lab.directory / "worker.raw", lab)
    os.truncate(disk.path, 2 * GIB)
    return disk


@pytest.fixture(scope="module", name="blanks")
def _blanks(lab: LabSettings) -> Sequence[Path]:
    paths = [lab.directory / f"{name}.raw" for name in CARRIED]
    for path, size in zip(paths, CARRIED.values(), strict=True):
        path.touch()
        os.truncate(path, size)
    return paths


@pytest.fixture(scope="module", name="worker")
def _worker(lab: LabSettings, disk: WorkerDisk, blanks: Sequence[Path]) -> Iterator[Worker]:
    worker = boot(lab, disk, blanks, name="first")
    try:
        yield worker
    finally:
        worker.cut_off()


@pytest.fixture(scope="module", name="carried")
def _carried(worker: Worker, blanks: Sequence[Path]) -> Sequence[Path]:
    """The disks, after a power failure in the middle of the first worker's work on them."""
    worker.wait_until_ready()
    worker.run("sh", given=MAKE_DIRTY)
    worker.cut_off()
    return blanks


def test_image_is_small(image: Path) -> None:
    assert image.stat().st_size < 200 * 1000 * 1000


def test_a_second_build_does_nothing(image: Path) -> None:
    again, output = build_image()
    assert again == image
    assert re.search(r"localhost +: .* changed=0 ", output)


def test_worker_lets_in_the_seeds_key_under_the_seeds_host_key(
    worker: Worker, lab: LabSettings
) -> None:
    ready = worker.wait_until_ready()
    assert ready[2] == str(lab.migration[50])
    assert ready[3] == "web01"
    assert worker.run("hostname").strip() == "ferry-worker-web01"


def test_worker_lets_in_nobody_else(worker: Worker, tmp_path: Path) -> None:
    worker.wait_until_ready()
    stranger = tmp_path / "stranger"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger))
    refused = Worker(worker.machine, worker.address, stranger, worker.known_hosts).attempt("true")
    assert refused.returncode == 255
    # Keys are the only way: no password is ever asked for.
    assert "Permission denied (publickey)" in refused.stderr


def test_accelerators_are_found_by_the_workers_python(worker: Worker, image: Path) -> None:
    program = "import blake3, zstandard; print(blake3.blake3(b'').hexdigest(length=16))"
    # The first test vector of BLAKE3 (its authors' test_vectors.json).
    assert worker.run(f'python3 -c "{program}"').strip() == "af1349b9f5f9a1a6a0404dea36dcc949"
    assert "blake3-1.0.11-cp311-" in image.with_suffix(".packages").read_text()


def test_guest_agent_tells_the_address_and_runs_no_programs(worker: Worker) -> None:
    worker.wait_until_ready()
    found = asyncio.run(qemu.guest_interfaces(worker.machine.directory))
    assert worker.address in [address for each in found for address in each.addresses]
    assert "guest-exec" in worker.run("cat /proc/$(pidof qemu-ga)/cmdline").split("block-rpcs=")[1]


def test_free_space_is_a_file_system_of_its_own(worker: Worker) -> None:
    worker.wait_until_ready()
    source, kind, size = worker.run("findmnt -nbo SOURCE,FSTYPE,SIZE /var/lib/ferry").split()
    assert (source, kind) == ("/dev/vda4", "ext4")
    assert int(size) > 1.7 * GIB
    worker.run("echo kept > /var/lib/ferry/note && sync")


def test_identity_of_a_run_is_made_once_and_named_after_it(worker: Worker, tmp_path: Path) -> None:
    worker.wait_until_ready()
    printed = worker.run("ferry-identity web01-1")
    assert worker.run("ferry-identity web01-1") == printed
    assert worker.run("cat /run/ferry/web01-1/cert.pem") == printed
    certificate = tmp_path / "cert.pem"
    certificate.write_text(printed)
    ssl.create_default_context().load_verify_locations(certificate)
    seen = run(
        "openssl", "x509", "-in", str(certificate), "-noout", "-dates", "-ext", "subjectAltName"
    )
    assert "DNS:web01-1.ferry.internal" in seen
    assert "notBefore=Jan  1 00:00:00 2000" in seen
    assert "notAfter=Jan  1 00:00:00 2100" in seen
    assert worker.run("stat -c %a,%T,%F /run/ferry/web01-1/key.pem").startswith("600")
    assert worker.run("findmnt -no FSTYPE -T /run/ferry/web01-1/key.pem").strip() == "tmpfs"
    assert worker.attempt("ferry-identity ../../etc").returncode == 2


def test_new_host_key_replaces_the_one_of_the_seed(worker: Worker, disk: WorkerDisk) -> None:
    worker.wait_until_ready()
    assert worker.attempt("ferry-host-key commit").returncode == 1
    new_key = worker.run("ferry-host-key new").strip()
    assert new_key != disk.host_key
    assert worker.run("ferry-host-key new").strip() == new_key
    worker.run("ferry-host-key commit")

    refused = worker.attempt("true")
    assert refused.returncode == 255
    assert "Host key verification failed" in refused.stderr
    worker.pin(new_key)
    worker.run("ferry-host-key commit")
    assert worker.run("ferry-host-key new").strip() == new_key


def test_disks_to_carry_are_what_this_test_needs(carried: Sequence[Path]) -> None:
    """Dirty journals, an array that was in use, a volume group: else the next test proves nothing."""
    ext4, xfs, md, _second, lvm = carried
    assert "needs_recovery" in run("dumpe2fs", "-h", str(ext4))
    assert "<DIRTY>" in run("xfs_logprint", "-t", str(xfs))
    # mdadm's superblock 1.2 lies 4 KiB into a member, LVM's label in its second sector.
    assert md.read_bytes()[4096:4100] == bytes.fromhex("fc4e2ba9")
    assert lvm.read_bytes()[512:520] == b"LABELONE"


@pytest.mark.parametrize(
    ("as_cd", "is_uefi"),
    [
        pytest.param(False, False, id="disk"),
        pytest.param(True, False, id="cd"),
        pytest.param(False, True, id="disk by UEFI"),
        pytest.param(True, True, id="cd by UEFI", marks=pytest.mark.soak),
    ],
)
def test_carried_disks_stay_as_they_are(
    lab: LabSettings,
    disk: WorkerDisk,
    carried: Sequence[Path],
    *,
    as_cd: bool,
    is_uefi: bool,
) -> None:
    before = digests(carried)
    name = f"{'cd' if as_cd else 'disk'}-{'uefi' if is_uefi else 'bios'}"
    worker = boot(lab, disk, carried, name=name, as_cd=as_cd, is_uefi=is_uefi)
    try:
        worker.wait_until_ready()
        worker.run("udevadm settle")
        assert (worker.attempt("test -d /sys/firmware/efi").returncode == 0) == is_uefi
        names = DEVICES if not as_cd else ("vda", "vdb", "vdc", "vdd", "vde")
        for name in names:
            assert_is_guarded(worker, name)
        assert_nothing_was_activated(worker)
        assert worker.attempt(f"mount -o ro /dev/{names[0]} /mnt").returncode != 0
        note = worker.attempt("cat /var/lib/ferry/note")
        assert note.stdout == ("" if as_cd else "kept\n")
        assert worker.end_by_power_button()
    finally:
        worker.cut_off()
    assert digests(carried) == before


def assert_is_guarded(worker: Worker, name: str) -> None:
    assert worker.run(f"blockdev --getro /dev/{name}").strip() == "1", name
    written = worker.attempt(f"dd if=/dev/zero of=/dev/{name} bs=4096 count=1 conv=fsync")
    assert written.returncode != 0, name
    assert "Operation not permitted" in written.stderr, name


def assert_nothing_was_activated(worker: Worker) -> None:
    assert worker.run("dmsetup ls").strip() == "No devices found"
    assert worker.run("cat /proc/mdstat 2>/dev/null | grep active || echo none").strip() == "none"
    assert worker.run("findmnt -nlo FSTYPE | grep -c xfs || true").strip() == "0"


def test_a_disk_that_comes_later_is_guarded_too(
    lab: LabSettings, disk: WorkerDisk, tmp_path: Path
) -> None:
    late = tmp_path / "late.raw"
    late.touch()
    os.truncate(late, 64 * MIB)
    worker = boot(lab, disk, [], name="late")
    try:
        worker.wait_until_ready()
        worker.plug_in(late)
        worker.run("timeout 60 sh -c 'until [ -e /sys/block/vdb ]; do sleep 0.2; done'")
        worker.run("udevadm settle")
        assert_is_guarded(worker, "vdb")
    finally:
        worker.cut_off()


def test_two_disks_with_the_image_are_refused(
    lab: LabSettings, disk: WorkerDisk, image: Path
) -> None:
    second = seed(image, lab.directory / "second.raw", lab)
    worker = boot(lab, disk, [second.path], name="two")
    try:
        reason = wait_for_line(worker.machine.console, FAILED)[1]
        assert "several disks hold the image" in reason
        assert "vda vdb" in reason
    finally:
        worker.cut_off()
