# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Lines of `key=value`, with or without sections: ifcfg, NetworkManager keyfiles, systemd-networkd.

Edits replace, add or drop one whole line or one value; comments, order and spacing stay.
"""

from __future__ import annotations

import re
from typing import List, NamedTuple

_SECTION = re.compile(r"^\s*\[([^\]]+)\]\s*$")
_SETTING = re.compile(r"^\s*([^\s=#;\[][^=]*?)\s*=\s*(.*?)\s*$")
_PLAIN = re.compile(r"[\"']?([^\"'#]*)")


class Setting(NamedTuple):
    """One setting. `line` counts from 0; `section` is empty before the first; `value` as written."""

    line: int
    section: str
    key: str
    value: str

    @property
    def plain(self) -> str:
        """The value without quotes and without the comment behind it."""
        found = _PLAIN.match(self.value)
        return found.group(1).strip() if found else ""


def read_settings(text: str) -> List[Setting]:
    """Return the settings in the order of the file."""
    found: List[Setting] = []
    section = ""
    for number, line in enumerate(text.split("\n")):
        header, setting = _SECTION.match(line), _SETTING.match(line)
        if header:
            section = header.group(1)
        elif setting:
            found.append(Setting(number, section, setting.group(1), setting.group(2)))
    return found


def replace_line(text: str, number: int, *lines: str) -> str:
    """Return `text` with line `number` (from 0) replaced by `lines`; by none, it is dropped."""
    rows = text.split("\n")
    return "\n".join([*rows[:number], *lines, *rows[number + 1 :]])


def append_to_value(text: str, setting: Setting, words: str) -> str:
    """Return `text` with `words` after the setting's value, before the spaces that end its line."""
    line = text.split("\n")[setting.line]
    end = len(line.rstrip())
    return replace_line(text, setting.line, f"{line[:end]} {words}{line[end:]}")


def insert_setting(text: str, section: str, setting: str) -> str:
    """Return `text` with a line as the first of the section; unchanged if there is no such section."""
    for number, line in enumerate(text.split("\n")):
        header = _SECTION.match(line)
        if header and header.group(1) == section:
            return replace_line(text, number, line, setting)
    return text
