# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""netplan's YAML (netplan-yaml(5)), read line by line so that comments and layout stay.

    ethernets:
      lan:                          <- an identifier, the interface's name only without a `match`
        match: {macaddress: OLD}    <- takes one MAC only; becomes {name: lan0}
        set-name: lan0

`macaddress` beside `match`, not in it, sets a MAC and binds nothing: it is left.
"""

from __future__ import annotations

import re
from typing import List, NamedTuple, Optional, Sequence, Tuple

from .network import normal_mac
from .settings import replace_line

_KEY = re.compile(r"^( *)[\"']?([^\s\"'#:{}\[\]-][^\s\"':{}]*)[\"']?\s*:(?:\s+(.*?))?\s*$")
_WORD = re.compile(r"[\"']?([^\"'\s#]*)")
_BLOCK = re.compile(r"^(\s*)([\"']?)macaddress\2(\s*:\s*)([\"']?)[^\s\"'#]+\4(.*)$")
_FLOW = re.compile(r"\{\s*[\"']?macaddress[\"']?(\s*:\s*)([\"']?)([^\s\"'{},]+)\2\s*\}")


class _Entry(NamedTuple):
    """A key in its place: `path` are the keys from the outermost to itself."""

    line: int
    path: Tuple[str, ...]
    value: str

    @property
    def word(self) -> str:
        found = _WORD.match(self.value)
        return found.group(1) if found else ""


def names(_path: str, text: str) -> List[str]:
    """Return the names of the Ethernet interfaces that are told by name."""
    entries = _read(text)
    devices = [e.path for e in entries if len(e.path) >= 2 and e.path[-2] == "ethernets"]
    named = [_set_name(entries, d) or ("" if _has_match(entries, d) else d[-1]) for d in devices]
    return [name for name in named if name]


def name_by_mac(_path: str, text: str, macs: Sequence[str]) -> Optional[str]:
    """Return the name that the file gives to the interface with one of the MACs."""
    entries = _read(text)
    for binding in _bindings(entries, macs):
        device = binding.path[: binding.path.index("match")]
        return _set_name(entries, device) or None
    return None


def rebind(text: str, name: str, macs: Sequence[str]) -> str:
    """Return the file bound to the interface's name, if it was to one of the MACs."""
    entries = _read(text)
    for binding in reversed(_bindings(entries, macs)):
        line = text.split("\n")[binding.line]
        if binding.path[-1] == "match":
            text = replace_line(
                text, binding.line, _FLOW.sub(lambda m: f"{{name{m.group(1)}{name}}}", line)
            )
        elif any(entry.path == (*binding.path[:-1], "name") for entry in entries):
            text = replace_line(text, binding.line)
        else:
            text = replace_line(
                text, binding.line, _BLOCK.sub(lambda m: f"{m[1]}name{m[3]}{name}{m[5]}", line)
            )
    return text


def is_unclear(text: str, macs: Sequence[str]) -> bool:
    """Return whether a MAC stands where only a full YAML reader could tell what it means."""
    clear = {e.line for e in _read(text) if e.path[-1] == "macaddress" and "match" not in e.path}
    lines = (line for number, line in enumerate(text.split("\n")) if number not in clear)
    return any(mac in line.partition("#")[0].lower() for line in lines for mac in macs)


def _bindings(entries: Sequence[_Entry], macs: Sequence[str]) -> List[_Entry]:
    return [entry for entry in entries if normal_mac(_bound_mac(entry)) in macs]


def _bound_mac(entry: _Entry) -> str:
    if entry.path[-2:] == ("match", "macaddress"):
        return entry.word
    flow = _FLOW.match(entry.value) if entry.path[-1] == "match" else None
    return flow.group(3) if flow else ""


def _set_name(entries: Sequence[_Entry], device: Tuple[str, ...]) -> str:
    return next((e.word for e in entries if e.path == (*device, "set-name")), "")


def _has_match(entries: Sequence[_Entry], device: Tuple[str, ...]) -> bool:
    return any(entry.path == (*device, "match") for entry in entries)


def _read(text: str) -> List[_Entry]:
    """Return the keys of all block mappings; what is on one line in braces is a value."""
    entries: List[_Entry] = []
    above: List[Tuple[int, str]] = []
    for number, line in enumerate(text.split("\n")):
        found = _KEY.match(line)
        if not found:
            continue
        indent = len(found.group(1))
        above = [(i, key) for i, key in above if i < indent] + [(indent, found.group(2))]
        path = tuple(key for _indent, key in above)
        entries.append(_Entry(number, path, found.group(3) or ""))
    return entries
