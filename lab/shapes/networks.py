# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a server of the table configures its network: one static address, bound to the MAC that it has.

ifupdown's own files are those of the lab's other servers, and a udev rule gives the interface its name. The
others have no such rule: what binds the address to the old MAC also gives the name, or tells it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ..guests.source import NIC_NAME

# The report waits for the address, which these set aside from the boot.
_WAIT = {
    "/etc/systemd/system/ferry-marker.service.d/online.conf": (
        "[Unit]\nWants=network-online.target\nAfter=network-online.target\n"
    )
}
_NETPLAN = """\
# Written by the installer.
network:
  version: 2
  renderer: networkd
  ethernets:
    lan:
      match:
        macaddress: {mac}   # the first adapter
      set-name: {nic}
      addresses:
        - {address}/24
      routes:
        - to: default
          via: {gateway}
"""
_LINK = "[Match]\nMACAddress={mac}\n\n[Link]\nName={nic}\n"
_NETWORK = """\
# Bound to the adapter, whatever it is called.
[Match]
MACAddress={mac}

[Network]
Address={address}/24
Gateway={gateway}
"""
_KEYFILE = """\
[connection]
id=lan
uuid=0b1f2f0e-6d0c-4d0e-9f5b-3c1a55d6a7e1
type=ethernet
interface-name={nic}

[ethernet]
mac-address={mac}

[ipv4]
method=manual
address1={address}/24,{gateway}

[ipv6]
method=disabled
"""
# NetworkManager refuses a profile that others can read.
SECRET = 0o600


@dataclass(frozen=True)
class Network:
    """One kind. `files` are templates by path; `services` are enabled."""

    packages: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    services: tuple[str, ...] = ()

    def configuration(self, mac: str, address: str, gateway: str) -> dict[str, str]:
        """Return the kind's files for an interface with this MAC and address."""
        words = {"mac": mac, "address": address, "gateway": gateway, "nic": NIC_NAME}
        return {path: text.format(**words) for path, text in self.files.items()}


NETWORKS: Mapping[str, Network] = MappingProxyType(
    {
        "ifupdown": Network(packages=("ifupdown",)),
        "netplan": Network(
            packages=("netplan.io",),
            files={"/etc/netplan/50-lan.yaml": _NETPLAN, **_WAIT},
            services=("systemd-networkd.service",),
        ),
        "networkd": Network(
            packages=(),
            files={
                "/etc/systemd/network/10-lan.link": _LINK,
                "/etc/systemd/network/20-lan.network": _NETWORK,
                **_WAIT,
            },
            services=("systemd-networkd.service",),
        ),
        "networkmanager": Network(
            packages=("network-manager",),
            files={
                "/etc/NetworkManager/system-connections/lan.nmconnection": _KEYFILE,
                **_WAIT,
            },
            services=("NetworkManager.service", "NetworkManager-wait-online.service"),
        ),
    }
)
