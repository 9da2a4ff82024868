# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab's network: one namespace with three bridges, joined to the host by one veth pair.

        host                    namespace ferry-<lab>
    ferry-<index> .1 ─────── .2 uplink      the appliance's API listens here
                                │ routes
                   .1 production ┴ .1 migration       isolated (no address: no way out)
                      │ taps          │ taps             │ taps
                      source servers  workers            clones under test

Linux makes most of this disappear with the namespace; `take_down` removes the rest. Everything here
looks first and may be called again. It is the only file of the lab that makes interfaces.
"""

from __future__ import annotations

import json

from .command import run
from .errors import LabError
from .settings import ISOLATED, MIGRATION, NETWORKS, PRODUCTION, LabSettings

UPLINK = "uplink"


def bring_up(lab: LabSettings) -> None:
    """The namespace, its bridges, the link to the host and the routes between them exist.

    Raises LabError when `ip` refuses (not root, an address in use elsewhere).
    """
    if lab.namespace not in namespaces():
        run("ip", "netns", "add", lab.namespace)
    _add_bridges(lab)
    _add_link(lab)
    _give_addresses(lab)
    run("ip", "route", "replace", str(lab.whole_range), "via", str(lab.appliance_address))
    run(*inside(lab.namespace), "tee", "/proc/sys/net/ipv4/ip_forward", given="1")


def take_down(lab: LabSettings) -> None:
    """Nothing of the lab's network is left: interfaces, addresses, routes, namespace.

    Processes in the namespace keep it alive, unnamed, until they end: end them first.
    """
    if lab.host_link in links():
        run("ip", "link", "delete", lab.host_link)
    if lab.namespace in namespaces():
        run("ip", "netns", "delete", lab.namespace)


def inside(namespace: str) -> list[str]:
    """The words before a command that make it run in the namespace; none for the host's own network."""
    return ["ip", "netns", "exec", namespace] if namespace else []


def plug(namespace: str, tap: str, network: str) -> None:
    """A tap of this name exists and is a port of the network's bridge, wherever it was before."""
    if network not in NETWORKS:
        raise LabError(f"There is no network {network!r} in the lab", f"Use {', '.join(NETWORKS)}.")
    if tap not in links(namespace):
        run("ip", "-n", namespace, "tuntap", "add", tap, "mode", "tap")
    run("ip", "-n", namespace, "link", "set", tap, "master", network, "up")


def unplug(namespace: str, tap: str) -> None:
    """No tap of this name exists."""
    if tap in links(namespace):
        run("ip", "-n", namespace, "link", "delete", tap)


def namespaces() -> set[str]:
    """The names of the host's network namespaces."""
    # `ip -json netns` prints nothing at all, not even a list, where no namespace was ever made.
    return {entry["name"] for entry in json.loads(run("ip", "-json", "netns", "list") or "[]")}


def links(namespace: str = "") -> set[str]:
    """The names of the interfaces in the namespace, or of the host's."""
    where = ["-n", namespace] if namespace else []
    return {entry["ifname"] for entry in json.loads(run("ip", *where, "-json", "link", "show"))}


def _add_bridges(lab: LabSettings) -> None:
    there = links(lab.namespace)
    for name in NETWORKS:
        if name not in there:
            # No forward delay: a machine asks for its address in the first second of its life.
            bridge = [name, "type", "bridge", "forward_delay", "0", "stp_state", "0"]
            run("ip", "-n", lab.namespace, "link", "add", *bridge)
    # Not even a link-local IPv6 address: the namespace must not be reachable from there.
    run("ip", "-n", lab.namespace, "link", "set", ISOLATED, "addrgenmode", "none")
    for name in ("lo", *NETWORKS):
        run("ip", "-n", lab.namespace, "link", "set", name, "up")


def _add_link(lab: LabSettings) -> None:
    if lab.host_link not in links():
        peer = ["peer", "name", UPLINK, "netns", lab.namespace]
        run("ip", "link", "add", lab.host_link, "type", "veth", *peer)
    run("ip", "link", "set", lab.host_link, "up")
    run("ip", "-n", lab.namespace, "link", "set", UPLINK, "up")


def _give_addresses(lab: LabSettings) -> None:
    run("ip", "address", "replace", f"{lab.host_address}/30", "dev", lab.host_link)
    for name, address in (
        (UPLINK, f"{lab.appliance_address}/30"),
        (PRODUCTION, f"{lab.production[1]}/24"),
        (MIGRATION, f"{lab.migration[1]}/24"),
    ):
        run("ip", "-n", lab.namespace, "address", "replace", address, "dev", name)
