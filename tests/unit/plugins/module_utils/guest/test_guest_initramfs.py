# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names inside an initramfs, however it is packed, and damage that is told as such."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from typing import IO, Callable

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import PreparationError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import VIRTIO_DRIVERS
from ansible_collections.ferry.hvm.plugins.module_utils.guest.initramfs import (
    drivers_among,
    read_names,
)

from tests.unit.plugins.module_utils.guest.guest_samples import build_archive

MICROCODE = build_archive(["kernel/x86/microcode/GenuineIntel.bin"], content=b"m" * 777)
NAMES = ["etc", "usr/lib/modules/6.1/kernel/virtio_blk.ko", "conf/\u00e4"]
MAIN = build_archive(NAMES, content=b"x" * 1001)


def no_program(program: str, _packed: IO[bytes]) -> IO[bytes]:
    raise AssertionError(f"{program} is not needed")


def names(image: bytes) -> list[str]:
    return list(read_names(io.BytesIO(image), no_program))


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(bytes, id="plain"),
        pytest.param(gzip.compress, id="gzip"),
        pytest.param(lzma.compress, id="xz"),
        pytest.param(lambda data: lzma.compress(data, lzma.FORMAT_ALONE), id="lzma"),
        pytest.param(bz2.compress, id="bzip2"),
    ],
)
def test_names_are_read_behind_the_microcode(pack: Callable[[bytes], bytes]) -> None:
    assert names(pack(MAIN)) == NAMES
    early = MICROCODE + b"\0" * (-len(MICROCODE) % 512)
    assert names(early + pack(MAIN)) == ["kernel/x86/microcode/GenuineIntel.bin", *NAMES]


def test_two_archives_in_one_compressed_part_are_both_read() -> None:
    assert names(gzip.compress(MAIN + b"\0" * 100 + build_archive(["more"]))) == [*NAMES, "more"]


@pytest.mark.parametrize(
    ("magic", "program"),
    [(b"\x28\xb5\x2f\xfd", "zstd"), (b"\x02\x21\x4c\x18", "lz4"), (b"\x89LZO", "lzop")],
)
def test_other_packers_are_asked_of_the_guest(magic: bytes, program: str) -> None:
    def unpack(wanted: str, packed: IO[bytes]) -> IO[bytes]:
        assert wanted == program
        assert packed.read().startswith(magic)
        return io.BytesIO(MAIN)

    assert list(read_names(io.BytesIO(magic + b"packed"), unpack)) == NAMES


@pytest.mark.parametrize(
    ("image", "words"),
    [
        pytest.param(b"garbage, no image", "unknown format", id="something else"),
        pytest.param(MAIN[:-300], "in the middle", id="cut off"),
        pytest.param(gzip.compress(MAIN[:400] + b"?" * 200), "damaged", id="overwritten"),
    ],
)
def test_damage_is_told(image: bytes, words: str) -> None:
    with pytest.raises(PreparationError, match=words):
        names(image)


def test_an_empty_image_has_no_names() -> None:
    assert names(b"") == names(b"\0" * 4096) == []


@pytest.mark.parametrize(
    "path",
    [
        "usr/lib/modules/6.1/kernel/drivers/block/virtio_blk.ko",
        "lib/modules/6.1/virtio-blk.ko.xz",
        "kernel/drivers/block/virtio_blk.ko.zst",
    ],
)
def test_a_driver_is_known_by_its_file(path: str) -> None:
    assert drivers_among([path, "virtio_blk.conf", "xvirtio_net.ko"], VIRTIO_DRIVERS) == {
        "virtio_blk"
    }
