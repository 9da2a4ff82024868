# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""How a guest names its network interfaces, and how the name is kept on other hardware.

Addresses and routes of a guest hang on interface names. A name that came from a slot (`ens192`) or
from the old MAC alone is lost on the new hardware; so the name is bound to both MACs, the source's
and the target's, in the kind of file that the guest already uses: udev rules, or systemd's .link.
"""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

RULES_FILE = "/etc/udev/rules.d/70-persistent-net.rules"
LINK_FOLDER = "/etc/systemd/network"

_RULE_PART = re.compile(r"\s*([A-Z]+(?:\{[^}]*\})?)\s*(==|!=|=|\+=|:=)\s*\"([^\"]*)\"\s*,?")
# Keys that hold on any hardware; a rule with others (a slot, a driver) holds only on the old one.
_PORTABLE = frozenset(
    ("SUBSYSTEM", "ACTION", "ATTR{address}", "ATTR{dev_id}", "ATTR{type}", "KERNEL", "NAME")
)
# A stanza and its options, up to the next word that begins one (interfaces(5)).
_STANZA = re.compile(
    r"^[ \t]*iface[ \t]+(\S+)[ \t]+\S+[ \t]+(\S+)(.*?)"
    r"(?=^[ \t]*(?:iface|mapping|auto|allow-\S+|no-\S+|source\S*)[ \t]|\Z)",
    re.MULTILINE | re.DOTALL,
)
# What makes an interface of others: a bond, a bridge, a VLAN, a tunnel. Ports have `bond-master` and the like.
_UPPER_METHODS = frozenset(("loopback", "ppp", "tunnel", "v4tunnel", "6to4"))
_UPPER = re.compile(
    r"^[ \t]*(?:bond[-_](?:slaves|mode)|slaves|bridge[-_]ports|vlan[-_](?:raw[-_]device|id)|tunnel-mode)\b",
    re.MULTILINE,
)


class Interface(NamedTuple):
    """An interface of the guest: its name there (None: find it), and the MACs it shall have it with."""

    name: Optional[str]
    macs: Tuple[str, ...]


def normal_mac(mac: str) -> str:
    """Return a MAC as Linux writes it: lower case, colons."""
    return mac.strip().lower().replace("-", ":")


def configured_names(files: Mapping[str, str]) -> List[str]:
    """Return the cards that ifupdown's files configure, in order: no loopback, alias, bond and the like."""
    texts = (text for path, text in files.items() if path.startswith("/etc/network/interfaces"))
    stanzas = [stanza for text in texts for stanza in _STANZA.findall(text)]
    upper = {
        name
        for name, method, options in stanzas
        if method in _UPPER_METHODS or _UPPER.search(options)
    }
    names = dict.fromkeys(name.split(":")[0] for name, _method, _options in stanzas)
    return [name for name in names if name not in upper]


def rule_names(text: str) -> Dict[Tuple[str, str], bool]:
    """Return (MAC, name) of every udev rule that names by MAC, and whether it holds on any hardware."""
    found: Dict[Tuple[str, str], bool] = {}
    for line in text.split("\n"):
        if line.lstrip().startswith("#"):
            continue
        parts = [(key, value) for key, _operator, value in _RULE_PART.findall(line)]
        keys = dict(parts)
        if "NAME" in keys and "ATTR{address}" in keys:
            pair = (normal_mac(keys["ATTR{address}"]), keys["NAME"])
            portable = all(_is_portable(key, value) for key, value in parts)
            found[pair] = found.get(pair, False) or portable
    return found


def _is_portable(key: str, value: str) -> bool:
    return key in _PORTABLE or (key == "DRIVERS" and value == "?*")


def add_rules(text: str, name: str, macs: Tuple[str, ...]) -> str:
    """Return the udev rules with one for each MAC that does not yet give `name` on any hardware."""
    known = rule_names(text)
    lines = [
        f'SUBSYSTEM=="net", ACTION=="add", ATTR{{address}}=="{mac}", NAME="{name}"\n'
        for mac in macs
        if not known.get((mac, name))
    ]
    newline = "\n" if text and not text.endswith("\n") and lines else ""
    return text + newline + "".join(lines)


def link_macs(text: str) -> Tuple[str, ...]:
    """Return the MACs that a .link file matches, if MACs are all that it matches; else nothing."""
    match_section = re.search(
        r"^\[Match\][^\S\n]*\n(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL
    )
    settings = re.findall(
        r"^\s*([A-Za-z]+)\s*=\s*(.*?)\s*$", (match_section or [""])[0], re.MULTILINE
    )
    if not settings or any(
        key not in ("MACAddress", "PermanentMACAddress") for key, _unused in settings
    ):
        return ()
    return tuple(normal_mac(mac) for _unused, value in settings for mac in value.split())


def link_name(text: str) -> Optional[str]:
    """Return the name that a .link file gives, None if it gives none."""
    found = re.search(r"^\s*Name\s*=\s*(\S+)\s*$", text, re.MULTILINE)
    return found.group(1) if found else None


def add_link_macs(text: str, macs: Tuple[str, ...]) -> str:
    """Return the .link file with the MACs it lacks added to its first list of MACs."""
    missing = [mac for mac in macs if mac not in link_macs(text)]
    if not missing:
        return text
    pattern = re.compile(r"^(\s*(?:Permanent)?MACAddress\s*=\s*.*?)([^\S\n]*)$", re.MULTILINE)
    return pattern.sub(
        lambda match: f"{match.group(1)} {' '.join(missing)}{match.group(2)}", text, 1
    )


def new_link(name: str, macs: Tuple[str, ...]) -> str:
    """Return a .link file that gives `name` to each of the MACs (systemd.link(5))."""
    return f"[Match]\nMACAddress={' '.join(macs)}\n\n[Link]\nName={name}\n"
