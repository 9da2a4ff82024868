# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""ifcfg files: Red Hat's (sysconfig.txt of initscripts, nm-settings-ifcfg-rh(5)) and SUSE's (ifcfg(5)).

Red Hat's may be bound to a MAC by HWADDR, and then bring nothing up on another; the binding is dropped
and DEVICE names the interface instead. SUSE's are bound by the name of the file alone.
"""

from __future__ import annotations

from typing import List, Optional, Sequence

from .network import normal_mac
from .settings import Setting, read_settings, replace_line

# A port of a team has the second (nm-settings-ifcfg-rh(5)).
_CARDS = ("", "teamport", "ethernet")
# Settings that only what is no card has.
_UPPER = ("VLAN", "PHYSDEV", "BONDING_OPTS")
_SUSE_UPPER = ("BRIDGE", "BONDING_MASTER", "ETHERDEVICE", "TUNNEL", "TEAM_RUNNER")
_SUSE_FOLDER = "/etc/sysconfig/network/ifcfg-"


def names(path: str, text: str) -> List[str]:
    """Return the card that the file configures: its DEVICE, or for SUSE the end of its name.

    Red Hat's end may be any title (`ifcfg-Wired_connection_1`); without DEVICE it tells no name.
    """
    told_by_path = path.startswith(_SUSE_FOLDER)
    device = path[len(_SUSE_FOLDER) :] if told_by_path else _value(text, "DEVICE")
    is_card = device not in ("", "lo") and ":" not in device
    return [device] if is_card and not _is_upper(text, is_suse=told_by_path) else []


def _is_upper(text: str, *, is_suse: bool) -> bool:
    """Return whether the file is a bond's, a bridge's, a VLAN's or a tunnel's.

    Red Hat's BRIDGE is a port's, and names the bridge that it belongs to.
    """
    kind = (_value(text, "TYPE") or _value(text, "DEVICETYPE")).lower()
    return kind not in _CARDS or any(
        _value(text, key).lower() not in ("", "no") for key in (_SUSE_UPPER if is_suse else _UPPER)
    )


def name_by_mac(path: str, text: str, macs: Sequence[str]) -> Optional[str]:
    """Return the interface that the file names and binds to one of the MACs."""
    found = names(path, text)
    return found[0] if found and _bindings(text, macs) else None


def rebind(text: str, name: str, macs: Sequence[str]) -> str:
    """Return the file bound to the interface's name, if it was to one of the MACs."""
    for binding in reversed(_bindings(text, macs)):
        device = [] if _value(text, "DEVICE") else [f"DEVICE={name}"]
        text = replace_line(text, binding.line, *device)
    return text


def _bindings(text: str, macs: Sequence[str]) -> List[Setting]:
    return [s for s in read_settings(text) if s.key == "HWADDR" and normal_mac(s.plain) in macs]


def _value(text: str, key: str) -> str:
    return next((s.plain for s in read_settings(text) if s.key == key), "")
