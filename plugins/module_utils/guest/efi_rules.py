# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Rules for UEFI: the firmware of a new machine remembers nothing, so a loader lies where it looks then.

A source's firmware kept in its own memory (NVRAM) that the loader is, say, `/EFI/debian/shimx64.efi`. That
memory is no part of a disk. With an empty one, firmware starts `/EFI/BOOT/BOOTX64.EFI` (UEFI 2.10,
section 3.5.1.1), and a distribution need not have laid it down (Debian does not).
"""

from __future__ import annotations

import posixpath
import re
from typing import List

from .changes import CopyFile, MoveBackupTable
from .facts import GuestFacts
from .rules import Finding, Options, Results
from .systemd_boot import find_loader
from .systemd_boot_rules import starts_alone

_FALLBACK = "BOOT/BOOTX64.EFI"
_LIST_READER = "boot/fbx64.efi"
# A vendor's loader, the first that is there: shim starts the GRUB beside it, so that one comes along.
_LOADERS = ("shimx64.efi", "shim.efi", "grubx64.efi", "grub.efi", "systemd-bootx64.efi")
_COMPANIONS = re.compile(r"grub(?:x64)?\.efi|mmx64\.efi|MokManager\.efi", re.IGNORECASE)
# Their GRUB is built without a place for its menu (grub2.spec, `--prefix=`) and takes that beside it.
_MENU_BESIDE = frozenset(("sles", "sles_sap", "opensuse-leap"))
# Folders that are not called after os-release's ID, in lower case.
_FOLDERS = {"rhel": "redhat", "ol": "redhat", "sles_sap": "sles", "opensuse-leap": "opensuse"}
_WHY = "firmware that remembers nothing starts this file and no other"


def fallback_loader(facts: GuestFacts, _options: Options) -> Results:
    """The loader that boots the guest also lies where firmware with an empty memory looks."""
    if facts.firmware != "uefi":
        yield from _no_partition(facts)
        return
    if any(_is_fallback(path) for path in facts.loaders):
        return
    source = _own_loader(facts)
    if source is None:
        yield Finding(
            "It boots with UEFI, but no known loader of its distribution is on its EFI system partition"
            f" (there are: {', '.join(facts.loaders) or 'none'}). Install its boot loader with"
            " `--removable` on the source and sync again."
        )
        return
    vendor, root = posixpath.dirname(source), posixpath.dirname(posixpath.dirname(source))
    yield CopyFile(source, f"{root}/{_FALLBACK}", _WHY)
    if posixpath.basename(source).lower().startswith("shim"):
        for path in facts.loaders:
            name = posixpath.basename(path)
            if posixpath.dirname(path) == vendor and _COMPANIONS.fullmatch(name):
                yield CopyFile(
                    path, f"{root}/BOOT/{name}", "the loader starts it from its own folder"
                )
    menu = f"{vendor}/grub.cfg"
    if facts.distribution.identity in _MENU_BESIDE and menu in facts.files:
        yield CopyFile(menu, f"{root}/BOOT/grub.cfg", "GRUB reads it from its own folder")


def fallback_list(facts: GuestFacts, _options: Options) -> Results:
    """Where a loader lies that starts what lists name, there is such a list.

    Shim in the fallback's place starts it before GRUB; it adds what it finds to the firmware's memory, and
    starts the first. Without a list it restarts the machine (shim's fallback.c).
    """
    in_place = [path for path in facts.loaders if path.lower().endswith(f"/efi/{_LIST_READER}")]
    lists = [path for path in facts.loader_lists if "/efi/boot/" not in path.lower()]
    if facts.firmware == "uefi" and in_place and not lists:
        yield Finding(
            f"{in_place[0]} finds no BOOTX64.CSV in any folder beside its own, and would restart the guest"
            " without end. Install its boot loader anew (grub-install, or the packages shim and GRUB) on the"
            " source and sync again."
        )


def _no_partition(facts: GuestFacts) -> Results:
    """Yield a finding if the target boots by UEFI and no loader for it was seen."""
    if facts.target_is_uefi:
        yield Finding(
            "The target boots with UEFI, but its EFI system partition is not in fstab, or has no loader. Enter it"
            " there (at /boot/efi) on the source and sync again; if the source boots by BIOS, make the target so."
        )


def backup_tables(facts: GuestFacts, _options: Options) -> Results:
    """The backup of each partition table lies at the end of its disk."""
    for disk in facts.disks:
        if disk.name in facts.stray_backups:
            why = "the target's volume is larger than the source's disk"
            yield MoveBackupTable(disk.name, disk.device, why)


def _own_loader(facts: GuestFacts) -> "str | None":
    """Return the distribution's loader; without a folder of its name, that of the only vendor.

    Where no GRUB has a menu, it is systemd-boot: purged GRUB leaves its loader in the distribution's folder.
    """
    if starts_alone(facts):
        return find_loader(facts.loaders)
    vendors = {posixpath.dirname(path) for path in facts.loaders}
    wanted = _FOLDERS.get(facts.distribution.identity, facts.distribution.identity)
    named = [v for v in vendors if posixpath.basename(v).lower() == wanted]
    candidates: List[str] = [
        path for path in facts.loaders if posixpath.dirname(path) in (named or vendors)
    ]
    if not named and len(vendors) > 1:
        return None
    return next(
        (p for name in _LOADERS for p in candidates if posixpath.basename(p).lower() == name), None
    )


def _is_fallback(path: str) -> bool:
    return path.lower().endswith(f"/efi/{_FALLBACK.lower()}")
