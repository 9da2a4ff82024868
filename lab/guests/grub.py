# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB for BIOS on an image file: no loop device, no mount, and the files that grub-install leaves.

sector   0            1 ...               2048 ...
        boot.img     core.img            first partition
        (+ table)    (finds /boot/grub    (ext4, /boot/grub in it)
                      on the boot disk)
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import LabError
from .debian import inside

# What boot.img may fill of sector 0: the disk's signature and the partition table come after it.
BOOT_CODE_LENGTH = 440
SECTOR = 512
# The partition table of `disks.py` leaves the sectors 1 to 2047 to core.img.
CORE_LENGTH = 2047 * SECTOR
# Where boot.img says in which sector core.img begins, and core.img where its second one lies (GRUB's
# include/grub/i386/pc/boot.h and offsets.h: GRUB_BOOT_MACHINE_KERNEL_SECTOR, the last block list).
CORE_AT = 0x5C
REST_OF_CORE_AT = 0x1F4
_SECTOR_NUMBER = struct.Struct("<Q")
PLATFORM = "usr/lib/grub/i386-pc"
BOOT_FILES = "boot/grub/i386-pc"

# What grub-probe says on the running server. In the tree of a build it could only look at the
# builder's own disks, and grub-mkconfig would write those into the server's menu.
GRUB_PROBE = """\
#!/bin/sh
for word; do
    case $word in --target=*) target=${{word#--target=}} ;; esac
done
case $target in
    device) echo /dev/sda1 ;;
    fs) echo ext2 ;;
    fs_uuid) echo {uuid} ;;
    partmap) echo msdos ;;
    compatibility_hint) echo hd0,msdos1 ;;
    hints_string) echo --hint-bios=hd0,msdos1 ;;
esac
"""


def add_boot_files(tree: Path, root_uuid: str) -> None:
    """`/boot/grub` of the tree holds modules, core image and a menu, for a root of this UUID on sda1."""
    # Without a disk: the one that the firmware booted from, whatever its number.
    make_core(tree, prefix="(,msdos1)/boot/grub", modules=("part_msdos", "ext2"))
    with _probe_of_the_running_server(tree, root_uuid):
        inside(tree, "grub-mkconfig", "--output=/boot/grub/grub.cfg")


def make_core(tree: Path, *, prefix: str, modules: Sequence[str]) -> None:
    """`/boot/grub` of the tree holds GRUB's modules, and a core image with these and the BIOS's disks."""
    shutil.copytree(
        tree / PLATFORM,
        tree / BOOT_FILES,
        ignore=shutil.ignore_patterns("grub-*", "kernel.img", "*lnx*"),
    )
    output = f"--output=/{BOOT_FILES}/core.img"
    make = ("grub-mkimage", "--format=i386-pc", output, f"--prefix={prefix}")
    inside(tree, *make, "biosdisk", *modules)


def write_boot_code(disk: Path, tree: Path, *, first: int = 1) -> None:
    """The firmware starts GRUB from the disk image. The partition table is left as it is.

    core.img lies from sector `first` on: behind an MBR, or in the BIOS boot partition of a GPT.
    """
    boot = bytearray((tree / BOOT_FILES / "boot.img").read_bytes())
    core = bytearray((tree / BOOT_FILES / "core.img").read_bytes())
    _SECTOR_NUMBER.pack_into(boot, CORE_AT, first)
    _SECTOR_NUMBER.pack_into(core, REST_OF_CORE_AT, first + 1)
    if len(core) > CORE_LENGTH:
        raise LabError(f"GRUB's core image ({len(core)} bytes) does not fit before the partition")
    with disk.open("r+b") as image:
        image.write(boot[:BOOT_CODE_LENGTH])
        image.seek(first * SECTOR)
        image.write(core)


@contextmanager
def _probe_of_the_running_server(tree: Path, root_uuid: str) -> Iterator[None]:
    probe = tree / "usr/sbin/grub-probe"
    aside = probe.with_name("grub-probe.aside")
    probe.rename(aside)
    try:
        probe.write_text(GRUB_PROBE.format(uuid=root_uuid))
        probe.chmod(0o755)
        yield
    finally:
        aside.replace(probe)
