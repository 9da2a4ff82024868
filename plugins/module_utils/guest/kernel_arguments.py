# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Kernel command lines wherever guests with RPM, or with systemd-boot, keep them, as places in files that an edit may change.

    /etc/kernel/cmdline           the whole file               what later entries are made from
    /boot/loader/entries/*.conf   options ...                  RHEL 9; on RHEL 8 it says $kernelopts; systemd-boot's
                                                               lie on the EFI system partition
    grubenv                       kernelopts=...               RHEL 8
    grub.cfg                      linux16 /vmlinuz ...         RHEL 7, SUSE
                                  set kernelopts="..."         RHEL 8, where grubenv has none

`grub.py` knows /etc/default/grub, which later menus are made from.
"""

from __future__ import annotations

import posixpath
import re
from typing import Callable, Optional

from . import grubenv
from .systemd_boot import ENTRY_FOLDERS

Edit = Callable[[str], str]

CMDLINE = "/etc/kernel/cmdline"
_OPTIONS = re.compile(r"^(options[ \t]+)(.*?)([ \t]*)$", re.MULTILINE)
_MENU_LINE = re.compile(
    r"^([ \t]*(?:linux|linux16|linuxefi)[ \t]+[^\s]+[ \t]+)([^\n]*?)([ \t]*)$", re.MULTILINE
)
_MENU_DEFAULT = re.compile(
    r"^([ \t]*set (?:default_)?kernelopts=\")([^\"\n]*?)([ \t]*\")", re.MULTILINE
)


def is_environment(path: str) -> bool:
    """Return whether the file is an environment block of GRUB."""
    return posixpath.basename(path) == "grubenv"


def edit_arguments(path: str, text: str, edit: Edit) -> Optional[str]:
    """Return the file with `edit` done to each kernel command line in it, all else as it was.

    None if a block would grow too large.
    """
    if is_environment(path):
        value = grubenv.read_variables(text).get("kernelopts")
        changed = None if value is None else edit(value)
        same = changed is None or changed == value
        return text if same else grubenv.set_variable(text, "kernelopts", changed or "")
    if path.startswith(ENTRY_FOLDERS):
        return _OPTIONS.sub(lambda match: _replaced(match, edit), text)
    if path == CMDLINE:
        return "\n".join(edit(line) if line.strip() else line for line in text.split("\n"))
    after = _MENU_LINE.sub(lambda match: _replaced(match, edit), text)
    return _MENU_DEFAULT.sub(lambda match: _replaced(match, edit), after)


def _replaced(match: "re.Match[str]", edit: Edit) -> str:
    begin, arguments, end = match.groups()
    return f"{begin}{edit(arguments)}{end}"
