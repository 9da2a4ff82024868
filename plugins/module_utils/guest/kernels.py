# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The kernels of a guest: which are installed, what their images hold, and which one starts by default."""

from __future__ import annotations

import posixpath
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from . import initramfs
from .boot_entries import default_of, main_menu
from .facts import BOOT, LVM_DEVICES, LVM_SETTINGS, VIRTIO_DRIVERS, Kernel
from .systemd_boot import PLACES, LoaderEntry, default_entry
from .tree import GuestTree

# How distributions name a kernel's initramfs: Debian and Ubuntu, Red Hat, SUSE.
_IMAGES = ("/boot/initrd.img-{}", "/boot/initramfs-{}.img", "/boot/initrd-{}")


def kernel_versions(tree: GuestTree) -> List[str]:
    """Return the versions that have both an image in /boot and modules."""
    modules = set(tree.names("/lib/modules"))
    images = (
        name[len("vmlinuz-") :] for name in tree.names("/boot") if name.startswith("vmlinuz-")
    )
    return [version for version in images if version in modules]


def inspect_kernel(
    tree: GuestTree,
    version: str,
    entries: Sequence[LoaderEntry],
    decompress: initramfs.Decompressor,
) -> Kernel:
    """Return what is known of an installed kernel. What is `ready` is so in each of its images.

    An image is that in /boot, or what an entry of systemd-boot loads.
    """
    folder = f"/lib/modules/{version}"
    built_in = _listed_drivers(tree.read(f"{folder}/modules.builtin") or "")
    available = built_in | _listed_drivers(tree.read(f"{folder}/modules.dep") or "")
    own = next((p for p in (name.format(version) for name in _IMAGES) if tree.has(p)), None)
    if own is None:
        return Kernel(version, None, built_in, available, built_in=built_in)
    loaded = [(own,), *(each.images for each in entries if each.starts(version))]
    names = [_names(tree, paths, decompress) for paths in dict.fromkeys(loaded)]
    inside = (initramfs.drivers_among(each, VIRTIO_DRIVERS) for each in names)
    of_lvm = (*LVM_SETTINGS, LVM_DEVICES)
    copies = (path for path in of_lvm if any(path.lstrip("/") in each for each in names))
    ready = built_in | frozenset.intersection(*inside)
    return Kernel(version, own, ready, available, frozenset(copies), built_in)


def default_kernel(
    files: Mapping[str, str],
    environments: Mapping[str, str],
    firmware: str,
    kernels: Iterable[Kernel],
    entries: Sequence[LoaderEntry],
) -> Optional[str]:
    """Return the version that GRUB, or without its menu systemd-boot, starts by itself; None if not known."""
    menu = main_menu(files, firmware)
    if menu is None:
        first = default_entry(entries, files)
        return next((k.version for k in kernels if first and first.starts(k.version)), None)
    entry = default_of(menu, files, environments)
    return next((k.version for k in kernels if entry and _starts(entry.kernel, k)), None)


def free_room(tree: GuestTree) -> Dict[str, int]:
    """Return the bytes that are free where images are kept, by folder."""
    return {folder: tree.free_bytes(folder) for folder in PLACES if tree.has(folder)}


def image_sizes(tree: GuestTree) -> Dict[str, int]:
    """Return the size in bytes of each initramfs in /boot, by path."""
    paths = (f"{BOOT}/{name}" for name in tree.names(BOOT) if name.startswith("initr"))
    return {path: tree.size(path) for path in paths if tree.has(path)}


def _names(
    tree: GuestTree, paths: Tuple[str, ...], decompress: initramfs.Decompressor
) -> "frozenset[str]":
    """Return the names in images that are loaded together; one that is not there has none."""
    found: List[str] = []
    for path in paths:
        if tree.has(path):
            with open(tree.host_path(path), "rb") as image:
                # Some makers write `./etc/fstab` (dracut-cpio).
                found += map(posixpath.normpath, initramfs.read_names(image, decompress))
    return frozenset(found)


def _starts(path: str, kernel: Kernel) -> bool:
    return path.endswith(f"vmlinuz-{kernel.version}")


def _listed_drivers(index: str) -> "frozenset[str]":
    """Return the virtio drivers that modules.dep or modules.builtin lists, one at a line's start."""
    return initramfs.drivers_among(
        (line.split(":")[0].strip() for line in index.split("\n")), VIRTIO_DRIVERS
    )
