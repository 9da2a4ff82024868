# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""systemd-boot: its entries on the EFI system partition, and which one it starts by itself.

    /boot/efi/loader/loader.conf                       default, timeout
    /boot/efi/loader/entries/TOKEN-VERSION.conf        version, options, linux, initrd
    /boot/efi/TOKEN/VERSION/linux, initrd.img-VERSION  copies of the kernel and the initramfs in /boot

Paths in an entry begin at the partition. Which entry is the first: systemd-boot(7), "sort-key"; a file
called NAME+0.conf, or NAME+0-3.conf, failed to boot too often and comes last.
"""

from __future__ import annotations

import posixpath
import re
from fnmatch import fnmatchcase
from typing import List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .boot_entries import entry_value
from .facts import Distribution
from .families import DEBIAN, family_of
from .tree import GuestTree
from .versions import version_key

# Where kernel-install looks for the partition, in its order.
PLACES = ("/efi", "/boot", "/boot/efi")
ENTRY_FOLDERS = tuple(f"{place}/loader/entries" for place in PLACES)
SETTINGS = tuple(f"{place}/loader/loader.conf" for place in PLACES)
# What brings a new initramfs to the partition (Debian's package systemd-boot).
HOOK = "/etc/initramfs/post-update.d/systemd-boot"
_LOADER = "systemd-bootx64.efi"
_COUNTERS = re.compile(r"\+(\d+)(?:-\d+)?(?=\.conf$)")


class LoaderEntry(NamedTuple):
    """One entry that starts a kernel, with the paths in the guest of its images, and `place` on which it is."""

    path: str
    place: str
    version: str
    kernel: str
    images: Tuple[str, ...]
    arguments: str
    order: Tuple[bool, bool, str, str]

    def starts(self, version: str) -> bool:
        """Return whether it starts the kernel of this version, by what it says or where that lies."""
        by_path = self.kernel.endswith(f"vmlinuz-{version}") or f"/{version}/" in self.kernel
        return self.version == version or by_path


def find_partition(tree: GuestTree) -> Optional[str]:
    """Return where the EFI system partition with systemd-boot is mounted, None without it."""
    return next((place for place in PLACES if tree.has(f"{place}/EFI/systemd/{_LOADER}")), None)


def find_loader(loaders: Sequence[str]) -> Optional[str]:
    """Return the path of systemd-boot among those of all loaders, None if it is not there."""
    return next((path for path in loaders if posixpath.basename(path).lower() == _LOADER), None)


def read_entries(
    distribution: Distribution, files: Mapping[str, str], loaders: Sequence[str]
) -> List[LoaderEntry]:
    """Return the entries in the order of the menu; none where systemd-boot is not among the loaders.

    None either for families other than Debian's, whose GRUB reads such files and counts alone.
    """
    if family_of(distribution) is not DEBIAN or find_loader(loaders) is None:
        return []
    found = [
        _read_entry(path, text) for path, text in files.items() if path.startswith(ENTRY_FOLDERS)
    ]
    by_name = sorted(found, key=lambda each: each.path, reverse=True)
    newest = sorted(by_name, key=lambda each: version_key(each.version), reverse=True)
    return sorted((each for each in newest if each.kernel), key=lambda each: each.order)


def default_entry(
    entries: Sequence[LoaderEntry], files: Mapping[str, str]
) -> Optional[LoaderEntry]:
    """Return the entry that is started without anybody at the console, and without a firmware's memory."""
    settings = [files[path] for path in SETTINGS if path in files]
    wanted = next((value for text in settings if (value := entry_value(text, "default"))), "")
    chosen = (each for each in entries if fnmatchcase(_name(each.path).lower(), wanted.lower()))
    return next(chosen, None) or (entries[0] if entries else None)


def _read_entry(path: str, text: str) -> LoaderEntry:
    place = path[: path.index("/loader/")]
    counted = _COUNTERS.search(path)
    sort_key = entry_value(text, "sort-key")
    failed = counted is not None and int(counted.group(1)) == 0
    return LoaderEntry(
        path=path,
        place=place,
        version=entry_value(text, "version"),
        kernel=entry_value(text, "linux"),
        images=tuple(f"{place}{image}" for image in entry_value(text, "initrd").split()),
        arguments=entry_value(text, "options"),
        order=(failed, not sort_key, sort_key, entry_value(text, "machine-id")),
    )


def _name(path: str) -> str:
    """Return how a default calls the entry: its file, without counters of tries."""
    return _COUNTERS.sub("", posixpath.basename(path))
