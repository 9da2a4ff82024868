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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import LabError
from .debian import inside

# What boot.img may fill of sector 0: the disk's signature and the partition table come after it.
BOOT_CODE_LENGTH = 440
SECTOR = 512
# The partition table of `disks.py` leaves the sectors 1 to 2047 to core.img.
CORE_LENGTH = 2047 * SECTOR
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
    files = tree / BOOT_FILES
    shutil.copytree(
        tree / PLATFORM, files, ignore=shutil.ignore_patterns("grub-*", "kernel.img", "*lnx*")
    )
    inside(
        tree,
        *("grub-mkimage", "--format=i386-pc", f"--output=/{BOOT_FILES}/core.img"),
        # Without a disk: the one that the firmware booted from, whatever its number.
        "--prefix=(,msdos1)/boot/grub",
        *("biosdisk", "part_msdos", "ext2"),
    )
    with _probe_of_the_running_server(tree, root_uuid):
        inside(tree, "grub-mkconfig", "--output=/boot/grub/grub.cfg")


def write_boot_code(disk: Path, tree: Path) -> None:
    """The firmware starts GRUB from the disk image. The partition table is left as it is."""
    boot = (tree / BOOT_FILES / "boot.img").read_bytes()
    core = (tree / BOOT_FILES / "core.img").read_bytes()
    if len(core) > CORE_LENGTH:
        raise LabError(f"GRUB's core image ({len(core)} bytes) does not fit before the partition")
    with disk.open("r+b") as image:
        image.write(boot[:BOOT_CODE_LENGTH])
        image.seek(SECTOR)
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
