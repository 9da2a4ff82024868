# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that is composed of parts gives the bytes of each part, wherever it is read."""

from __future__ import annotations

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication.composed_disk import (
    ComposedDisk,
    Part,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.disks import aligned_buffer
from ansible_collections.ferry.hvm.plugins.module_utils.replication.errors import DiskError
from ansible_collections.ferry.hvm.plugins.module_utils.replication.geometry import Span
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK, GRANULE
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.replication.rig import noise

SECTOR = 512
SIZE = 40 * SECTOR
LIVE, DATA, LOGS = (noise(SIZE, seed) for seed in range(3))

# live | saved | volume data | zeros | stripe 1 of 2 of volume logs | live
PARTS = [
    Part(Span(20 * SECTOR, 3 * SECTOR)),
    Part(Span(2 * SECTOR, 5 * SECTOR), saved=noise(5 * SECTOR, 3)),
    Part(Span(7 * SECTOR, 13 * SECTOR), volume="vg/data", offset=4 * SECTOR, stripe=13 * SECTOR),
    Part(
        Span(23 * SECTOR, 8 * SECTOR),
        volume="vg/logs",
        offset=6 * SECTOR,
        stripes=2,
        stripe_number=1,
        stripe=2 * SECTOR,
    ),
]


def expected() -> bytes:
    """Put the disk together sector by sector, from the pictures of LVM's manual."""
    sectors = [LIVE[at : at + SECTOR] for at in range(0, SIZE, SECTOR)]
    sectors[20:23] = [bytes(SECTOR)] * 3
    saved = PARTS[1].saved
    assert saved is not None
    sectors[2:7] = [saved[at : at + SECTOR] for at in range(0, len(saved), SECTOR)]
    sectors[7:20] = [DATA[at * SECTOR :][:SECTOR] for at in range(4, 17)]
    # Each row of the stripes has four sectors of the volume; the second two of them are here.
    places = [6 + row * 4 + 2 + sector for row in range(4) for sector in range(2)]
    sectors[23:31] = [LOGS[at * SECTOR :][:SECTOR] for at in places]
    return b"".join(sectors)


def composed() -> ComposedDisk:
    volumes = {"vg/data": MemoryDisk(DATA), "vg/logs": MemoryDisk(LOGS)}
    return ComposedDisk(MemoryDisk(LIVE), PARTS, volumes)


@given(st.integers(0, SIZE - 1), st.integers(1, SIZE))
def test_any_read_gives_the_bytes_of_its_parts(start: int, length: int) -> None:
    length = min(length, SIZE - start)
    got = composed().read(start, length, aligned_buffer())
    assert bytes(got) == expected()[start : start + length]


def test_a_disk_without_parts_is_the_live_one() -> None:
    disk = ComposedDisk(MemoryDisk(LIVE), [], {})
    assert disk.size == SIZE
    assert bytes(disk.read(0, SIZE, aligned_buffer())) == LIVE


def test_parts_that_claim_the_same_bytes_are_refused() -> None:
    parts = [Part(Span(0, CHUNK)), Part(Span(GRANULE, GRANULE))]
    with pytest.raises(DiskError, match=f"0[+]{CHUNK} and {GRANULE}[+]{GRANULE} overlap"):
        ComposedDisk(MemoryDisk(bytes(2 * CHUNK)), parts, {})
