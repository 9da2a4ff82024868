# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Rules for GRUB: what its menu is made from, and the menu where `update-grub` makes it."""

from __future__ import annotations

import re
from typing import Dict, Optional, Sequence

from . import grub
from .boot_entries import ENTRIES
from .changes import EditFile, RunInGuest
from .device_names import find_file_system, is_unstable, stable_name
from .facts import GuestFacts
from .families import DEBIAN, family_of
from .inspection import GRUB_DEFAULTS, GRUB_MENU
from .rules import Finding, Note, Options, Results
from .systemd_boot_rules import entries_of

_CONSOLE = "console=tty0 console=ttyS0,115200"
_SERIAL = re.compile(r"\bconsole=ttyS0\b")
_ROOT = re.compile(r"(?:^|\s)root=(\S+)")
_WHY_NAME = "the root is found by UUID whatever the disk is called"
_WHY_CONSOLE = "a serial console was asked for"
_ARGUMENTS = "GRUB_CMDLINE_LINUX"
# Ubuntu's GRUB names the root by it, and first starts the kernel without its initramfs (10_linux of its grub-common).
_FORCED = "GRUB_FORCE_PARTUUID"
# What a kernel has to have built in to find its root without an initramfs.
_FOR_ROOT = ("virtio_pci", "virtio_blk")


def grub_sources(facts: GuestFacts, options: Options) -> Results:
    """The files that GRUB's menu is made from name the root by UUID, and the console if asked for."""
    console = _console_file(facts) if options.serial_console else None
    for path, text in _sources(facts).items():
        after = grub.set_flag(text, "GRUB_DISABLE_LINUX_UUID", "false") if _by_name(text) else text
        after = grub.replace_devices(after, lambda device: _stable(device, facts))
        why = [_WHY_NAME] if after != text else []
        if path == console:
            after = grub.append_words(after, _ARGUMENTS, _CONSOLE)
            why.append(_WHY_CONSOLE)
        if after != text:
            yield EditFile(path, text, after, "; ".join(why))


def grub_menu(facts: GuestFacts, options: Options) -> Results:
    """The menu that boots has been made anew by the guest's own tool if it names disks unstably."""
    menu = facts.files.get(GRUB_MENU)
    if family_of(facts.distribution) is not DEBIAN or menu is None:
        return
    unstable = {device for device in grub.device_words(menu) if is_unstable(device)}
    for device in sorted(unstable):
        if _stable(device, facts) is None:
            yield Finding(
                f"{GRUB_MENU} names {device}, which is on none of the given disks or has no UUID."
                " Give that disk too."
            )
    lines = grub.kernel_lines(menu)
    wants_console = options.serial_console and not any(_SERIAL.search(x.arguments) for x in lines)
    if unstable or not _finds_root(lines, facts):
        yield RunInGuest(("update-grub",), _WHY_NAME)
    elif wants_console:
        yield RunInGuest(("update-grub",), _WHY_CONSOLE)


def without_initramfs(facts: GuestFacts, _options: Options) -> Results:
    """A partition that GRUB's menu names by force is the root; a kernel that lacks its drivers there is told."""
    told = {path: grub.get_value(text, _FORCED) for path, text in _defaults(facts).items()}
    path, forced = next(((p, v) for p, v in reversed(told.items()) if v is not None), ("", ""))
    if not forced:
        return
    found = find_file_system(f"PARTUUID={forced}", facts.file_systems)
    if found is None or found.device != facts.root.device:
        yield Finding(
            f"{path} has {_FORCED}={forced}, which is not its root {facts.root.title}. Correct it, run"
            " update-grub on the source, and sync again."
        )
    for kernel in facts.kernels:
        missing = [driver for driver in _FOR_ROOT if driver not in kernel.built_in]
        if kernel.version == facts.default_kernel and missing:
            yield Note(
                f"GRUB first starts kernel {kernel.version} without its initramfs ({path}), and without that"
                f" it has no {', '.join(missing)}: this start fails, and the next one has the initramfs. To"
                f" spare that, write `{_FORCED}=` there after the migration and run update-grub."
            )


def _finds_root(lines: Sequence[grub.MenuLine], facts: GuestFacts) -> bool:
    """Return whether the first entry, which boots by default, names the guest's root."""
    words = _ROOT.findall(lines[0].arguments) if lines else []
    found = find_file_system(words[-1], facts.file_systems) if words else None
    return found is not None and found.device == facts.root.device


def _sources(facts: GuestFacts) -> Dict[str, str]:
    by_systemd = entries_of(facts)
    beginnings = (
        "/etc/default/grub",
        "/etc/grub.d/",
        "/boot/grub/custom.cfg",
        "/boot/grub2/custom.cfg",
        # Where packages are RPM's, or systemd-boot has them, they are edited with other command lines.
        *((ENTRIES,) if family_of(facts.distribution) is DEBIAN and not by_systemd else ()),
    )
    return {path: text for path, text in facts.files.items() if path.startswith(beginnings)}


def _defaults(facts: GuestFacts) -> Dict[str, str]:
    """Return the files of GRUB's settings in the order in which `grub-mkconfig` reads them: the last word counts.

    Only Debian's and Ubuntu's reads those of the folder.
    """
    is_debian = family_of(facts.distribution) is DEBIAN
    more = sorted(path for path in facts.files if path.startswith(f"{GRUB_DEFAULTS}.d/"))
    paths = [GRUB_DEFAULTS, *(more if is_debian else ())]
    return {path: facts.files[path] for path in paths if path in facts.files}


def _console_file(facts: GuestFacts) -> Optional[str]:
    """Return the file in which the console is to be added: where arguments are set last; None if it is there."""
    told = _defaults(facts)
    if any(_SERIAL.search(text) for text in told.values()):
        return None
    setting = [path for path, text in told.items() if grub.get_value(text, _ARGUMENTS) is not None]
    return (setting or [GRUB_DEFAULTS])[-1]


def _by_name(text: str) -> bool:
    return grub.get_value(text, "GRUB_DISABLE_LINUX_UUID") == "true"


def _stable(device: str, facts: GuestFacts) -> Optional[str]:
    return stable_name(device, facts.file_systems) if is_unstable(device) else None
