# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB is put around the partition table, and its menu names what the running server has."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.guests.disks import MIB, make_partitioned
from lab.guests.grub import BOOT_FILES, CORE_LENGTH, GRUB_PROBE, write_boot_code

UUID = "0b5e7a3c-3c51-4c8e-9d8a-3f5a8c1d2e4f"


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    files = tmp_path / "tree" / BOOT_FILES
    files.mkdir(parents=True)
    (files / "boot.img").write_bytes(b"B" * 512)
    (files / "core.img").write_bytes(b"C" * 30_000)
    return tmp_path / "tree"


@pytest.fixture(name="disk")
def _disk(tmp_path: Path) -> Path:
    disk = tmp_path / "disk.raw"
    make_partitioned(disk, 4 * MIB)
    return disk


def with_number(code: bytes, place: int, number: int) -> bytes:
    return code[:place] + number.to_bytes(8, "little") + code[place + 8 :]


@pytest.mark.parametrize("first", [1, 2048], ids=["behind the MBR", "in a partition of its own"])
def test_boot_code_leaves_signature_and_partition_table_alone(
    disk: Path, tree: Path, first: int
) -> None:
    before = disk.read_bytes()
    write_boot_code(disk, tree, first=first)
    after, core = disk.read_bytes(), first * 512
    # The numbers stand where GRUB's own setup puts them (util/setup.c).
    assert after[:440] == with_number(b"B" * 440, 0x5C, first)
    assert after[440:core] == before[440:core]
    assert after[core : core + 30_000] == with_number(b"C" * 30_000, 0x1F4, first + 1)
    assert after[core + 30_000 :] == before[core + 30_000 :]


def test_a_core_image_as_large_as_the_gap_fits(disk: Path, tree: Path) -> None:
    (tree / BOOT_FILES / "core.img").write_bytes(b"C" * CORE_LENGTH)
    write_boot_code(disk, tree)
    assert disk.read_bytes()[512:MIB] == with_number(b"C" * CORE_LENGTH, 0x1F4, 2)
    assert disk.read_bytes()[MIB:] == bytes(3 * MIB)


def test_a_larger_core_image_is_refused_before_anything_is_written(disk: Path, tree: Path) -> None:
    (tree / BOOT_FILES / "core.img").write_bytes(b"C" * (CORE_LENGTH + 1))
    before = disk.read_bytes()
    with pytest.raises(LabError, match="does not fit"):
        write_boot_code(disk, tree)
    assert disk.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--target=device", "/"], "/dev/sda1"),
        (["--device", "/dev/sda1", "--target=fs_uuid"], UUID),
        (["--device", "/dev/sda1", "--target=fs"], "ext2"),
        (["--device", "/dev/sda1", "--target=partmap"], "msdos"),
        (["--device", "/dev/sda1", "--target=abstraction"], ""),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_stand_in_probe_answers_for_the_running_server(
    tmp_path: Path, words: list[str], answer: str
) -> None:
    probe = tmp_path / "grub-probe"
    probe.write_text(GRUB_PROBE.format(uuid=UUID))
    told = subprocess.run(["sh", str(probe), *words], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == answer
