# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""GRUB for a shape, for BIOS or UEFI, as an installer would have left it; on images, without mounts.

For UEFI it lies where the distribution puts it, `/EFI/debian`, and nowhere else: a firmware with an
empty memory does not find it there.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ..guests.debian import inside
from ..guests.grub import make_core
from .table import Shape

MENU = """\
set timeout=0
serial --unit=0 --speed=115200
terminal_output serial console
menuentry 'Debian GNU/Linux' {{
{modules}
    search --no-floppy --fs-uuid --set=root {boot_uuid}
    linux {folder}/vmlinuz-{kernel} root={root} ro {words}
    initrd {folder}/initrd.img-{kernel}
}}
"""
# What the loader on the ESP reads first: where the rest of it is (as Debian's grub-install writes it).
STUB = """\
search.fs_uuid {boot_uuid} root
set prefix=($root)'{folder}/grub'
configfile $prefix/grub.cfg
"""
EFI_PLATFORM = "usr/lib/grub/x86_64-efi"
EFI_MODULES = (
    "search",
    "search_fs_uuid",
    "configfile",
    "normal",
    "linux",
    "echo",
    "test",
    "serial",
)
VENDOR_FOLDER = "boot/efi/EFI/debian"


def add_grub(tree: Path, shape: Shape, boot_uuid: str) -> None:
    """The tree has GRUB's files and menu; its kernel and initramfs lie on the volume `boot_uuid`."""
    has_boot = any(volume.path == "/boot" for volume in shape.volumes)
    folder = "" if has_boot else f"{shape.subvolume and '/' + shape.subvolume}/boot"
    if shape.is_uefi:
        _add_efi_loader(tree, shape, STUB.format(boot_uuid=boot_uuid, folder=folder))
    else:
        make_core(tree, prefix=f"{_boot_place(shape)}{folder}/grub", modules=shape.core)
    (kernel,) = [each.name for each in (tree / "lib/modules").iterdir()]
    lines = "\n".join(f"    insmod {module}" for module in shape.core)
    menu = MENU.format(
        modules=lines,
        boot_uuid=boot_uuid,
        folder=folder,
        kernel=kernel,
        root=shape.root,
        words=shape.words,
    )
    (tree / "boot/grub/grub.cfg").write_text(menu)


def _add_efi_loader(tree: Path, shape: Shape, stub: str) -> None:
    shutil.copytree(tree / EFI_PLATFORM, tree / "boot/grub/x86_64-efi")
    vendor = tree / VENDOR_FOLDER
    vendor.mkdir(parents=True)
    (vendor / "grub.cfg").write_text(stub)
    make = ("grub-mkimage", "--format=x86_64-efi", f"--output=/{VENDOR_FOLDER}/grubx64.efi")
    inside(tree, *make, "--prefix=/EFI/debian", *shape.core, *EFI_MODULES)


def _boot_place(shape: Shape) -> str:
    """Where GRUB finds its files, as it names it: on the disk that the firmware booted from."""
    if shape.core_place:
        return shape.core_place
    places = {volume.path: volume.place for volume in shape.volumes}
    place = places.get("/boot", places["/"])
    scheme = {"dos": "msdos", "gpt": "gpt"}[shape.disks["sda"].label]
    return f"(,{scheme}{place[-1]})"
