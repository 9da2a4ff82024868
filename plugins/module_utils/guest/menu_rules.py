# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Rules for GRUB where a guest's packages are RPM's: every command line, and the default kernel.

Files are edited and the menu is not made anew: `grub2-mkconfig` of RHEL 7 to 9 differs in which of the
sources it trusts, and drops what an administrator set by `grubby`. The sources are edited alike, so that
later menus and entries are right too (decision 0023).
"""

from __future__ import annotations

import posixpath
import re
from typing import Dict, List, NamedTuple, Optional, Tuple

from . import grub, grubenv, kernel_arguments
from .boot_entries import (
    ENTRIES,
    Entry,
    default_of,
    main_menu,
    read_entries,
    read_environment,
    uses_saved_entry,
)
from .changes import EditFile
from .device_names import find_file_system, is_unstable, stable_name
from .facts import VIRTIO_DRIVERS, GuestFacts, Kernel
from .families import RPM, family_of
from .rules import Finding, Options, Results
from .versions import version_key

_CONSOLE = "console=tty0 console=ttyS0,115200"
_SERIAL = re.compile(r"\bconsole=ttyS0\b")
_BY_BLOCK = re.compile(r"\$\{?kernelopts\b")
_ROOT = re.compile(r"(?:^|\s)root=(\S+)")
_IN_MENU = re.compile(r"^[ \t]*set (?:default_)?kernelopts=\"([^\"\n]*)\"", re.MULTILINE)
_WHY_DEVICE = "the kernel finds its disks by UUID, whatever they are called"
_WHY_CONSOLE = "a serial console was asked for"


class Choice(NamedTuple):
    """Another default: the entry, and the environment block that is to name it."""

    entry: Entry
    block: str


def command_lines(facts: GuestFacts, options: Options) -> Results:
    """Every kernel command line names disks by UUID, and the console if asked for.

    GRUB starts a kernel that can have virtio. One rule for both: they may be in one file.
    """
    if family_of(facts.distribution) is not RPM:
        return
    choice = _choice(facts)
    for path, before in argument_files(facts).items():
        after, why = edited_arguments(path, before, facts, options)
        if after is not None and choice and path == choice.block:
            after = grubenv.set_variable(after, "saved_entry", choice.entry.default_name)
            why.append(f"the default kernel {facts.default_kernel} cannot boot on virtio")
        if after is None:
            yield Finding(
                f"The kernel's command line grows too long for {path}, which has 1024 bytes. Shorten"
                " kernelopts on the source (grub2-editenv - unset what is not needed) and sync again."
            )
            continue
        if after != before:
            yield EditFile(path, before, after, "; ".join(why))
        yield from left_devices(path, after)


def default_entry(facts: GuestFacts, _options: Options) -> Results:
    """What GRUB starts by itself is on the guest's root, and can be chosen if it must be another."""
    menu = main_menu(facts.files, facts.firmware)
    if family_of(facts.distribution) is not RPM or menu is None:
        return
    if _wants_another(facts) and _choice(facts) is None:
        yield Finding(
            f"Its default kernel {facts.default_kernel} cannot boot on virtio, and {menu} does not"
            " take another default from grubenv. Choose another kernel on the source"
            " (grub2-set-default, grubby --set-default) and sync again."
        )
    yield from _other_root(facts)


def boot_arguments(facts: GuestFacts) -> str:
    """Return the kernel command line of what GRUB is to start by itself; empty if that is not known.

    What it takes from the environment block, or from the menu, is put in.
    """
    menu, choice = main_menu(facts.files, facts.firmware), _choice(facts)
    found = default_of(menu, facts.files, facts.environments) if menu else None
    entry = choice.entry if choice else found
    return _arguments(entry, facts, menu) if entry and menu else ""


def edited_arguments(
    path: str, before: str, facts: GuestFacts, options: Options
) -> Tuple[Optional[str], List[str]]:
    """Return the file with its command lines right, None if it grows too large; and why."""
    why = []
    after = kernel_arguments.edit_arguments(path, before, lambda text: _by_uuid(text, facts))
    if after != before:
        why.append(_WHY_DEVICE)
    if after is not None and options.serial_console:
        stable = after
        after = kernel_arguments.edit_arguments(path, stable, _with_console)
        why += [_WHY_CONSOLE] if after != stable else []
    return after, why


