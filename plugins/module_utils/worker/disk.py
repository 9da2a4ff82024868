# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A worker's disk: the image, a seed behind it, and the rest of the volume as free space. PRIVATE.

    0        image's end   aligned to 1 MiB                              volume's end
    │ worker image │ gap │ seed, 1 MiB │ free space (not in the file) ... │
      MBR entries 1, 2     entry 3       entry 4

The file ends with the seed: the platform copies it onto a volume of at least `volume_size`, where entry 4
becomes true. Unprivileged, pure Python, one pass: an execution environment can do it in seconds.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Iterator, Mapping

from ..errors import InputError
from ..units import MIB, show_exact_size
from . import keys, partitions
from .partitions import SECTOR, Partition
from .seed import MAX_SIZE, Seed, Wishes, decode_seed, encode_seed

# "Non-FS data" and "Linux", in the list that every partitioning tool shares.
SEED_KIND = 0xDA
FREE_KIND = 0x83
# "EFI (FAT-12/16/32)", in the same list: where UEFI looks for a loader.
EFI_KIND = 0xEF
SEED_SIZE = MIB
# A small ext4 and the overlays of a small change; most preparations' need more (preflight says).
MIN_FREE = 64 * MIB
_COPY_SIZE = 4 * MIB


@dataclass(frozen=True)
class Layout:
    """Where things lie on the worker's disk, in bytes; `boot_sector` is its first sector."""

    boot_sector: bytes
    image_size: int
    seed_start: int
    size: int


@dataclass(frozen=True)
class Request:
    """A worker's disk as wanted: the file `target` made from the file `image`."""

    image: str
    target: str
    wishes: Wishes
    # In bytes: of the volume that the file will be copied to.
    volume_size: int
    # Whether UEFI shall boot it; an image that was built before that was possible has a BIOS's loader only.
    is_uefi: bool = False


@dataclass(frozen=True)
class Made:
    """What `make_disk` did, or would do. `host_key` is public; None where it is yet to be made."""

    changed: bool
    host_key: str | None
    size: int
    # What the disk held and what it holds, in public terms; empty where there was none.
    before: Mapping[str, Any]
    after: Mapping[str, Any]


def make_disk(request: Request, *, dry_run: bool = False) -> Made:
    """The file `target` is the disk that is wanted; one that already is stays, with its host key.

    With `dry_run` nothing is written. Raises InputError for what cannot be made, PermanentError where
    no key can be made.
    """
    layout = plan_layout(request)
    found = find_seed(request, layout)
    after = _public_terms(request.wishes, layout.size, request.volume_size)
    if found is not None and found.wishes == request.wishes:
        host_key = keys.read_key_pair(found.host_key).public
        return Made(False, host_key, layout.size, after, after)
    before = _public_terms(found.wishes, layout.size, request.volume_size) if found else {}
    if dry_run:
        return Made(True, None, layout.size, before, after)
    pair = keys.make_key_pair()
    write_disk(request, layout, Seed(request.wishes, pair.private))
    return Made(True, pair.public, layout.size, before, after)


