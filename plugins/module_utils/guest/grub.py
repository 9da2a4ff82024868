# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Kernel command lines where GRUB keeps them: /etc/default/grub and the menu it is made into.

Edits replace single words or values; quotes, comments and all other text stay.
"""

from __future__ import annotations

import re
from typing import Callable, List, NamedTuple, Optional

# What names a device on a kernel command line; the last two say where FIPS' check finds the kernel (dracut's
# module fips, and Ubuntu's `bootdev`). The value ends at white space or a quote.
_DEVICE_WORD = re.compile(r"(?<![\w.-])((?:root|resume|boot|bootdev)=)(/dev/[^\s\"'`\\;]+)")
_LINUX = re.compile(r"^\s*(?:linux|linux16|linuxefi)\s+(\S+)(.*)$")
_ASSIGNMENT = r"^([^\S\n]*(?:export[^\S\n]+)?{name}=)(\"[^\"\n]*\"|'[^'\n]*'|[^\s#;]*)"


class MenuLine(NamedTuple):
    """One line that starts a kernel: the kernel's path as GRUB sees it, and its command line."""

    kernel: str
    arguments: str


def kernel_lines(menu: str) -> List[MenuLine]:
    """Return the lines of a GRUB menu that start a kernel, first entry first."""
    found = (_LINUX.match(line) for line in menu.split("\n"))
    return [MenuLine(match.group(1), match.group(2).strip()) for match in found if match]


def device_words(text: str) -> List[str]:
    """Return the devices that `root=`, `resume=` and FIPS' words name outside of comments, as they are written."""
    return [
        match.group(2) for line in text.split("\n") for match in _DEVICE_WORD.finditer(_code(line))
    ]


def replace_devices(text: str, stable: Callable[[str], Optional[str]]) -> str:
    """Return `text` with each of `device_words` replaced by `stable(device)`.

    None leaves the word; comments are left.
    """

    def replace(match: "re.Match[str]") -> str:
        name = stable(match.group(2))
        return match.group() if name is None else match.group(1) + name

    def edit(line: str) -> str:
        code = _code(line)
        return _DEVICE_WORD.sub(replace, code) + line[len(code) :]

    return "\n".join(edit(line) for line in text.split("\n"))


def get_value(text: str, name: str) -> Optional[str]:
    """Return the value that the last assignment of `name` gives, quotes taken off; None if none."""
    found = list(_assignment(name).finditer(text))
    return found[-1].group(2).strip("\"'") if found else None


def set_flag(text: str, name: str, value: str) -> str:
    """Return `text` where every assignment of `name` gives `value`, a plain word."""
    return _assignment(name).sub(lambda match: match.group(1) + value, text)


def append_words(text: str, name: str, words: str) -> str:
    """Return `text` with `words` added at the end of the last value of `name`, inside its quotes.

    Without an assignment, one is added at the end. `words` has no quotes, dollars or backslashes.
    """
    found = list(_assignment(name).finditer(text))
    if not found:
        newline = "" if text.endswith("\n") or not text else "\n"
        return f'{text}{newline}{name}="{words}"\n'
    value = found[-1].group(2)
    quote = value[0] if value[:1] in ("'", '"') else ""
    inner = value[1:-1] if quote else value
    quote = quote or '"'
    start, end = found[-1].span(2)
    return f"{text[:start]}{quote}{inner}{' ' if inner else ''}{words}{quote}{text[end:]}"


def _assignment(name: str) -> "re.Pattern[str]":
    return re.compile(_ASSIGNMENT.format(name=re.escape(name)), re.MULTILINE)


def _code(line: str) -> str:
    """Return what of the line is not comment; a `#` inside a word or quotes begins none."""
    for match in re.finditer(r"(?:^|(?<=\s))#", line):
        before = line[: match.start()]
        if before.count('"') % 2 == 0 and before.count("'") % 2 == 0:
            return before
    return line
