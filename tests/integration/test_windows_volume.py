# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows on a real NTFS volume, through ntfs-3g and FUSE, as the worker does it. As root.

The volume is a file, made by mkntfs; an overlay would be a device. What was written is read by ntfscat,
which mounts nothing, and the volume's rights by ntfssecaudit.
"""

from __future__ import annotations

import dataclasses
import glob
import os
import re
import select
import struct
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import ContextManager, Iterator

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.changes import Plan
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import (
    PlanError,
    PreparationError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.extension_run import Extensions
from ansible_collections.ferry.hvm.plugins.module_utils.guest.extensions import Sync
from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import FileSystem
from ansible_collections.ferry.hvm.plugins.module_utils.guest.network import Interface
from ansible_collections.ferry.hvm.plugins.module_utils.guest.rules import Options
from ansible_collections.ferry.hvm.plugins.module_utils.guest.windows_mounted import (
    find_windows,
    is_clean,
    mount_windows,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.windows_prepare import WindowsGuest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.windows_rights import (
    OUR_RIGHTS,
    PRIVATE_RIGHTS,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.windows_tree import RIGHTS_ATTRIBUTE

from tests.unit.plugins.module_utils.guest.test_guest_extensions import extension
from tests.unit.plugins.module_utils.guest.windows_samples import (
    VOLUME,
    disk,
    fill_virtio_win,
    fill_windows,
    software,
    system,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")

CHECKOUT = Path(__file__).resolve().parents[2]
SIZE = 48 << 20
OPTIONS = Options(interfaces=(Interface(None, ("00:50:56:aa:bb:01",)),))


def run(*command: str | Path) -> bytes:
    return subprocess.run(command, check=True, capture_output=True).stdout


def no_timer(_step: str) -> ContextManager[None]:
    return nullcontext()


def make_volume(path: Path) -> FileSystem:
    with path.open("wb") as file:
        file.truncate(SIZE)
    run("mkntfs", "-F", "-q", "-p", "2048", "-H", "255", "-S", "63", "-s", "512", path)
    return dataclasses.replace(VOLUME, device=str(path))


@contextmanager
def mounted(volume: FileSystem, place: Path) -> Iterator[Path]:
    """Mount as a test's own hand does: with other options than Ferry's."""
    place.mkdir(exist_ok=True)
    run("ntfs-3g", volume.device, place)
    try:
        yield place
    finally:
        run("umount", place)


@pytest.fixture
def volume(tmp_path: Path) -> FileSystem:
    made = make_volume(tmp_path / "volume")
    with mounted(made, tmp_path / "mount") as place:
        fill_windows(place, system(), software())
    return made


@pytest.fixture
def stage(tmp_path: Path) -> str:
    (tmp_path / "stage").mkdir()
    return str(tmp_path / "stage")


def prepare(volume: FileSystem, stage: str, virtio: Path, *, apply: bool) -> Plan:
    found = find_windows([disk(Path(volume.device))], [volume], stage)
    assert found == volume
    guest = windows_guest(volume, stage, virtio)
    return guest.prepare(OPTIONS, Extensions(), no_timer, apply=apply)[1]


def windows_guest(volume: FileSystem, stage: str, virtio: Path) -> WindowsGuest:
    return WindowsGuest(
        disks=[disk(Path(volume.device))],
        file_systems=[volume],
        root=volume,
        stage=stage,
        virtio_win=str(virtio),
    )


def content(volume: FileSystem) -> bytes:
    return Path(volume.device).read_bytes()


def read_file(volume: FileSystem, path: str) -> bytes:
    """Return a file's content, read without mounting."""
    return run("ntfscat", volume.device, path)


def mark_log_as_used(volume: FileSystem) -> None:
    """Write what Windows has in $LogFile while a volume is mounted: a restart page with a client.

    mkntfs fills the log with 0xff. Layout: Linux' fs/ntfs documentation, restart page and restart area.
    """
    image = bytearray(content(volume))
    start = image.index(b"\xff" * (1 << 20))
    page = bytearray(4096)
    struct.pack_into("<4sHHqIIHHH", page, 0, b"RSTR", 30, 9, 0, 4096, 4096, 48, 1, 1)
    log = int(next(_log_sizes(volume)))
    bits = 67 - log.bit_length()
    area = struct.pack("<qHHHHIHH", 1, 1, 0xFFFF, 0, 0, bits, 64 + 160, 64)
    area += struct.pack("<qIHHII", log, 0, 48, 64, 1, 0)
    client = struct.pack("<qqHHHHIHI", 0, 0, 0xFFFF, 0xFFFF, 0, 0, 0, 0, 8)
    page[48 : 48 + len(area)] = area
    page[112 : 112 + len(client)] = client
    struct.pack_into("<H", page, 30, 1)
    for end in range(510, 4096, 512):
        struct.pack_into("<H", page, end, 1)
    for offset in (0, 4096):
        image[start + offset : start + offset + 4096] = page
    Path(volume.device).write_bytes(image)


