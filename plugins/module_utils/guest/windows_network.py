# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A Windows guest's static addresses: which connection gets which MACs on the target.

Windows keeps addresses by adapter, and a virtio adapter is another one, without addresses. Offline the
new adapter is not there yet; so its addresses are set at the first boot, found by MAC.
"""

from __future__ import annotations

import ipaddress
from typing import Iterator, List, NamedTuple, Optional, Tuple

from .network import Interface
from .rules import Note, Options
from .windows_facts import WindowsFacts, WindowsInterface


class Assignment(NamedTuple):
    """IPv4 settings for the adapter that has one of these MACs (`00-50-56-AA-BB-01`).

    `addresses` are `192.0.2.10/24`; gateways and name servers are addresses.
    """

    macs: Tuple[str, ...]
    addresses: Tuple[str, ...]
    gateways: Tuple[str, ...]
    name_servers: Tuple[str, ...]


def assignments(facts: WindowsFacts, options: Options) -> Tuple[Assignment, ...]:
    """Return what the first boot sets, in the order of the connections."""
    pairs = ((_find(each, facts, options), each) for each in _static(facts))
    return tuple(_assignment(given, found) for given, found in pairs if given is not None)


def notes(facts: WindowsFacts, options: Options) -> Iterator[Note]:
    """Yield a note for each static connection whose MAC is not known."""
    for connection in _static(facts):
        if _find(connection, facts, options) is None:
            yield Note(
                f"Which MAC the connection {connection.name!r} had is not known, so its addresses are not"
                f" carried over: {', '.join(_addresses(connection))}, gateway"
                f" {', '.join(connection.gateways) or 'none'}, name servers"
                f" {', '.join(connection.name_servers) or 'none'}. Name its MAC in ferry_interface_names, or set"
                " them after the first boot."
            )


def _static(facts: WindowsFacts) -> List[WindowsInterface]:
    return [each for each in facts.interfaces if each.addresses]


def _find(
    connection: WindowsInterface, facts: WindowsFacts, options: Options
) -> Optional[Interface]:
    """Return the given interface of a connection: by the name Windows has for it, or the only one."""
    for given in options.interfaces:
        if given.name and given.name.lower() == connection.name.lower():
            return given
    is_only = len(options.interfaces) == len(facts.interfaces) == 1
    return options.interfaces[0] if is_only else None


def _assignment(given: Interface, connection: WindowsInterface) -> Assignment:
    return Assignment(
        macs=tuple(mac.upper().replace(":", "-") for mac in given.macs),
        addresses=_addresses(connection),
        gateways=tuple(each for each in connection.gateways if _is_address(each)),
        name_servers=tuple(each for each in connection.name_servers if _is_address(each)),
    )


def _addresses(connection: WindowsInterface) -> Tuple[str, ...]:
    """Return the addresses with their prefixes, without what is no address (it goes into a script)."""
    found = []
    for address, mask in connection.addresses:
        try:
            found.append(ipaddress.IPv4Interface(f"{address}/{mask}").with_prefixlen)
        except ValueError:
            continue
    return tuple(found)


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
