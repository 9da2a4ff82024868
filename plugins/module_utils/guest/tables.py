# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Tables of white-space separated fields, such as fstab and crypttab: read, and edited in place.

Only the field that changes is replaced. Comments, blank lines, tabs, alignment, a missing newline at
the end and bytes that are no text stay as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, List, Optional, Tuple

_ROW = re.compile(r"[^\S\n]*[^\s#]")
_FIELD = re.compile(r"\S+")


@dataclass(frozen=True)
class Row:
    """One entry: its fields, none of them empty, in the order of the file."""

    fields: Tuple[str, ...]

    def field(self, index: int) -> str:
        """Return field `index`, counted from 0; empty if the row is shorter."""
        return self.fields[index] if index < len(self.fields) else ""


def read_rows(text: str) -> List[Row]:
    """Return the entries of a table; comments and blank lines are none."""
    return [Row(tuple(_FIELD.findall(line))) for line in text.split("\n") if _ROW.match(line)]


def edit_field(text: str, index: int, change: Callable[[Row], Optional[str]]) -> str:
    """Return `text` with field `index` of each row replaced by what `change` returns for the row.

    None leaves the row as it is, and so does a row that has no such field.
    """
    return "\n".join(_edit_line(line, index, change) for line in text.split("\n"))


def _edit_line(line: str, index: int, change: Callable[[Row], Optional[str]]) -> str:
    if not _ROW.match(line):
        return line
    fields = list(_FIELD.finditer(line))
    wanted = change(Row(tuple(field.group() for field in fields)))
    if wanted is None or index >= len(fields):
        return line
    return line[: fields[index].start()] + wanted + line[fields[index].end() :]
