# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-boot for a shape, as `bootctl install` and `kernel-install add` leave it; without mounts.

Kernel and initramfs lie as copies on the EFI system partition, in a folder called after the machine. There is
no /etc/kernel/cmdline: the entry had the command line of the system that made it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from .table import Shape

ESP = "boot/efi"
LOADER = "usr/lib/systemd/boot/efi/systemd-bootx64.efi"
# Where it is installed, and where firmware with an empty memory looks.
LOADER_PLACES = ("EFI/systemd/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI")
ENTRY = """\
title      Debian GNU/Linux 12 (bookworm)
version    {kernel}
machine-id {machine}
sort-key   debian
options    root={root} ro {words} systemd.machine_id={machine}
linux      /{machine}/{kernel}/linux
initrd     /{machine}/{kernel}/initrd.img-{kernel}
"""


def add_systemd_boot(tree: Path, shape: Shape) -> None:
    """The tree's /boot/efi has the loader, an entry, and copies of the kernel and its initramfs."""
    esp = tree / ESP
    for place in LOADER_PLACES:
        (esp / place).parent.mkdir(parents=True)
        shutil.copyfile(tree / LOADER, esp / place)
    (kernel,) = [each.name for each in (tree / "lib/modules").iterdir()]
    machine = (tree / "etc/machine-id").read_text().strip()
    copies = esp / machine / kernel
    copies.mkdir(parents=True)
    shutil.copyfile(tree / f"boot/vmlinuz-{kernel}", copies / "linux")
    shutil.copyfile(tree / f"boot/initrd.img-{kernel}", copies / f"initrd.img-{kernel}")
    entries = esp / "loader/entries"
    entries.mkdir(parents=True)
    (esp / "loader/loader.conf").write_text("timeout 0\n")
    (esp / "loader/entries.srel").write_text("type1\n")
    entry = ENTRY.format(kernel=kernel, machine=machine, root=shape.root, words=shape.words)
    (entries / f"{machine}-{kernel}.conf").write_text(entry)
