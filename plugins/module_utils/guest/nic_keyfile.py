# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""NetworkManager's keyfiles (nm-settings-keyfile(5)).

`mac-address` takes one MAC only, so a profile that is bound by it is bound to the name instead.
`cloned-mac-address` sets a MAC and binds nothing: it is left.
"""

from __future__ import annotations

from typing import List, Optional, Sequence

from .network import normal_mac
from .settings import Setting, insert_setting, read_settings, replace_line

_ETHERNET = ("ethernet", "802-3-ethernet")


def names(_path: str, text: str) -> List[str]:
    """Return the card that the profile names, if it names one: no bond, bridge, VLAN or tunnel."""
    kinds = _of_connection(text, "type")
    return _of_connection(text, "interface-name") if set(kinds) <= set(_ETHERNET) else []


def name_by_mac(path: str, text: str, macs: Sequence[str]) -> Optional[str]:
    """Return the interface that the profile names and binds to one of the MACs."""
    found = names(path, text)
    return found[0] if found and _bindings(text, macs) else None


def rebind(text: str, name: str, macs: Sequence[str]) -> str:
    """Return the profile bound to the interface's name, if it was to one of the MACs."""
    bindings = _bindings(text, macs)
    for binding in reversed(bindings):
        text = replace_line(text, binding.line)
    if bindings and not _of_connection(text, "interface-name"):
        text = insert_setting(text, "connection", f"interface-name={name}")
    return text


def _of_connection(text: str, key: str) -> List[str]:
    return [s.plain for s in read_settings(text) if (s.section, s.key) == ("connection", key)]


def _bindings(text: str, macs: Sequence[str]) -> List[Setting]:
    return [
        s
        for s in read_settings(text)
        if s.section in _ETHERNET and s.key == "mac-address" and normal_mac(s.plain) in macs
    ]