def plan_layout(request: Request) -> Layout:
    """Return the layout of the disk.

    Raises InputError: no image there, none that the firmware boots, no room in it or in the volume.
    """
    try:
        image_size = os.path.getsize(request.image)
        with open(request.image, "rb") as image:
            sector = image.read(SECTOR)
    except OSError as error:
        raise InputError(
            f"The worker image {request.image} cannot be read: {error.strerror}.",
            hint="Build it with the playbook ferry.hvm.build_worker_image.",
        ) from error
    _need_loader(request, sector)
    seed_start = -(-image_size // MIB) * MIB
    size = seed_start + SEED_SIZE
    if request.volume_size < size + MIN_FREE:
        raise InputError(
            f"A worker volume of {show_exact_size(request.volume_size)} is too small.",
            hint=f"This image needs at least {show_exact_size(size + MIN_FREE)}.",
        )
    return Layout(
        _with_entries(sector, seed_start, request.volume_size), image_size, seed_start, size
    )


def find_seed(request: Request, layout: Layout) -> Seed | None:
    """Return the seed of `target` if that is a disk of this image and layout, else None."""
    try:
        with open(request.target, "rb") as target, open(request.image, "rb") as image:
            if os.fstat(target.fileno()).st_size != layout.size:
                return None
            if not _holds(target, image, layout):
                return None
            target.seek(layout.seed_start)
            return decode_seed(target.read(MAX_SIZE))
    except (FileNotFoundError, InputError):
        return None


def write_disk(request: Request, layout: Layout, seed: Seed) -> None:
    """The file `target` is the worker's disk with this seed: whole and durable, or as it was before.

    Only its owner can read it, because the bootstrap key is in it. Raises InputError if its folder is missing or
    full.
    """
    encoded = encode_seed(seed)
    try:
        with _replacing(request.target) as target, open(request.image, "rb") as image:
            _copy(image, target)
            target.seek(0)
            target.write(layout.boot_sector)
            target.seek(layout.seed_start)
            target.write(encoded.ljust(SEED_SIZE, b"\0"))
    except OSError as error:
        raise InputError(
            f"The worker's disk {request.target} cannot be written: {error.strerror}.",
            hint=f"Its folder must exist and have room for {show_exact_size(layout.size)}.",
        ) from error


def _public_terms(wishes: Wishes, size: int, volume_size: int) -> dict[str, Any]:
    return {**asdict(wishes), "size": size, "volume_size": volume_size}


def _need_loader(request: Request, sector: bytes) -> None:
    kinds = {each.kind for each in partitions.read_table(sector)}
    if request.is_uefi and EFI_KIND not in kinds:
        raise InputError(
            f"The worker image {request.image} is booted by a BIOS only, and the instance has UEFI.",
            hint="It is of an earlier release: run the playbook ferry.hvm.build_worker_image again.",
        )


def _with_entries(sector: bytes, seed_start: int, volume_size: int) -> bytes:
    used = {each.number for each in partitions.read_table(sector)}
    free = [number for number in range(1, partitions.ENTRY_COUNT + 1) if number not in used]
    if len(free) < 2:
        raise InputError(
            "The worker image has no two free entries in its partition table.",
            hint="Give the image as the role worker_image built it, not a disk made from it.",
        )
    seed_end = seed_start + SEED_SIZE
    end = min(volume_size // MIB * MIB // SECTOR, partitions.MAX_SECTORS)
    added = (
        Partition(free[0], SEED_KIND, seed_start // SECTOR, SEED_SIZE // SECTOR),
        Partition(free[1], FREE_KIND, seed_end // SECTOR, end - seed_end // SECTOR),
    )
    return partitions.add_partitions(sector, added)


def _holds(target: BinaryIO, image: BinaryIO, layout: Layout) -> bool:
    """Tell whether `target` begins with the boot sector and then the rest of the image."""
    if target.read(SECTOR) != layout.boot_sector:
        return False
    image.seek(SECTOR)
    left = layout.image_size - SECTOR
    while left:
        wanted = image.read(min(left, _COPY_SIZE))
        if not wanted or target.read(len(wanted)) != wanted:
            return False
        left -= len(wanted)
    return True


def _copy(image: BinaryIO, target: BinaryIO) -> None:
    while True:
        data = image.read(_COPY_SIZE)
        if not data:
            return
        target.write(data)


@contextlib.contextmanager
def _replacing(path: str) -> Iterator[BinaryIO]:
    """Give a file that takes the path's place, durably, when the block ends well; else it is gone."""
    folder = os.path.dirname(os.path.abspath(path))
    # mkstemp makes it readable by its owner only.
    handle, aside = tempfile.mkstemp(prefix=".ferry-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        os.unlink(aside)
        raise
