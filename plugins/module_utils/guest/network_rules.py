# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Rules for network interfaces: a name keeps its address, so each interface keeps its name."""

from __future__ import annotations

import re
from typing import Iterator, Optional, Tuple

from . import network
from .changes import EditFile
from .facts import GuestFacts
from .network import LINK_FOLDER, RULES_FILE, Interface
from .rules import Finding, Options, Results

_WHY = "the interface keeps its name, and so its addresses, with the old and the new MAC"
# Kinds of configuration that can bind an interface to its MAC, in words of their own.
_OTHER_KINDS = ("/etc/netplan/", "/etc/NetworkManager/", "/etc/systemd/network/")


def interface_names(facts: GuestFacts, options: Options) -> Results:
    """Each given interface has its old name with each of its MACs."""
    rules = facts.files.get(RULES_FILE)
    for interface in options.interfaces:
        yield from _bound_elsewhere(facts, interface)
        name = _find_name(facts, options, interface)
        if name is None:
            yield Finding(
                f"Which interface had the MAC {interface.macs[0]} is written nowhere in the guest:"
                " give its name."
            )
        elif rules is not None and network.rule_names(rules):
            after = network.add_rules(rules, name, interface.macs)
            if after != rules:
                yield EditFile(RULES_FILE, rules, after, _WHY)
            rules = after
        else:
            yield from _link_file(facts, name, interface.macs)


def _link_file(facts: GuestFacts, name: str, macs: Tuple[str, ...]) -> Iterator[EditFile]:
    path = f"{LINK_FOLDER}/10-{name}.link"
    for candidate, text in _links(facts):
        if network.link_name(text) == name and network.link_macs(text):
            path = candidate
            break
    before = facts.files.get(path)
    after = network.new_link(name, macs) if before is None else network.add_link_macs(before, macs)
    if after != before:
        yield EditFile(path, before, after, _WHY)


def _find_name(facts: GuestFacts, options: Options, interface: Interface) -> Optional[str]:
    """Return the name that the operator gave, or the guest's files, or the only one there is."""
    if interface.name:
        return interface.name
    for mac, name in network.rule_names(facts.files.get(RULES_FILE, "")):
        if mac in interface.macs:
            return name
    for _path, text in _links(facts):
        if set(network.link_macs(text)) & set(interface.macs):
            return network.link_name(text)
    configured = network.configured_names(facts.files)
    return configured[0] if len(configured) == len(options.interfaces) == 1 else None


def _links(facts: GuestFacts) -> Iterator[Tuple[str, str]]:
    return (
        (path, text)
        for path, text in facts.files.items()
        if path.startswith(LINK_FOLDER) and path.endswith(".link")
    )


def _bound_elsewhere(facts: GuestFacts, interface: Interface) -> Iterator[Finding]:
    for path, text in facts.files.items():
        if not path.startswith(_OTHER_KINDS) or path.endswith(".link"):
            continue
        if re.search(re.escape(interface.macs[0]), text, re.IGNORECASE):
            yield Finding(
                f"{path} binds an interface to the MAC {interface.macs[0]}, which is not handled"
                " yet: let it name the interface instead, on the source, and sync again."
            )
