# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk read through nbdkit and libnbd, both real; VDDK's plugin is a stand-in (tests/support)."""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.entry.shared_reader import SharedReader
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError, PermanentError
from ansible_collections.ferry.hvm.plugins.module_utils.replication.disks import Disk
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.nbdkit import (
    NbdkitError,
    VddkDiskName,
    VddkSettings,
    vddk_obstacle,
)
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.vddk_disk import (
    Allocation,
    Piece,
    VddkDisk,
    VddkLostError,
)

MIB = 1 << 20
SIZE = 4 * MIB + 512
STANDIN = Path(__file__).resolve().parents[4] / "support" / "nbdkit_vddk_standin.py"
DEBIAN = Path("/usr/lib/python3/dist-packages")
THUMBPRINT = ":".join(["5A"] * 20)
PASSWORD = "s3cret, with spaces = and more"
NAME = VddkDiskName("vm-42", "snapshot-7", "[store 1] web 01/web 01.vmdk")
DEADLINE = 20.0


@pytest.fixture(scope="module", autouse=True)
def libnbd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Debian's python3-libnbd alone, of all that Debian's Python has, for the Python of the tests."""
    folder = tmp_path_factory.mktemp("libnbd")
    for path in (DEBIAN / "nbd.py", *DEBIAN.glob("libnbdmod.*.so")):
        (folder / path.name).symlink_to(path)
    sys.path.append(str(folder))
    yield
    sys.path.remove(str(folder))


@pytest.fixture
def content() -> bytes:
    disk = bytearray(SIZE)
    disk[100_000:300_000] = random.Random(8).randbytes(200_000)
    disk[3 * MIB : 3 * MIB + 5] = b"ferry"
    disk[-512:] = b"z" * 512
    return bytes(disk)


@pytest.fixture
def library(tmp_path: Path, content: bytes) -> Path:
    """The folder that stands for VMware's library, and knows one disk of one snapshot."""
    (tmp_path / "raw").write_bytes(content)
    images = {f"{NAME.snapshot}|{NAME.file}": str(tmp_path / "raw")}
    known = {"password": PASSWORD, "thumbprint": THUMBPRINT, "images": images}
    (tmp_path / "images.json").write_text(json.dumps(known))
    return tmp_path


def settings(library: Path, **changes: str) -> VddkSettings:
    given = {"password": PASSWORD, "thumbprint": THUMBPRINT, "libdir": str(library), **changes}
    return VddkSettings(
        "vcenter.test", "ferry@vsphere.local", plugin=("python", str(STANDIN)), **given
    )


@pytest.fixture
def disk(library: Path) -> Iterator[VddkDisk]:
    disk = VddkDisk(settings(library), NAME, SIZE)
    yield disk
    disk.close()


def read(disk: VddkDisk | Disk, start: int, length: int) -> bytes:
    return bytes(disk.read(start, length, memoryview(bytearray(b"\xff" * MIB))))


def served(library: Path) -> list[int]:
    """The processes that serve from this library, by their command lines."""
    word = f"libdir={library}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:  # It ended meanwhile.
            continue
    return found


def test_what_is_read_is_what_the_snapshot_holds(disk: VddkDisk, content: bytes) -> None:
    for start in (*range(0, SIZE, MIB), 0, 128 * 1024):
        length = min(MIB, SIZE - start)
        assert read(disk, start, length) == content[start : start + length]


