# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Rules for network interfaces: a name keeps its address, so each interface keeps its name."""

from __future__ import annotations

from typing import Iterator, List, Optional, Tuple

from . import network, nic_netplan
from .changes import EditFile
from .facts import GuestFacts
from .families import RPM, family_of
from .network import LINK_FOLDER, RULES_FILE, Interface
from .nic_kinds import NETPLAN_FOLDER, kind_of
from .rules import Finding, Options, Results

_UBUNTU = "ubuntu"
_WHY = "the interface keeps its name, and so its addresses, with the old and the new MAC"
_WHY_BOUND = "the configuration applies with the old and the new MAC"


def interface_names(facts: GuestFacts, options: Options) -> Results:
    """Each given interface has its old name with each of its MACs."""
    rules = facts.files.get(RULES_FILE)
    for interface in options.interfaces:
        name = _find_name(facts, options, interface)
        if name is None:
            yield Finding(
                f"Which interface had the MAC {interface.macs[0]} is written nowhere in the guest:"
                " give its name in ferry_interface_names."
            )
        elif _is_by_rules(facts, rules or "", name):
            after = network.add_rules(rules or "", name, interface.macs)
            if after != rules:
                yield EditFile(RULES_FILE, rules, after, _WHY)
            rules = after
        else:
            yield from _link_file(facts, name, interface.macs)


def _is_by_rules(facts: GuestFacts, rules: str, name: str) -> bool:
    """Return whether the guest names by udev rules, or had better.

    A .link file takes one MAC only in the systemd of RHEL 7 and SLES 12, and all interfaces if it cannot
    be read; rules are the way that Red Hat and SUSE document for all their releases. On Ubuntu the initramfs,
    which is left, names the interface first; then systemd 237 (18.04) heeds rules only (systemd issue 9006,
    for which netplan writes rules too).
    """
    linked = any(_names_by_macs(text, name) for _path, text in _links(facts))
    had_better = family_of(facts.distribution) is RPM or facts.distribution.identity == _UBUNTU
    return (
        bool(network.rule_names(rules))
        or (had_better and not linked)
        or (facts.distribution.identity, facts.distribution.version) == (_UBUNTU, "18.04")
    )


def _link_file(facts: GuestFacts, name: str, macs: Tuple[str, ...]) -> Iterator[EditFile]:
    own = (path for path, text in _links(facts) if _names_by_macs(text, name))
    path = next(own, _free_place(facts, name))
    before = facts.files.get(path)
    after = network.new_link(name, macs) if before is None else network.add_link_macs(before, macs)
    if after != before:
        yield EditFile(path, before, after, _WHY)


def _names_by_macs(text: str, name: str) -> bool:
    """Return whether a .link file gives the name, and asks for MACs alone: others can be added."""
    return network.link_name(text) == name and bool(network.link_macs(text))


def _free_place(facts: GuestFacts, name: str) -> str:
    """Return the path of a new .link file; the first one that matches counts, by their names' order.

    The administrator's own file may be called alike and match by a slot, which the new hardware lacks.
    """
    file = f"10-{name}.link"
    while f"{LINK_FOLDER}/{file}" in facts.files:
        file = f"0{file}"
    return f"{LINK_FOLDER}/{file}"


def _find_name(facts: GuestFacts, options: Options, interface: Interface) -> Optional[str]:
    """Return the name that the operator gave, or the guest's files, or the only one of the only card."""
    if interface.name:
        return interface.name
    for mac, name in network.rule_names(facts.files.get(RULES_FILE, "")):
        if mac in interface.macs:
            return name
    for _path, text in _links(facts):
        if set(network.link_macs(text)) & set(interface.macs):
            return network.link_name(text)
    told = _name_in_configuration(facts, interface)
    if told:
        return told
    configured = _configured_names(facts)
    return configured[0] if len(configured) == len(options.interfaces) == 1 else None


def _links(facts: GuestFacts) -> Iterator[Tuple[str, str]]:
    return (
        (path, text)
        for path, text in facts.files.items()
        if path.startswith(LINK_FOLDER) and path.endswith(".link")
    )


def bindings(facts: GuestFacts, options: Options) -> Results:
    """What was bound to an interface's old MAC applies to the interface with each of its MACs."""
    named = [(_find_name(facts, options, each), each.macs) for each in options.interfaces]
    for path, text in facts.files.items():
        kind = kind_of(path)
        if kind is None:
            continue
        after = text
        for name, macs in named:
            if name and len(macs) > 1:
                after = kind.rebind(after, name, macs)
        if after != text:
            yield EditFile(path, text, after, _WHY_BOUND)
        yield from _unclear(path, after, options)


def _unclear(path: str, text: str, options: Options) -> Iterator[Finding]:
    """Only netplan's YAML can bind in ways that are not read; the other kinds are read whole."""
    for interface in options.interfaces:
        unclear = len(interface.macs) > 1 and nic_netplan.is_unclear(text, interface.macs)
        if path.startswith(NETPLAN_FOLDER) and unclear:
            yield Finding(
                f"{path} has the MAC {interface.macs[0]} in a place that is not understood: write it"
                " as `match:` with `macaddress:` on a line of its own, on the source, and sync again."
            )


def _name_in_configuration(facts: GuestFacts, interface: Interface) -> Optional[str]:
    for path, text in facts.files.items():
        kind = kind_of(path)
        name = kind.name_by_mac(path, text, interface.macs) if kind else None
        if name:
            return name
    return None


def _configured_names(facts: GuestFacts) -> List[str]:
    """Return the name of every card that the guest's configuration tells, each once."""
    names = network.configured_names(facts.files)
    for path, text in facts.files.items():
        kind = kind_of(path)
        names += kind.names(path, text) if kind else []
    made = {network.link_name(t) for p, t in facts.files.items() if p.endswith(".netdev")}
    # By its dot a VLAN is told in every kind.
    return [name for name in dict.fromkeys(names) if name not in made and "." not in name]
