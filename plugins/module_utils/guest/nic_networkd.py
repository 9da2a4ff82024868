# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""systemd-networkd's .network files (systemd.network(5)): [Match] takes a list of MACs.

`MACAddress` in [Link] sets a MAC and binds nothing: it is left.
"""

from __future__ import annotations

from typing import List, Optional, Sequence

from .network import normal_mac
from .settings import Setting, append_to_value, read_settings

_KEYS = ("MACAddress", "PermanentMACAddress")
_GLOB = frozenset("*?[!")


def names(_path: str, text: str) -> List[str]:
    """Return the interfaces that the file names; a pattern names none."""
    listed = (
        s.plain.split() for s in read_settings(text) if (s.section, s.key) == ("Match", "Name")
    )
    return [name for words in listed for name in words if _GLOB.isdisjoint(name)]


def name_by_mac(path: str, text: str, macs: Sequence[str]) -> Optional[str]:
    """Return the interface that the file names and binds to one of the MACs."""
    found = names(path, text)
    return found[0] if len(found) == 1 and _bindings(text, macs) else None


def rebind(text: str, _name: str, macs: Sequence[str]) -> str:
    """Return the file that matches all of the MACs, if it matched one of them."""
    for binding in _bindings(text, macs):
        missing = [mac for mac in macs if mac not in _macs(binding)]
        if missing:
            text = append_to_value(text, binding, " ".join(missing))
    return text


def _bindings(text: str, macs: Sequence[str]) -> List[Setting]:
    return [
        s
        for s in read_settings(text)
        if s.section == "Match" and s.key in _KEYS and not _macs(s).isdisjoint(macs)
    ]


def _macs(setting: Setting) -> "frozenset[str]":
    return frozenset(normal_mac(word) for word in setting.plain.split())
