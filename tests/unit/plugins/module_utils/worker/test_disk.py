# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker's disk is the image, a seed and an entry for free space; made whole or not at all."""

from __future__ import annotations

import dataclasses
import os
import resource
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.units import GIB, MIB
from ansible_collections.ferry.hvm.plugins.module_utils.worker.disk import (
    EFI_KIND,
    FREE_KIND,
    MIN_FREE,
    SEED_KIND,
    Request,
    make_disk,
)
from ansible_collections.ferry.hvm.plugins.module_utils.worker.keys import read_key_pair
from ansible_collections.ferry.hvm.plugins.module_utils.worker.partitions import (
    SECTOR,
    Partition,
    add_partitions,
    read_table,
)
from ansible_collections.ferry.hvm.plugins.module_utils.worker.seed import Wishes, decode_seed

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID21grSPtAdlQQ/ZK+8iw2LTBXxQtEzO6ZSlGX8VE2va"
# Not a whole number of MiB, as an ISO's size need not be.
IMAGE_SIZE = 5 * MIB + 2048
SEED_START = 6 * MIB
SIZE = 7 * MIB


@pytest.fixture(name="request_")
def _request(tmp_path: Path) -> Request:
    image = tmp_path / "image.iso"
    entries = (Partition(1, 0x17, 0, 4096), Partition(2, 0x83, 4096, 4096))
    sector = add_partitions(b"\xeb" * 446 + bytes(64) + b"\x55\xaa", entries)
    image.write_bytes(sector + os.urandom(IMAGE_SIZE - SECTOR))
    return Request(str(image), str(tmp_path / "disk.raw"), Wishes("web01", KEY), GIB)


def test_disk_holds_image_seed_and_entries(request_: Request) -> None:
    made = make_disk(request_)
    disk, image = Path(request_.target).read_bytes(), Path(request_.image).read_bytes()
    assert made.changed
    assert made.size == len(disk) == SIZE
    assert disk[SECTOR:IMAGE_SIZE] == image[SECTOR:]
    assert disk[:446] == image[:446]
    assert read_table(disk[:SECTOR])[2:] == [
        Partition(3, SEED_KIND, SEED_START // SECTOR, MIB // SECTOR),
        Partition(4, FREE_KIND, SIZE // SECTOR, (GIB - SIZE) // SECTOR),
    ]
    seed = decode_seed(disk[SEED_START:])
    assert seed.wishes == request_.wishes
    assert made.host_key == read_key_pair(seed.host_key).public


def test_disk_is_for_its_owner_only(request_: Request) -> None:
    make_disk(request_)
    assert Path(request_.target).stat().st_mode & 0o777 == 0o600


def test_second_call_keeps_the_disk_and_its_key(request_: Request) -> None:
    first = make_disk(request_)
    before = Path(request_.target).stat()
    second = make_disk(request_)
    assert (second.changed, second.host_key) == (False, first.host_key)
    assert second.before == second.after
    assert Path(request_.target).stat().st_ino == before.st_ino


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"wishes": Wishes("web02", KEY)}, id="another migration"),
        pytest.param({"wishes": Wishes("web01", KEY, mtu=1400)}, id="another setting"),
        pytest.param({"volume_size": 2 * GIB}, id="another volume"),
    ],
)
def test_changed_wish_makes_a_new_disk_with_a_new_key(
    request_: Request, change: dict[str, Any]
) -> None:
    first = make_disk(request_)
    changed = dataclasses.replace(request_, **change)
    dry = make_disk(changed, dry_run=True)
    assert (dry.changed, dry.host_key) == (True, None)
    assert not make_disk(request_).changed, "a dry run wrote"
    second = make_disk(changed)
    assert second.changed
    assert second.host_key != first.host_key


@pytest.mark.parametrize(
    "at", [SECTOR, IMAGE_SIZE - 1, SEED_START + 100], ids=["begin", "end", "seed"]
)
def test_damaged_disk_is_made_again(request_: Request, at: int) -> None:
    make_disk(request_)
    with Path(request_.target).open("r+b") as disk:
        disk.seek(at)
        byte = disk.read(1)[0]
        disk.seek(at)
        disk.write(bytes([byte ^ 1]))
    assert make_disk(request_).changed
    assert not make_disk(request_).changed


def test_no_secret_is_in_what_is_shown(request_: Request) -> None:
    made = make_disk(request_)
    assert "PRIVATE" not in repr(made)
    assert made.after["migration_id"] == "web01"


def test_an_image_that_uefi_cannot_boot_is_refused_where_it_shall(request_: Request) -> None:
    wanted = dataclasses.replace(request_, is_uefi=True)
    with pytest.raises(InputError, match=r"image\.iso is booted by a BIOS only"):
        make_disk(wanted, dry_run=True)
    image = Path(request_.image)
    content = bytearray(image.read_bytes())
    content[446 + 4] = EFI_KIND
    image.write_bytes(content)
    assert make_disk(wanted).changed
    assert not make_disk(request_).changed, "the disk depends on the firmware"


def test_volume_must_have_room(request_: Request) -> None:
    enough = dataclasses.replace(request_, volume_size=SIZE + MIN_FREE)
    with pytest.raises(InputError, match="too small"):
        make_disk(dataclasses.replace(enough, volume_size=enough.volume_size - 1))
    assert make_disk(enough).changed


def test_volume_beyond_2_tib_is_used_up_to_there(request_: Request) -> None:
    make_disk(dataclasses.replace(request_, volume_size=3 << 40))
    free = read_table(Path(request_.target).read_bytes()[:SECTOR])[-1]
    assert free.start + free.count == 2**32 - 1


def test_a_seeded_disk_is_no_image(request_: Request, tmp_path: Path) -> None:
    make_disk(request_)
    again = dataclasses.replace(request_, image=request_.target, target=str(tmp_path / "again"))
    with pytest.raises(InputError, match="no two free entries"):
        make_disk(again)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"image": "/nonexistent"}, "/nonexistent cannot be read", id="no image"),
        pytest.param(
            {"target": "/nonexistent/disk"}, "/nonexistent/disk cannot be written", id="no folder"
        ),
    ],
)
def test_missing_file_is_named(request_: Request, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_disk(dataclasses.replace(request_, **change))


def test_full_disk_leaves_the_old_file_and_no_other(request_: Request, tmp_path: Path) -> None:
    make_disk(request_)
    before = Path(request_.target).read_bytes()
    files = sorted(tmp_path.iterdir())
    other = dataclasses.replace(request_, wishes=Wishes("web02", KEY))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files stands for the full disk; Python ignores its signal.
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MIB, limits[1]))
    try:
        with pytest.raises(InputError, match=r"disk.raw cannot be written: File too large"):
            make_disk(other)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert Path(request_.target).read_bytes() == before
    assert sorted(tmp_path.iterdir()) == files
