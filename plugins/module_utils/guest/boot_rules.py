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
from .rules import Finding, Options, Results
from .systemd_boot_rules import entries_of

_CONSOLE = "console=tty0 console=ttyS0,115200"
_SERIAL = re.compile(r"\bconsole=ttyS0\b")
_ROOT = re.compile(r"(?:^|\s)root=(\S+)")
_WHY_NAME = "the root is found by UUID whatever the disk is called"
_WHY_CONSOLE = "a serial console was asked for"


def grub_sources(facts: GuestFacts, options: Options) -> Results:
    """The files that GRUB's menu is made from name the root by UUID, and the console if asked for."""
    for path, text in _sources(facts).items():
        after = grub.set_flag(text, "GRUB_DISABLE_LINUX_UUID", "false") if _by_name(text) else text
        after = grub.replace_devices(after, lambda device: _stable(device, facts))
        why = [_WHY_NAME] if after != text else []
        if path == GRUB_DEFAULTS and options.serial_console and not _SERIAL.search(after):
            after = grub.append_words(after, "GRUB_CMDLINE_LINUX", _CONSOLE)
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


def _by_name(text: str) -> bool:
    return grub.get_value(text, "GRUB_DISABLE_LINUX_UUID") == "true"


def _stable(device: str, facts: GuestFacts) -> Optional[str]:
    return stable_name(device, facts.file_systems) if is_unstable(device) else None
