# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The partition table of a worker's disk, judged by sfdisk as well."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.worker.partitions import (
    MAX_SECTORS,
    SECTOR,
    Partition,
    add_partitions,
    read_table,
)

EMPTY = bytes(510) + b"\x55\xaa"
FIRST = Partition(1, 0x83, 2048, 4096)


def test_sector_without_signature_is_refused() -> None:
    with pytest.raises(InputError, match="no partition table"):
        read_table(bytes(SECTOR))


def test_short_sector_is_refused() -> None:
    with pytest.raises(InputError, match="no partition table"):
        read_table(EMPTY[1:])


def test_added_entries_are_read_back() -> None:
    last = Partition(4, 0xDA, 8192, 1)
    assert read_table(add_partitions(EMPTY, (FIRST, last))) == [FIRST, last]


def test_boot_code_and_other_entries_stay() -> None:
    sector = add_partitions(b"\xeb" * 446 + EMPTY[446:], (FIRST,))
    changed = add_partitions(sector, (Partition(3, 0x83, 8192, 8),))
    assert changed[:478] == sector[:478]
    assert changed[494:] == sector[494:]


def test_used_entry_is_not_overwritten() -> None:
    with pytest.raises(InputError, match="no room for entry 1"):
        add_partitions(add_partitions(EMPTY, (FIRST,)), (FIRST,))


def test_there_is_no_fifth_entry() -> None:
    with pytest.raises(InputError, match="no room for entry 5"):
        add_partitions(EMPTY, (Partition(5, 0x83, 2048, 8),))


@pytest.mark.parametrize(
    ("count", "fits"),
    [
        pytest.param(MAX_SECTORS - 2048, True, id="up to"),
        pytest.param(MAX_SECTORS - 2047, False, id="beyond"),
    ],
)
def test_entries_end_at_2_tib(count: int, *, fits: bool) -> None:
    added = (Partition(1, 0x83, 2048, count),)
    if fits:
        assert read_table(add_partitions(EMPTY, added)) == list(added)
    else:
        with pytest.raises(InputError, match="beyond 2 TiB"):
            add_partitions(EMPTY, added)


def test_sfdisk_reads_what_was_written(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(
        add_partitions(EMPTY, (FIRST, Partition(2, 0xDA, 6144, 2048))).ljust(1 << 23, b"\0")
    )
    told = subprocess.run(
        ["/sbin/sfdisk", "--json", disk], capture_output=True, text=True, check=True
    ).stdout
    found = json.loads(told)["partitiontable"]["partitions"]
    assert [(each["start"], each["size"], each["type"]) for each in found] == [
        (2048, 4096, "83"),
        (6144, 2048, "da"),
    ]