def test_threads_may_share_the_disk(disk: VddkDisk, content: bytes) -> None:
    found: dict[int, bytes] = {}

    def take(start: int) -> None:
        found[start] = read(disk, start, MIB)

    threads = [threading.Thread(target=take, args=(n * 512 * 1024,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert found == {start: content[start : start + MIB] for start in found}
    assert len(found) == 6


def test_holes_are_not_read(disk: VddkDisk, library: Path) -> None:
    assert read(disk, MIB, MIB) == bytes(MIB)
    assert not (library / "reads").exists()
    read(disk, 0, MIB)
    lines = [line.split() for line in (library / "reads").read_text().splitlines()]
    assert sum(int(length) for _offset, length in lines) == 4 * 64 * 1024


def test_the_plugin_is_told_everything_and_the_password_by_descriptor(
    disk: VddkDisk, library: Path
) -> None:
    told = json.loads((library / "arguments.json").read_text())
    digest = hashlib.sha256(PASSWORD.encode()).hexdigest()
    descriptor = told.pop("password")
    assert descriptor.startswith("-")
    assert int(descriptor[1:]) > 2
    assert told == {
        "server": "vcenter.test",
        "user": "ferry@vsphere.local",
        "thumbprint": THUMBPRINT,
        "vm": "moref=vm-42",
        "snapshot": "snapshot-7",
        "file": NAME.file,
        "libdir": str(library),
        "transports": "nbdssl",
        "password_sha256": digest,
    }


def test_the_password_is_nowhere_to_be_seen(disk: VddkDisk, library: Path) -> None:
    (process,) = served(library)
    for name in ("cmdline", "environ"):
        for path in (Path(f"/proc/{process}/{name}"), Path(f"/proc/{os.getpid()}/{name}")):
            assert PASSWORD.encode() not in path.read_bytes()
    assert PASSWORD not in repr(settings(library))


def test_closing_ends_the_process_and_removes_its_folder(library: Path, tmp_path: Path) -> None:
    disk = VddkDisk(settings(library), NAME, SIZE)
    folder = Path(disk._server.socket).parent
    assert len(served(library)) == 1
    assert folder.stat().st_mode & 0o777 == 0o700
    disk.close()
    assert served(library) == []
    assert not folder.exists()


def test_the_process_outlives_the_thread_that_opened_the_disk(
    library: Path, content: bytes
) -> None:
    """nbdkit's --exit-with-parent means a thread; threads that open disks may end before them."""
    opened: list[VddkDisk] = []
    thread = threading.Thread(target=lambda: opened.append(VddkDisk(settings(library), NAME, SIZE)))
    thread.start()
    thread.join(DEADLINE)
    assert read(opened[0], 0, MIB) == content[:MIB]
    opened[0].close()


def test_a_failed_read_is_a_passing_fault(disk: VddkDisk, library: Path, content: bytes) -> None:
    (library / "broken").touch()
    with pytest.raises(VddkLostError, match="1048576 bytes at 0"):
        read(disk, 0, MIB)
    (library / "broken").unlink()
    assert read(disk, 0, MIB) == content[:MIB]


def test_a_process_that_died_is_a_passing_fault(disk: VddkDisk, library: Path) -> None:
    (process,) = served(library)
    os.kill(process, 9)
    with pytest.raises(VddkLostError):
        read(disk, 0, MIB)


def test_a_process_that_died_is_started_again_for_the_next_connection(
    library: Path, content: bytes
) -> None:
    shared = SharedReader(lambda: VddkDisk(settings(library), NAME, SIZE), nullcontext)
    disks = [shared.lend(), shared.lend()]
    (first,) = served(library)
    os.kill(first, 9)
    for disk in disks:
        with pytest.raises(VddkLostError):
            read(disk, 0, MIB)
    assert read(shared.lend(), 0, MIB) == content[:MIB]
    (second,) = served(library)
    assert second != first
    shared.close()
    assert served(library) == []


REFUSED = {
    "a wrong password": ({"password": "nobody's own"}, "Incorrect user name or password"),
    "another certificate": ({"thumbprint": ":".join(["00"] * 20)}, "certificate"),
}


@pytest.mark.parametrize(("changes", "words"), REFUSED.values(), ids=list(REFUSED))
def test_vddks_own_words_are_told_for(library: Path, changes: dict[str, str], words: str) -> None:
    with pytest.raises(NbdkitError, match=words) as caught:
        VddkDisk(settings(library, **changes), NAME, SIZE)
    assert "nobody's own" not in caught.value.what
    assert served(library) == []


def test_a_disk_of_another_size_is_refused(library: Path) -> None:
    with pytest.raises(PermanentError, match="the snapshot's disk has"):
        VddkDisk(settings(library), NAME, SIZE + 512)
    assert served(library) == []


@pytest.mark.parametrize("thumbprint", ["", "AA:BB", "sha256:" + "ab" * 32])
def test_a_thumbprint_is_needed(library: Path, thumbprint: str) -> None:
    with pytest.raises(InputError, match="thumbprint"):
        VddkDisk(settings(library, thumbprint=thumbprint), NAME, SIZE)
    assert not (library / "arguments.json").exists()


def test_without_libnbd_the_reader_says_what_is_missing(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nbd", None)
    with pytest.raises(InputError, match="python3-libnbd"):
        VddkDisk(settings(library), NAME, SIZE)


def test_the_probe_tells_plugin_and_library(
    library: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert vddk_obstacle(settings(library)) == ""
    empty = tmp_path_factory.mktemp("empty")
    assert "no VDDK library" in vddk_obstacle(settings(empty))
    missing = VddkSettings("v", "u", "p", THUMBPRINT, plugin=("no-such-plugin",))
    assert "no-such-plugin" in vddk_obstacle(missing)


def test_the_probe_tells_that_nbdkit_is_missing(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(library))
    assert vddk_obstacle(settings(library)) == "nbdkit is not installed"
    with pytest.raises(NbdkitError, match="No such file"):
        VddkDisk(settings(library), NAME, SIZE)


def test_allocation_is_asked_for_window_by_window() -> None:
    asked: list[tuple[int, int]] = []

    def ask(start: int, length: int) -> list[tuple[int, int]]:
        """Granules in turn zero and data, three of them in an answer."""
        asked.append((start, length))
        return [(100, 3), (100, 0), (100, 2)]

    allocation = Allocation(ask, 850, is_told=True)
    assert allocation.pieces(50, 350) == [
        Piece(50, 150, True),
        Piece(150, 250, False),
        Piece(250, 350, True),
    ]
    assert [piece.end for piece in allocation.pieces(350, 850)] == [450, 550, 650, 750, 850]
    assert asked == [(50, 800), (350, 500), (650, 200)]


def test_a_hole_that_is_not_told_to_be_zero_is_read() -> None:
    allocation = Allocation(lambda start, length: [(length, 1)], 512, is_told=True)
    assert allocation.pieces(0, 512) == [Piece(0, 512, False)]


def test_an_answer_of_nothing_stands_for_data() -> None:
    allocation = Allocation(lambda start, length: [], 3 * MIB, is_told=True)
    assert [piece.is_zero for piece in allocation.pieces(0, 3 * MIB)] == [False] * 3


def test_without_allocation_all_is_read() -> None:
    allocation = Allocation(lambda start, length: [(length, 2)], 512, is_told=False)
    assert allocation.pieces(0, 512) == [Piece(0, 512, False)]
