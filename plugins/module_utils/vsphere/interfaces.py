# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The network interfaces of a VM as values. PRIVATE to the collection. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Mapping, Sequence, Tuple

from .disks import kind_of
from .sdk import vim


@dataclass(frozen=True)
class Interface:
    """One card. `mac` is in lower case; `network` is the name of its network or port group.

    `addresses` are those that VMware Tools told, so there are none without them.
    """

    key: int
    label: str
    kind: str
    mac: str
    network: str
    is_connected: bool
    starts_connected: bool
    addresses: Tuple[str, ...] = ()

    def as_result(self) -> Dict[str, Any]:
        """Return what modules show of an interface."""
        return {
            "key": self.key,
            "label": self.label,
            "type": self.kind,
            "mac": self.mac,
            "network": self.network,
            "connected": self.is_connected,
            "starts_connected": self.starts_connected,
            "addresses": list(self.addresses),
        }


def parse_interfaces(
    devices: Sequence[Any], guest_nics: Sequence[Any], port_groups: Mapping[str, str]
) -> Tuple[Interface, ...]:
    """Return the cards among a VM's devices, by key.

    `guest_nics` is what Tools told of them; `port_groups` are the names of distributed port groups.
    """
    addresses = {each.deviceConfigId: tuple(each.ipAddress) for each in guest_nics}
    parsed = (
        _parse_interface(each, addresses.get(each.key, ()), port_groups) for each in _cards(devices)
    )
    return tuple(sorted(parsed, key=lambda card: card.key))


def port_group_keys(devices: Sequence[Any]) -> Tuple[str, ...]:
    """Return the keys of the distributed port groups that the cards are in, each once."""
    keys = (_port_group_key(each.backing) for each in _cards(devices))
    return tuple(dict.fromkeys(filter(None, keys)))


def _cards(devices: Sequence[Any]) -> Sequence[Any]:
    return [each for each in devices if isinstance(each, vim.vm.device.VirtualEthernetCard)]


def _parse_interface(
    card: Any, addresses: Tuple[str, ...], port_groups: Mapping[str, str]
) -> Interface:
    key = _port_group_key(card.backing)
    info, link = card.deviceInfo, card.connectable
    return Interface(
        key=card.key,
        label=(info.label if info else "") or "",
        kind=kind_of(card),
        mac=(card.macAddress or "").lower(),
        network=port_groups.get(key, key) or getattr(card.backing, "deviceName", None) or "",
        is_connected=bool(link and link.connected),
        starts_connected=bool(link and link.startConnected),
        addresses=addresses,
    )


def _port_group_key(backing: Any) -> str:
    port = getattr(backing, "port", None)
    return (port.portgroupKey or "") if port is not None else ""
