# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server's data is its own, the same each time, and its checksums are what sha256sum(1) makes of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lab.guests.content import SUMS, site_files, write_business_data


@pytest.fixture(scope="module", name="data")
def _data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("data")
    write_business_data("web01", directory)
    return directory


def check(directory: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["sha256sum", "--check", "--quiet", "--strict", SUMS],
        cwd=directory,
        capture_output=True,
        check=False,
    )


def test_checksums_of_the_business_data_hold(data: Path) -> None:
    assert check(data).returncode == 0


def test_every_file_of_the_business_data_has_a_checksum(data: Path) -> None:
    named = {line.split(maxsplit=1)[1] for line in (data / SUMS).read_text().splitlines()}
    there = {str(file.relative_to(data)) for file in data.rglob("*") if file.is_file()}
    assert there - named == {SUMS}


def test_one_changed_byte_of_a_scan_is_noticed(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    scan = copy / "scans/scan-03.bin"
    content = bytearray(scan.read_bytes())
    content[len(content) // 2] ^= 1
    scan.write_bytes(content)
    result = check(copy)
    assert result.returncode == 1
    assert b"scans/scan-03.bin" in result.stdout


def test_business_data_is_large_enough_to_be_worth_a_sync_and_small_enough_for_emulation(
    data: Path,
) -> None:
    size = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
    assert 15_000_000 < size < 40_000_000


def test_checksums_of_the_site_hold(tmp_path: Path) -> None:
    for name, content in site_files("web01").items():
        (tmp_path / name).write_bytes(content)
    assert check(tmp_path).returncode == 0


def test_a_server_gets_the_same_data_each_time(data: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    write_business_data("web01", again)
    assert (again / SUMS).read_bytes() == (data / SUMS).read_bytes()
    assert site_files("web01") == site_files("web01")


def test_two_servers_share_no_file_but_the_empty_one(tmp_path: Path) -> None:
    other, mine = site_files("db01"), site_files("web01")
    assert {name for name in mine if mine[name] == other[name]} == {"empty.txt"}