def _log_sizes(volume: FileSystem) -> Iterator[str]:
    for line in run("ntfsinfo", "-i", "2", "-v", volume.device).decode().splitlines():
        if "Data size:" in line:
            yield line.split(":")[1].split()[0]


def test_a_windows_volume_is_prepared_once(volume: FileSystem, stage: str, tmp_path: Path) -> None:
    fill_virtio_win(tmp_path / "virtio-win")
    assert prepare(volume, stage, tmp_path / "virtio-win", apply=True).changes
    assert read_file(volume, "Windows/System32/drivers/viostor.sys") == b"viostor 2k22 sys"
    assert read_file(volume, "Windows/Ferry/firstboot.cmd").startswith(b"@echo off\r\n")
    run("ntfsfix", "--no-action", volume.device)
    before = content(volume)
    assert prepare(volume, stage, tmp_path / "virtio-win", apply=True).changes == ()
    assert content(volume) == before


def test_extensions_run_on_the_volume_and_secrets_are_for_administrators(
    volume: FileSystem, stage: str, tmp_path: Path
) -> None:
    fill_virtio_win(tmp_path / "virtio-win")
    note = "echo $FERRY_STAGE >>$FERRY_ROOT/note; [ -e $FERRY_ROOT/Windows/Ferry ]; echo $?\n"
    asked = [
        extension(name="one", stage="before", runs_on="worker", content=note),
        extension(name="two", runs_on="worker", content=note),
        extension(name="three", kind="powershell", stage="first_boot"),
    ]
    sync = Sync("erp01", 1, "first")
    extensions = Extensions(asked, sync)
    options = dataclasses.replace(OPTIONS, extensions=tuple(asked), sync=sync)
    guest = windows_guest(volume, stage, tmp_path / "virtio-win")
    guest.prepare(options, extensions, no_timer, apply=True)
    assert [each.output for each in extensions.outcomes] == ["1\n", "0\n", ""]
    assert read_file(volume, "note") == b"before\nafter\n"
    run("ntfsfix", "--no-action", volume.device)
    with mounted(volume, tmp_path / "mount") as place:
        scripts = place / "Windows/Ferry/scripts"
        private = os.getxattr(scripts / "600-three.ps1", RIGHTS_ATTRIBUTE)
        assert private == PRIVATE_RIGHTS
        assert os.getxattr(scripts / "600-three.cmd", RIGHTS_ATTRIBUTE) == OUR_RIGHTS


def test_a_trial_leaves_the_volume_as_it_is(volume: FileSystem, stage: str, tmp_path: Path) -> None:
    fill_virtio_win(tmp_path / "virtio-win")
    before = content(volume)
    assert prepare(volume, stage, tmp_path / "virtio-win", apply=False).changes
    assert content(volume) == before


@pytest.mark.skipif(
    "iso9660" not in Path("/proc/filesystems").read_text(),
    reason="this kernel has no iso9660; the worker's has",
)
def test_drivers_are_taken_from_an_iso(volume: FileSystem, stage: str, tmp_path: Path) -> None:
    fill_virtio_win(tmp_path / "tree")
    iso = tmp_path / "virtio-win.iso"
    run("xorriso", "-as", "mkisofs", "-quiet", "-J", "-R", "-o", iso, tmp_path / "tree")
    assert prepare(volume, stage, iso, apply=True).changes
    assert read_file(volume, "Windows/System32/drivers/viostor.sys") == b"viostor 2k22 sys"


