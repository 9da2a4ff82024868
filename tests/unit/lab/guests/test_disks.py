# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images are judged by the tools that made neither table nor files: sfdisk, e2fsck, xfs_repair."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lab.command import run
from lab.errors import LabError
from lab.guests.disks import MIB, PARTITION_START, fill_with_ext4, fill_with_xfs, make_partitioned

UUID = "0b5e7a3c-3c51-4c8e-9d8a-3f5a8c1d2e4f"
# mkfs.xfs refuses file systems below 300 MB (xfsprogs 6.1).
XFS_DISK_SIZE = 320 * MIB


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "deep/deeper").mkdir(parents=True)
    (tree / "empty").touch()
    (tree / "deep/text").write_text("hello\n")
    (tree / "deep/deeper/blob").write_bytes(bytes(range(256)) * 4096)
    (tree / "script").write_text("#!/bin/sh\n")
    (tree / "script").chmod(0o755)
    return tree


@pytest.fixture(name="disk")
def _disk(tmp_path: Path) -> Path:
    disk = tmp_path / "disk.raw"
    make_partitioned(disk, 64 * MIB)
    return disk


def partition_of(disk: Path) -> Path:
    """Return a file with the bytes of the disk's first partition."""
    partition = disk.with_suffix(".partition")
    skip = PARTITION_START // MIB
    run(
        "dd", f"if={disk}", f"of={partition}", "bs=1M", f"skip={skip}", "conv=sparse", "status=none"
    )
    return partition


def test_disk_has_one_bootable_partition_up_to_its_end(disk: Path) -> None:
    table = json.loads(run("sfdisk", "--json", str(disk)))["partitiontable"]
    (partition,) = table["partitions"]
    assert table["label"] == "dos"
    assert partition["start"] == 2048
    assert partition["start"] + partition["size"] == 64 * MIB // 512
    assert partition["bootable"] is True
    assert partition["type"] == "83"


def test_a_new_disk_takes_almost_no_space(disk: Path) -> None:
    assert disk.stat().st_blocks * 512 < MIB


def test_an_existing_disk_is_not_overwritten(disk: Path) -> None:
    with pytest.raises(FileExistsError):
        make_partitioned(disk, MIB)


def test_ext4_is_sound_and_has_the_trees_files(disk: Path, tree: Path, tmp_path: Path) -> None:
    fill_with_ext4(disk, tree, UUID)
    run("e2fsck", "-f", "-n", f"{disk}?offset={PARTITION_START}")
    back = tmp_path / "back"
    back.mkdir()
    run("debugfs", "-R", f'rdump / "{back}"', f"{disk}?offset={PARTITION_START}")
    (back / "lost+found").rmdir()
    run("diff", "--recursive", str(tree), str(back))
    assert (back / "script").stat().st_mode & 0o777 == 0o755


def test_ext4_has_the_uuid_that_the_boot_menu_names(disk: Path, tree: Path) -> None:
    fill_with_ext4(disk, tree, UUID)
    found = run("blkid", "--probe", "--output=export", f"--offset={PARTITION_START}", str(disk))
    assert f"UUID={UUID}" in found.splitlines()
    assert "TYPE=ext4" in found.splitlines()


def test_ext4_leaves_nothing_to_be_written_later_by_the_kernel(disk: Path, tree: Path) -> None:
    fill_with_ext4(disk, tree, UUID)
    told = run("dumpe2fs", f"{disk}?offset={PARTITION_START}").splitlines()
    groups = [line for line in told if re.match(r"Group \d+:", line)]
    assert groups
    assert all("ITABLE_ZEROED" in group for group in groups)


def test_xfs_is_sound_and_has_the_trees_files(tmp_path: Path, tree: Path) -> None:
    disk = tmp_path / "data.raw"
    make_partitioned(disk, XFS_DISK_SIZE)
    fill_with_xfs(disk, tree)
    partition = str(partition_of(disk))
    run("xfs_repair", "-n", "-f", partition)
    listing = run(
        "xfs_db", "-f", "-r", "-c", "ls /", "-c", "ls /deep", "-c", "ls /deep/deeper", partition
    )
    assert {"empty", "script", "text", "blob"} <= set(listing.split())


def test_xfs_disk_holds_the_contents_and_stays_sparse(tmp_path: Path, tree: Path) -> None:
    disk = tmp_path / "data.raw"
    make_partitioned(disk, XFS_DISK_SIZE)
    fill_with_xfs(disk, tree)
    assert (tree / "deep/deeper/blob").read_bytes() in disk.read_bytes()
    assert disk.stat().st_size == XFS_DISK_SIZE
    assert disk.stat().st_blocks * 512 < 20 * MIB


def test_xfs_leaves_the_partition_table_alone(tmp_path: Path, tree: Path) -> None:
    disk = tmp_path / "data.raw"
    make_partitioned(disk, XFS_DISK_SIZE)
    before = disk.read_bytes()[:PARTITION_START]
    fill_with_xfs(disk, tree)
    assert disk.read_bytes()[:PARTITION_START] == before


def test_a_disk_too_small_for_xfs_is_refused(disk: Path, tree: Path) -> None:
    with pytest.raises(LabError, match=r"mkfs\.xfs"):
        fill_with_xfs(disk, tree)


def test_nothing_is_left_beside_the_disk(tmp_path: Path, tree: Path) -> None:
    disk = tmp_path / "alone" / "data.raw"
    disk.parent.mkdir()
    make_partitioned(disk, XFS_DISK_SIZE)
    fill_with_xfs(disk, tree)
    assert list(disk.parent.iterdir()) == [disk]
    assert run("losetup", "--associated", str(disk)) == ""