def _wants_another(facts: GuestFacts) -> bool:
    """Return whether the default kernel cannot have virtio and another one can."""
    chosen = boot_kernel(facts)
    return bool(chosen and facts.default_kernel and chosen.version != facts.default_kernel)


def _choice(facts: GuestFacts) -> Optional[Choice]:
    """Return another default, if one is wanted and GRUB takes it from a block that is there."""
    menu, chosen = main_menu(facts.files, facts.firmware), boot_kernel(facts)
    if menu is None or chosen is None or not _wants_another(facts):
        return None
    entry, block = _entry_of(chosen, facts, menu), facts.environments.get(menu, "")
    takes = uses_saved_entry(facts.files[menu]) and grubenv.can_be_set(facts.files.get(block, ""))
    return Choice(entry, block) if entry and takes else None


def argument_files(facts: GuestFacts) -> Dict[str, str]:
    """Return the files with kernel command lines that GRUB or a later kernel's installation reads."""
    return {
        path: text
        for path, text in facts.files.items()
        if path.startswith(ENTRIES)
        or path == kernel_arguments.CMDLINE
        or posixpath.basename(path) in ("grub.cfg", "grubenv")
    }


def boot_kernel(facts: GuestFacts) -> Optional[Kernel]:
    """Return the kernel that is to boot: the default if it can have virtio, else the newest that can.

    None if no kernel can, or the one that could is not in the menu.
    """
    fit = [kernel for kernel in facts.kernels if kernel.initramfs and _can_have_virtio(kernel)]
    by_default = [kernel for kernel in fit if kernel.version == facts.default_kernel]
    menu = main_menu(facts.files, facts.firmware)
    offered = [k for k in fit if menu and _entry_of(k, facts, menu) is not None]
    return max(by_default or offered, key=lambda k: version_key(k.version), default=None)


def _can_have_virtio(kernel: Kernel) -> bool:
    return set(VIRTIO_DRIVERS) <= kernel.ready | kernel.available


def _entry_of(kernel: Kernel, facts: GuestFacts, menu: str) -> Optional[Entry]:
    entries = read_entries(facts.files, menu)
    return next((e for e in entries if e.kernel.endswith(f"vmlinuz-{kernel.version}")), None)


def _other_root(facts: GuestFacts) -> Results:
    """Yield a finding if the root of the entry that boots is surely not the guest's."""
    words = _ROOT.findall(boot_arguments(facts))
    found = find_file_system(words[-1], facts.file_systems) if words else None
    if words and (found is None or found.device != facts.root.device):
        yield Finding(
            f"Its default entry boots from root={words[-1]}, which is not its root"
            f" {facts.root.title}. Correct it on the source (grubby --update-kernel=DEFAULT"
            f" --args=root=UUID={facts.root.uuid}) and sync again."
        )


def _arguments(entry: Entry, facts: GuestFacts, menu: str) -> str:
    block = read_environment(menu, facts.files, facts.environments)
    in_menu = _IN_MENU.findall(facts.files[menu])
    shared = block.get("kernelopts") or (in_menu[-1] if in_menu else "")
    return f"{shared} {entry.arguments}" if _BY_BLOCK.search(entry.arguments) else entry.arguments


def _by_uuid(arguments: str, facts: GuestFacts) -> str:
    def stable(device: str) -> Optional[str]:
        return stable_name(device, facts.file_systems) if is_unstable(device) else None

    return grub.replace_devices(arguments, stable)


def _with_console(arguments: str) -> str:
    """Return the arguments with the console, unless they have it or take it from where they refer to."""
    has = _SERIAL.search(arguments) or _BY_BLOCK.search(arguments)
    return arguments if has else f"{arguments} {_CONSOLE}".strip()


def left_devices(path: str, text: str) -> Results:
    """Yield a finding for each device that command lines in the file still name by an unstable name."""
    for device in sorted({word for word in grub.device_words(text) if is_unstable(word)}):
        yield Finding(
            f"{path} names {device}, which is on none of the given disks or has no UUID."
            " Give that disk too, or name it by UUID on the source and sync again."
        )