def test_what_first_boot_runs_is_written_by_administrators_only(
    volume: FileSystem, stage: str, tmp_path: Path
) -> None:
    """It runs as LocalSystem; ntfs-3g by itself lets everyone write."""
    fill_virtio_win(tmp_path / "virtio-win")
    prepare(volume, stage, tmp_path / "virtio-win", apply=True)
    for path in ("", "/firstboot.cmd", "/scripts", "/scripts/10-drivers.cmd"):
        said = run("ntfssecaudit", "-v", volume.device, f"/Windows/Ferry{path}").decode()
        assert "Windows owner S-1-5-32-544" in said
        # Everyone may not, users may read (0555) what administrators write.
        assert "S-1-1-0" not in said
        assert re.search(r"mode 0[0-7]?755|mode 0755", said)


# platform9/vjailbreak PR 1856: a Windows disk that was dirty when it was migrated.
def test_a_volume_with_a_used_log_is_not_clean(volume: FileSystem, stage: str) -> None:
    assert is_clean(volume)
    mark_log_as_used(volume)
    before = content(volume)
    assert not is_clean(volume)
    with pytest.raises(PreparationError, match="cannot mount"), mount_windows(
        volume, stage, writable=True
    ):
        pass
    assert content(volume) == before


def test_an_unclean_windows_is_refused_and_left_alone(
    volume: FileSystem, stage: str, tmp_path: Path
) -> None:
    fill_virtio_win(tmp_path / "virtio-win")
    mark_log_as_used(volume)
    before = content(volume)
    with pytest.raises(PlanError, match="NTFS log is not empty"):
        prepare(volume, stage, tmp_path / "virtio-win", apply=True)
    assert content(volume) == before


def test_a_saved_session_is_refused_and_kept(
    volume: FileSystem, stage: str, tmp_path: Path
) -> None:
    fill_virtio_win(tmp_path / "virtio-win")
    with mounted(volume, tmp_path / "mount") as place:
        (place / "hiberfil.sys").write_bytes(b"hibr".ljust(8192, b"\1"))
    assert not is_clean(volume)
    before = content(volume)
    with pytest.raises(PlanError, match="powercfg /h off"):
        prepare(volume, stage, tmp_path / "virtio-win", apply=True)
    assert content(volume) == before


def test_a_data_volume_is_no_windows(tmp_path: Path, stage: str) -> None:
    data = make_volume(tmp_path / "data")
    assert find_windows([disk(Path(data.device))], [data], stage) is None


def test_two_systems_are_refused(volume: FileSystem, stage: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(content(volume))
    second = dataclasses.replace(VOLUME, disk="sdb", device=str(other))
    with pytest.raises(PlanError, match="more than one Windows: sda partition 2 and sdb"):
        find_windows([disk(other)], [volume, second], stage)


def test_an_encrypted_system_is_named(tmp_path: Path, stage: str) -> None:
    """blkid knows BitLocker's volumes by a kind of their own, so no NTFS is there to look at."""
    device = tmp_path / "encrypted"
    device.write_bytes(b"\xeb\x58\x90-FVE-FS-".ljust(1 << 16, b"\0"))
    hidden = dataclasses.replace(VOLUME, device=str(device), kind="BitLocker")
    with pytest.raises(PlanError, match="manage-bde -off"):
        find_windows([disk(device)], [hidden], stage)


_HOLD = """
import sys
from ansible_collections.ferry.hvm.plugins.module_utils.guest import facts, syscalls, windows_mounted
syscalls.enter_private_mounts()
volume = facts.FileSystem("sda", 2, sys.argv[1], "ntfs")
with windows_mounted.mount_windows(volume, sys.argv[2], writable=True):
    print("mounted", flush=True)
    sys.stdin.read()
"""


def _holders(path: str) -> list[int]:
    """Return the processes that have the file open."""
    links = glob.glob("/proc/[0-9]*/fd/*")
    found = {int(link.split("/")[2]) for link in links if _goal(link) == path}
    return sorted(found)


def _goal(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def test_a_killed_preparation_leaves_nothing_that_holds_the_disk(
    volume: FileSystem, stage: str
) -> None:
    """ntfs-3g is a child that dies with its parent; a detached one would keep the overlay in use."""
    command = [sys.executable, "-c", _HOLD, volume.device, stage]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / ".collections")}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"mounted\n"
        [server] = _holders(volume.device)
        handle = os.pidfd_open(server)
        process.kill()
        ended, _writable, _failed = select.select([handle], [], [], 30)
        os.close(handle)
    assert ended
    assert _holders(volume.device) == []
