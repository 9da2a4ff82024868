# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's disks are what their names say, whatever the content."""

from __future__ import annotations

import io
import random
import tarfile
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication.geometry import Span
from ansible_collections.ferry.hvm.plugins.module_utils.units import GIB, MIB

from tests.bench.errors import BenchError
from tests.bench.images import (
    SPARSE_STEP,
    delta_length,
    delta_writes,
    make_image,
    pool_size,
    stretches,
)
from tests.bench.packages import PAGE, ZERO_PAGE, files_of, without_zero_pages, write_pool

SIZES = pytest.mark.parametrize("size", [MIB, 128 * MIB, 3 * GIB], ids="{} bytes".format)

SMALL = 8 * MIB


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Content without a page of zeros, no two pages alike."""
    path = tmp_path / "pool.raw"
    path.write_bytes(random.Random(1).randbytes(pool_size(SMALL)))
    return path


def pages(image: Path) -> list[bytes]:
    content = image.read_bytes()
    return [content[start : start + PAGE] for start in range(0, len(content), PAGE)]


def assert_apart(spans: list[Span], size: int) -> None:
    """Whole pages, rising, none over another, inside the disk."""
    assert all(number % PAGE == 0 for span in spans for number in span)
    assert all(one.end <= other.start for one, other in zip(spans, spans[1:]))
    assert spans[0].start >= 0
    assert spans[-1].end <= size


@SIZES
def test_content_is_half_of_a_thick_disk(size: int) -> None:
    spans = stretches(size)
    assert_apart(spans, size)
    assert sum(span.length for span in spans) == size // 2


@SIZES
def test_a_delta_changes_one_percent_in_scattered_writes(size: int) -> None:
    spans = delta_writes(size)
    assert_apart(spans, size)
    assert all(PAGE <= span.length <= MIB for span in spans)
    assert sum(span.length for span in spans) == delta_length(size)
    assert delta_length(size) == pytest.approx(size / 100, abs=PAGE)


def test_the_writes_of_a_large_delta_are_of_all_sizes_and_everywhere() -> None:
    spans = delta_writes(3 * GIB)
    assert min(span.length for span in spans) <= 16 * 1024
    assert max(span.length for span in spans) >= 512 * 1024
    assert {span.start * 4 // (3 * GIB) for span in spans} == {0, 1, 2, 3}


def test_the_same_seed_makes_the_same_disks() -> None:
    assert delta_writes(GIB) == delta_writes(GIB) != delta_writes(GIB, seed=1)
    assert stretches(GIB) == stretches(GIB) != stretches(GIB, seed=1)


def test_a_dense_disk_has_no_page_of_zeros(pool: Path, tmp_path: Path) -> None:
    found = pages(make_image("dense", pool, tmp_path, SMALL))
    assert len(found) == SMALL // PAGE
    assert ZERO_PAGE not in found


def test_the_zeros_of_a_thick_disk_were_written(pool: Path, tmp_path: Path) -> None:
    image = make_image("thick", pool, tmp_path, SMALL)
    assert pages(image).count(ZERO_PAGE) == SMALL // PAGE // 2
    # Else peers that look for holes would skip them, which a block device does not let them.
    assert image.stat().st_blocks * 512 >= SMALL


def test_a_delta_differs_from_dense_where_it_was_written(pool: Path, tmp_path: Path) -> None:
    old, new = (pages(make_image(name, pool, tmp_path, SMALL)) for name in ("dense", "delta"))
    differing = [number for number, pair in enumerate(zip(old, new)) if pair[0] != pair[1]]
    writes = delta_writes(SMALL)
    expected = [at // PAGE for span in writes for at in range(span.start, span.end, PAGE)]
    assert differing == expected


def test_what_a_delta_writes_is_nowhere_on_the_older_disk(pool: Path, tmp_path: Path) -> None:
    old, new = (pages(make_image(name, pool, tmp_path, SMALL)) for name in ("dense", "delta"))
    assert len(set(new) - set(old)) == delta_length(SMALL) // PAGE


def test_a_sparse_disk_is_mostly_holes(pool: Path, tmp_path: Path) -> None:
    image = make_image("sparse", pool, tmp_path, 4 * SPARSE_STEP)
    assert image.stat().st_size == 4 * SPARSE_STEP
    assert 4 * MIB <= image.stat().st_blocks * 512 < 5 * MIB


@pytest.mark.parametrize("cut", [1, 100, PAGE, PAGE + 1, 10 * PAGE])
def test_pages_of_zeros_are_dropped_however_the_stream_is_cut(cut: int) -> None:
    one, other = b"1" * PAGE, b"\0" * (PAGE - 1) + b"2"
    stream = ZERO_PAGE + one + ZERO_PAGE * 2 + other + b"short"
    blocks = (stream[start : start + cut] for start in range(0, len(stream), cut))
    assert b"".join(without_zero_pages(blocks)) == one + other


def test_only_regular_files_of_a_package_are_content() -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        link = tarfile.TarInfo("usr/bin/link")
        link.type, link.linkname = tarfile.SYMTYPE, "program"
        tar.addfile(link)
        program = tarfile.TarInfo("usr/bin/program")
        program.size = 7
        tar.addfile(program, io.BytesIO(b"content"))
    assert b"".join(files_of(io.BytesIO(archive.getvalue()))) == b"content"


def test_a_pool_is_cut_to_its_size(tmp_path: Path) -> None:
    write_pool(iter([b"abc", b"", b"defgh", b"never asked for"]), 5, tmp_path / "pool")
    assert (tmp_path / "pool").read_bytes() == b"abcde"


def test_too_little_content_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="hold 1 MiB of content, but 2 MiB are wanted"):
        write_pool(iter([bytes(MIB)]), 2 * MIB, tmp_path / "pool")
