# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files written into an ext4 image arrive whole, with their modes, or the caller hears of it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from lab.command import run
from lab.errors import LabError
from lab.guests.disks import MIB, PARTITION_START, fill_with_ext4, make_partitioned
from lab.guests.edit import GuestFile, add_files

UUID = "0b5e7a3c-3c51-4c8e-9d8a-3f5a8c1d2e4f"


@pytest.fixture(name="disk")
def _disk(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "etc/ssh").mkdir(parents=True)
    (tree / "etc/there").write_text("old\n")
    disk = tmp_path / "disk.raw"
    make_partitioned(disk, 32 * MIB)
    fill_with_ext4(disk, tree, UUID)
    return disk


def stat_of(disk: Path, path: str) -> str:
    return run("debugfs", "-R", f"stat {path}", f"{disk}?offset={PARTITION_START}")


def test_files_arrive_with_content_mode_and_owner(disk: Path) -> None:
    key = GuestFile(b"secret\n", 0o600)
    add_files(
        disk,
        {
            PurePosixPath("/etc/ssh/key"): key,
            PurePosixPath("/etc/with space"): GuestFile(b"\x00\xff" * 5000),
            PurePosixPath("/etc/empty"): GuestFile(b""),
        },
    )
    partition = f"{disk}?offset={PARTITION_START}"
    assert run("debugfs", "-R", "cat /etc/ssh/key", partition) == "secret\n"
    told = stat_of(disk, "/etc/ssh/key")
    assert "Type: regular" in told
    assert "Mode:  0600" in told
    assert "User:     0   Group:     0" in told
    run("e2fsck", "-f", "-n", partition)


def test_an_existing_file_is_refused(disk: Path) -> None:
    with pytest.raises(LabError, match="could not write /etc/there"):
        add_files(disk, {PurePosixPath("/etc/there"): GuestFile(b"new\n")})


def test_a_missing_directory_is_refused(disk: Path) -> None:
    with pytest.raises(LabError, match="could not write /srv/nowhere/file"):
        add_files(disk, {PurePosixPath("/srv/nowhere/file"): GuestFile(b"new\n")})


def test_a_full_file_system_is_refused(disk: Path) -> None:
    with pytest.raises(LabError, match="could not write /etc/large"):
        add_files(disk, {PurePosixPath("/etc/large"): GuestFile(b"x" * 40 * MIB)})


def test_no_copy_of_a_secret_is_left_on_the_host(disk: Path) -> None:
    add_files(disk, {PurePosixPath("/etc/ssh/key"): GuestFile(b"secret\n", 0o600)})
    assert sorted(entry.name for entry in disk.parent.iterdir()) == ["disk.raw", "tree"]
