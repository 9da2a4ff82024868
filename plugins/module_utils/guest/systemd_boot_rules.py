# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Rules for systemd-boot: the command lines of its entries, and what `kernel-install` makes entries from.

Kernels and their initramfs lie as copies on the EFI system partition. The guest's own tools bring them there:
`update-initramfs` calls `kernel-install`, which copies both and writes the entry anew.
"""

from __future__ import annotations

import re
from typing import Dict, List

from .boot_entries import main_menu
from .changes import EditFile
from .device_names import find_file_system
from .facts import GuestFacts
from .kernel_arguments import CMDLINE
from .menu_rules import edited_arguments, left_devices
from .rules import Finding, Options, Results
from .systemd_boot import HOOK, LoaderEntry, default_entry, read_entries

_ROOT = re.compile(r"(?:^|\s)root=(\S+)")
# kernel-install adds it by itself, where entries are called after the machine.
_MACHINE = re.compile(r"(?:^|\s)systemd\.machine_id=\S+")
_UNIFIED = "/efi/linux/"


def entries_of(facts: GuestFacts) -> List[LoaderEntry]:
    """Return systemd-boot's entries, if it is handled for this guest's family."""
    return read_entries(facts.distribution, facts.files, facts.loaders)


def starts_alone(facts: GuestFacts) -> bool:
    """Return whether systemd-boot starts the guest, and no GRUB could: that one has no menu with a kernel."""
    return bool(entries_of(facts)) and main_menu(facts.files, facts.firmware) is None


def command_lines(facts: GuestFacts, options: Options) -> Results:
    """Every entry, and what later ones are made from, names disks by UUID, and the console if asked for."""
    for path, before in _argument_files(facts).items():
        after, why = edited_arguments(path, before, facts, options)
        if after is not None and after != before:
            yield EditFile(path, before, after, "; ".join(why))
        yield from left_devices(path, after or before)


def default(facts: GuestFacts, _options: Options) -> Results:
    """What systemd-boot starts by itself is an installed kernel on the guest's root."""
    first = default_entry(entries_of(facts), facts.files)
    if first is None or not starts_alone(facts):
        return
    if facts.default_kernel is None:
        yield Finding(
            f"{first.path}, its default entry, starts the kernel {first.kernel}, which is not in /boot with"
            " its modules. Choose another default in loader.conf on the source and sync again."
        )
    yield from _other_root(first, facts)
    unified = [path for path in facts.loaders if _UNIFIED in path.lower()]
    if unified:
        yield Finding(
            f"It has unified kernel images ({', '.join(unified)}), whose initramfs is a part of them, and"
            " which may come first. Remove them on the source and sync again."
        )


def bring_along(facts: GuestFacts, options: Options) -> Results:
    """A new initramfs comes to the EFI system partition, with an entry that has the guest's command line.

    Without /etc/kernel/cmdline `kernel-install` would write that of the running kernel, the worker's.
    """
    first = default_entry(entries_of(facts), facts.files)
    if first is None:
        return
    if HOOK not in facts.files:
        yield Finding(
            f"It has systemd-boot, but no {HOOK}, which brings a new initramfs to the EFI system partition."
            " Install the package systemd-boot on the source and sync again."
        )
    if CMDLINE not in facts.files:
        told = _MACHINE.sub("", first.arguments).strip()
        after, _why = edited_arguments(CMDLINE, f"{told}\n", facts, options)
        yield EditFile(
            CMDLINE, None, after or "", "entries get the guest's command line, not the worker's"
        )


def _argument_files(facts: GuestFacts) -> Dict[str, str]:
    paths = [each.path for each in entries_of(facts)]
    sources = [CMDLINE] if paths and CMDLINE in facts.files else []
    return {path: facts.files[path] for path in [*sources, *paths]}


def _other_root(entry: LoaderEntry, facts: GuestFacts) -> Results:
    words = _ROOT.findall(entry.arguments)
    found = find_file_system(words[-1], facts.file_systems) if words else None
    if found is None or found.device != facts.root.device:
        named = f"root={words[-1]}" if words else "no root="
        yield Finding(
            f"{entry.path}, its default entry, has {named}, which is not its root {facts.root.title}."
            f" Write root=UUID={facts.root.uuid} there and in {CMDLINE} on the source and sync again."
        )
