# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""GRUB's environment block: a file of 1024 bytes that GRUB itself writes in place.

A line is `name=value`, with a backslash before a backslash or a newline in the value; the rest of the block is
filled with `#` (GRUB manual, "The GRUB environment block").
"""

from __future__ import annotations

from typing import Dict, List, Optional

SIZE = 1024
_HEADER = "# GRUB Environment Block\n"
# SUSE's GRUB, its block on Btrfs, reads on there: what is in the file may not be what counts.
_ELSEWHERE = "env_block"
_FILL = "#"


def read_variables(block: str) -> Dict[str, str]:
    """Return the variables of the block; none of something that is no block."""
    pairs = (line.partition("=") for line in _lines(block) if not line.startswith(_FILL))
    return {name: _plain(value) for name, equals, value in pairs if equals}


def can_be_set(block: str) -> bool:
    """Return whether it is a block, and GRUB has its variables from it and nowhere else."""
    return block.startswith(_HEADER) and _ELSEWHERE not in read_variables(block)


def set_variable(block: str, name: str, value: str) -> Optional[str]:
    """Return the block where `name` has the value; None if it does not fit.

    Other variables, comments and their order stay. `value` is one line.
    """
    line = f"{name}={_escaped(value)}"
    lines = _lines(block)
    found = [number for number, each in enumerate(lines) if each.startswith(f"{name}=")]
    for number in found:
        lines[number] = line
    text = "".join(f"{each}\n" for each in (lines if found else [*lines, line]))
    # Counted in bytes, which is what GRUB counts.
    room = SIZE - len(text.encode("utf-8", "surrogateescape"))
    return text + _FILL * room if room >= 0 else None


def _lines(block: str) -> List[str]:
    """Return the lines before the filling, which has no newline behind it."""
    lines = block.rstrip(_FILL).split("\n")
    return lines if lines[-1] else lines[:-1]


def _plain(value: str) -> str:
    return value.replace("\\\\", "\\")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\")
