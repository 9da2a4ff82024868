# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Phony guests of Ubuntu: trees below `phony/`, as its installer and its cloud images lay them down.

`before` holds the guest's files, `after` those that a preparation changes. Kernels are added with the image
that the release's initramfs-tools makes: archives for microcode, then what is compressed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, NamedTuple

from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import FileSystem, GuestFacts
from ansible_collections.ferry.hvm.plugins.module_utils.guest.inspection import inspect
from ansible_collections.ferry.hvm.plugins.module_utils.guest.logical_volumes import LogicalVolume
from ansible_collections.ferry.hvm.plugins.module_utils.guest.tree import GuestTree

from tests.unit.plugins.module_utils.guest.guest_samples import (
    ALL,
    LV_ROOT,
    SDA1,
    build_archive,
    guest,
)
from tests.unit.plugins.module_utils.guest.rpm_guests import answer

PHONY = Path(__file__).parent / "phony"
ZSTD, LZ4 = b"\x28\xb5\x2f\xfd", b"\x02\x21\x4c\x18"
# Ubuntu 24.04 has an archive for each maker of processors.
MICROCODE = build_archive(["kernel/x86/microcode/AuthenticAMD.bin"], content=b"a" * 777)
MICROCODE += build_archive(["kernel/x86/microcode/GenuineIntel.bin"], content=b"i" * 333)

VOLUME = LogicalVolume(
    group="ubuntu-vg",
    name="ubuntu-lv",
    device="/dev/mapper/ubuntu--vg-ubuntu--lv",
    layout="linear",
    identity="GGdc6yC1ASeW555Ug2Tx2USlIACVo3bSJmovhNbeNftUrVCxw0aIEpDiIamTZnv9",
)
BOOT = FileSystem("sda", 2, "/dev/mapper/ov-0p2", "ext4", "66666666-2222-3333-4444-555555555555")
MEMBER = FileSystem("sda", 3, "/dev/mapper/ov-0p3", "LVM2_member", group=VOLUME.group)
ROOT = replace(LV_ROOT, device=VOLUME.device, names=VOLUME.names, group=VOLUME.group)
ESP = FileSystem("sda", 1, "/dev/mapper/ov-0p1", "vfat", "ABCD-1234")
CLOUD_ROOT = replace(
    SDA1, label="cloudimg-rootfs", partition_uuid="0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
)
CLOUD_ESP = FileSystem("sda", 15, "/dev/mapper/ov-0p15", "vfat", "ABCD-1234", "UEFI")


class Release(NamedTuple):
    """A release: the folder of its files, its kernels, the default first, the compressor, what is on its disk."""

    folder: str
    kernels: tuple[str, ...]
    packed: bytes
    file_systems: tuple[FileSystem, ...]
    root: FileSystem


BIOS = Release(
    "ubuntu-22.04-bios",
    ("5.15.0-119-generic", "5.15.0-112-generic"),
    ZSTD,
    (BOOT, MEMBER, ROOT),
    ROOT,
)
UEFI = Release(
    "ubuntu-24.04-uefi",
    ("6.8.0-45-generic", "6.8.0-31-generic"),
    ZSTD,
    (ESP, BOOT, MEMBER, ROOT),
    ROOT,
)
CLOUD = Release(
    "ubuntu-20.04-cloud", ("5.4.0-196-generic",), LZ4, (CLOUD_ROOT, CLOUD_ESP), CLOUD_ROOT
)
RELEASES = (BIOS, UEFI, CLOUD)


def build(root: Path, release: Release) -> None:
    """The release's tree lies at `root`, with kernels as it has them.

    22.04: virtio is built in. 24.04: modules, in an archive of their own that is not compressed. The image of
    20.04 has only what its machine needs (`MODULES=dep`), and that is not virtio.
    """
    shutil.copytree(PHONY / release.folder / "before", root, dirs_exist_ok=True)
    for kernel in release.kernels:
        if release is BIOS:
            add_kernel(root, release, kernel, built_in=sorted(ALL))
        else:
            add_kernel(root, release, kernel, inside=sorted(ALL) if release is UEFI else ())


def add_kernel(
    root: Path,
    release: Release,
    kernel: str,
    *,
    inside: Sequence[str] = (),
    built_in: Sequence[str] = (),
    modules: Sequence[str] = tuple(sorted(ALL)),
) -> None:
    """The kernel is installed, with these drivers in its initramfs, built in, and in its packages of modules."""
    folder = f"usr/lib/modules/{kernel}/kernel/drivers"
    plain = build_archive([f"{folder}/{name}.ko.zst" for name in inside])
    main = build_archive(["init", "conf/initramfs.conf"])
    indexed = [name for name in modules if name not in built_in]
    for path, content in {
        f"/boot/vmlinuz-{kernel}": b"",
        f"/lib/modules/{kernel}/modules.dep": _listed(indexed, ":"),
        f"/lib/modules/{kernel}/modules.builtin": _listed(built_in, ""),
        f"/boot/initrd.img-{kernel}": MICROCODE + plain + release.packed + main,
    }.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def _listed(drivers: Sequence[str], end: str) -> bytes:
    return "".join(f"kernel/drivers/x/{name}.ko{end}\n" for name in drivers).encode()


def look(root: Path, release: Release) -> GuestFacts:
    """Return the facts of the guest at `root`."""

    def unpack(program: str, packed: IO[bytes]) -> IO[bytes]:
        # Stands for the guest's program: what follows the magic is plain here.
        assert program == {ZSTD: "zstd", LZ4: "lz4"}[packed.read(4)]
        return packed

    return inspect(
        GuestTree(str(root)),
        disks=guest().disks,
        file_systems=release.file_systems,
        root=release.root,
        decompress=unpack,
        run=answer({}),
    )


def golden(release: Release) -> dict[str, str]:
    """Return the files that a preparation leaves other than they were, by their paths in the guest."""
    return dict(_texts(PHONY / release.folder / "after"))


def _texts(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield f"/{path.relative_to(root)}", path.read_text("utf-8")
