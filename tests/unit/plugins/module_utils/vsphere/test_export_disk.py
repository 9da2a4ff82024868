# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk read from exports: rising, backwards, with pauses, cut streams and lost leases. Images are qemu-img's."""

from __future__ import annotations

import random
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import (
    FerryError,
    InputError,
    PermanentError,
    TransientError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.export_disk import (
    ExportDisk,
    Exporter,
)
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.https import (
    HostNotTrustedError,
    HostRefusedError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.nfc_lease import (
    Device,
    LeaseLostError,
    find_device,
)

from tests.unit.plugins.module_utils.morpheus.conftest import Identity, make_identity
from tests.unit.plugins.module_utils.vsphere.web_host import FakeSession, Reply, Request, WebHost

MIB = 1 << 20
# Of an image of qemu-img.
GRAIN = 64 << 10
SIZE = 6 * MIB + 512
PLACE = "VirtualLsiLogicController0:1"
DEADLINE = 20.0


class FakeLease:
    """A lease that notes what it is told; `fault` is raised by the next signs of life."""

    def __init__(self, url: str, *, thumbprint: str = "", timeout: float = 300) -> None:
        self.timeout = timeout
        self.devices = [
            Device("/vm-7/VirtualLsiLogicController0:0", url.replace("disk", "other")),
            Device(f"/vm-7/{PLACE}", url, thumbprint),
            Device(f"/vm-7/manifest/{PLACE}", url, is_disk=False),
        ]
        self.fault: FerryError | None = None
        self.signs: list[int] = []
        self.ends: list[str] = []
        self.was_told = threading.Semaphore(0)

    def progress(self, percent: int) -> None:
        self.signs.append(percent)
        self.was_told.release()
        if self.fault is not None:
            raise self.fault

    def complete(self) -> None:
        self.ends.append("complete")

    def abort(self) -> None:
        self.ends.append("abort")


def image_of(content: bytes, folder: Path) -> bytes:
    (folder / "raw").write_bytes(content)
    options = ["-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized"]
    subprocess.run(["qemu-img", "convert", *options, folder / "raw", folder / "vmdk"], check=True)
    return (folder / "vmdk").read_bytes()


@pytest.fixture(scope="module")
def disk() -> bytes:
    source = random.Random(5)
    content = bytearray(SIZE)
    content[100_000:900_000] = source.randbytes(800_000)
    content[3 * MIB : 3 * MIB + 10] = b"0123456789"
    content[5 * MIB : 6 * MIB] = source.randbytes(MIB)
    return bytes(content)


@pytest.fixture(scope="module")
def image(disk: bytes, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return image_of(disk, tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


class World:
    """One host with the disk's image, and the leases that were opened."""

    def __init__(self, image: bytes) -> None:
        self.leases: list[FakeLease] = []
        self.reply = Reply(body=image)
        self.lease_timeout = 300.0
        self.thumbprint = ""
        self.url = "https://*/nfc/disk-1.vmdk?ticket=x"
        self.web: WebHost

    def answer(self, request: Request) -> Reply:
        return self.reply if request.target == "/nfc/disk-1.vmdk?ticket=x" else Reply(status=404)

    def open_lease(self) -> FakeLease:
        lease = FakeLease(self.url, thumbprint=self.thumbprint, timeout=self.lease_timeout)
        self.leases.append(lease)
        return lease

    def disk(self, *, size: int = SIZE, place: str = PLACE) -> ExportDisk:
        exporter = Exporter(self.open_lease, self.web.host(), FakeSession())
        return ExportDisk(exporter, place, size)

    @property
    def ends(self) -> list[list[str]]:
        return [lease.ends for lease in self.leases]


@pytest.fixture
def world(identity: Identity, image: bytes) -> Iterator[World]:
    world = World(image)
    with ExitStack() as stack:
        world.web = stack.enter_context(WebHost(identity, world.answer).running())
        yield world


def read(disk: ExportDisk, start: int, length: int) -> bytes:
    buffer = memoryview(bytearray(b"\xff" * MIB))
    got = disk.read(start, length, buffer)
    assert got.obj is buffer.obj
    return bytes(got)


def read_rising(disk: ExportDisk, piece: int = MIB) -> bytes:
    return b"".join(
        read(disk, start, min(piece, disk.size - start)) for start in range(0, disk.size, piece)
    )


@pytest.mark.parametrize("piece", [MIB, 64 * 1024, 200_000], ids=["chunks", "granules", "odd"])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "chunked"])
def test_rising_reads_take_one_export_and_complete_it(
    world: World, disk: bytes, piece: int, is_chunked: bool
) -> None:
    world.reply = Reply(body=world.reply.body, is_chunked=is_chunked)
    opened = world.disk()
    assert read_rising(opened, piece) == disk
    assert world.ends == [["complete"]]
    opened.close()
    assert world.ends == [["complete"]]


def test_no_lease_is_held_before_the_first_read(world: World) -> None:
    world.disk().close()
    assert world.leases == []


def test_reads_may_leave_out_what_they_like(world: World, disk: bytes) -> None:
    opened = world.disk()
    for start in (70_000, 2 * MIB, 5 * MIB - 100):
        assert read(opened, start, 300_000) == disk[start : start + 300_000]
    opened.close()
    assert world.ends == [["abort"]]


def test_a_read_before_the_position_begins_a_new_export(world: World, disk: bytes) -> None:
    opened = world.disk()
    assert read(opened, 3 * MIB, MIB) == disk[3 * MIB : 4 * MIB]
    assert read(opened, 100_000, 1000) == disk[100_000:101_000]
    assert read(opened, SIZE - 512, 512) == disk[-512:]
    assert read(opened, SIZE - 512, 512) == disk[-512:]
    assert world.ends == [["abort"], ["complete"], ["complete"]]


def test_threads_may_share_the_disk(world: World, disk: bytes) -> None:
    opened = world.disk()
    found: dict[int, bytes] = {}

    def take(start: int) -> None:
        found[start] = read(opened, start, 512 * 1024)

    threads = [threading.Thread(target=take, args=(n * MIB,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert found == {n * MIB: disk[n * MIB : n * MIB + 512 * 1024] for n in range(6)}
    opened.close()
    assert all(len(ends) == 1 for ends in world.ends)


def test_what_a_stream_skips_is_counted(world: World) -> None:
    """So whoever waits for a read far behind sees that it moves."""
    opened = world.disk()
    read(opened, 6 * MIB, 512)
    first = opened.passed
    assert 2 * MIB - 3 * GRAIN < first < SIZE
    read(opened, 6 * MIB, 512)
    assert opened.passed == 2 * first


def test_a_disk_that_is_closed_skips_no_further(world: World) -> None:
    opened = world.disk()
    opened.close()
    with pytest.raises(TransientError, match="closed"):
        read(opened, 5 * MIB, 512)
    assert world.ends == [["abort"]]


def test_a_pause_of_the_reader_stalls_the_stream_and_keeps_the_lease(
    world: World, identity: Identity, tmp_path: Path
) -> None:
    """Many timeouts pass while nothing is read: the host has not sent much, and the lease lives."""
    size = 32 * MIB
    content = random.Random(9).randbytes(size)
    world.reply = Reply(body=image_of(content, tmp_path))
    world.lease_timeout = 0.12
    opened = world.disk(size=size)
    assert read(opened, 0, MIB) == content[:MIB]
    for _sign in range(30):
        assert world.leases[0].was_told.acquire(timeout=DEADLINE)
    assert world.web.sent < size // 2
    assert read_rest(opened, MIB) == content[MIB:]
    assert world.ends == [["complete"]]
    assert world.leases[0].signs == sorted(world.leases[0].signs)


def read_rest(disk: ExportDisk, start: int) -> bytes:
    return b"".join(read(disk, at, min(MIB, disk.size - at)) for at in range(start, disk.size, MIB))


def read_on(disk: ExportDisk, lease: FakeLease) -> None:
    """Go on behind the first sector, a sector for each sign of life, while there are any."""
    for start in range(512, disk.size, 512):
        read(disk, start, 512)
        lease.was_told.acquire(timeout=0.1)


def test_a_lease_that_the_host_ended_is_a_passing_fault_and_opened_again(
    world: World, disk: bytes
) -> None:
    world.lease_timeout = 0.06
    opened = world.disk()
    read(opened, 0, 512)
    world.leases[0].fault = PermanentError("The lease is in state error: Timedout.")
    with pytest.raises(LeaseLostError, match="Timedout") as caught:
        read_on(opened, world.leases[0])
    assert isinstance(caught.value, TransientError)
    world.lease_timeout = 300
    assert read_rising(opened) == disk
    assert world.ends == [[], ["complete"]]


def test_signs_of_life_that_do_not_arrive_count_after_the_timeout(world: World) -> None:
    world.lease_timeout = 0.3
    opened = world.disk()
    read(opened, 0, 512)
    lease = world.leases[0]
    lease.fault = TransientError("The vCenter gave no answer.")
    with pytest.raises(LeaseLostError, match="no answer"):
        read_on(opened, lease)
    assert len(lease.signs) > 3


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "chunked"])
def test_a_stream_that_is_cut_is_a_passing_fault_and_opened_again(
    world: World, disk: bytes, image: bytes, is_chunked: bool
) -> None:
    world.reply = Reply(body=image, cut=len(image) // 2, is_chunked=is_chunked)
    opened = world.disk()
    with pytest.raises(TransientError):
        read_rising(opened)
    assert world.ends == [["abort"]]
    world.reply = Reply(body=image)
    assert read_rising(opened) == disk


def test_zeros_before_a_cut_are_not_believed(world: World, image: bytes) -> None:
    """Between 4 and 5 MiB the disk is empty, which only the grain behind tells."""
    last_grain = image.index((5 * MIB // 512).to_bytes(8, "little"))
    world.reply = Reply(body=image, cut=last_grain)
    opened = world.disk()
    assert read(opened, 2 * MIB, MIB) == bytes(MIB)
    with pytest.raises(TransientError):
        read(opened, 4 * MIB, 512)


def test_a_disk_of_another_size_is_refused(world: World) -> None:
    with pytest.raises(PermanentError, match=r"the disk has 8\.0 MiB"):
        read(world.disk(size=8 * MIB), 0, 512)
    assert world.ends == [["abort"]]


def test_a_read_behind_the_end_is_refused(world: World) -> None:
    with pytest.raises(PermanentError, match="ends at"):
        read(world.disk(), SIZE - 512, 1024)


@pytest.mark.parametrize("place", [PLACE, "LsiLogicController0:1"], ids=["whole", "bare"])
def test_a_place_may_be_without_the_apis_prefix(place: str) -> None:
    assert find_device(FakeLease("https://*/disk").devices, place).key == f"/vm-7/{PLACE}"


def test_a_disk_is_found_by_its_place_only(world: World) -> None:
    with pytest.raises(InputError, match=r"0 disks at .*0:2"):
        read(world.disk(place="VirtualLsiLogicController0:2"), 0, 512)
    assert world.ends == [["abort"]]


def test_a_refused_download_ends_the_lease(world: World) -> None:
    world.url = "https://*/nfc/gone.vmdk"
    with pytest.raises(HostRefusedError):
        read(world.disk(), 0, 512)
    assert world.ends == [["abort"]]


def test_the_hosts_thumbprint_is_checked(world: World, disk: bytes) -> None:
    world.thumbprint = world.web.thumbprint
    assert read(world.disk(), 0, MIB) == disk[:MIB]
    world.thumbprint = "AA:" * 19 + "AA"
    requests = len(world.web.requests)
    with pytest.raises(HostNotTrustedError, match="thumbprint"):
        read(world.disk(), 0, MIB)
    assert len(world.web.requests) == requests


def test_the_certificate_is_checked(world: World, tmp_path: Path) -> None:
    other = WebHost(make_identity(tmp_path), world.answer)
    with other.running():
        world.url = f"https://127.0.0.1:{other.port}/nfc/disk-1.vmdk?ticket=x"
        with pytest.raises(HostNotTrustedError, match="not trusted"):
            read(world.disk(), 0, 512)
    assert other.requests == []


def test_the_sessions_cookie_goes_to_the_vcenter_only(
    world: World, identity: Identity, disk: bytes
) -> None:
    read(world.disk(), 0, 512)
    assert world.web.requests[-1].headers["Cookie"] == "vmware_soap_session=0"
    esxi = WebHost(identity, world.answer)
    with esxi.running():
        world.url = f"https://127.0.0.1:{esxi.port}/nfc/disk-1.vmdk?ticket=x"
        assert read(world.disk(), 0, MIB) == disk[:MIB]
    assert "Cookie" not in esxi.requests[0].headers


def test_a_bug_in_the_middle_of_a_read_ends_the_export(world: World, disk: bytes) -> None:
    """A broken stream must never be read on: all that it lacks would read as zeros."""
    opened = world.disk()
    read(opened, 0, 512)
    with pytest.raises((TypeError, ValueError)):
        opened.read(MIB, MIB, memoryview(bytes(MIB)))
    assert world.ends == [["abort"]]
    assert read(opened, MIB, MIB) == disk[MIB : 2 * MIB]
