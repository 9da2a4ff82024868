# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The kinds of configuration that name interfaces or bind them to a MAC, in one table."""

from __future__ import annotations

import re
from typing import Callable, List, NamedTuple, Optional, Pattern, Sequence

from . import nic_ifcfg, nic_keyfile, nic_netplan, nic_networkd

NETPLAN_FOLDER = "/etc/netplan/"


class Kind(NamedTuple):
    """One kind. `names` and `name_by_mac` read (path, text); `rebind` edits (text, name, MACs).

    After `rebind`, what was bound to one of the MACs applies to the interface with each of them, given
    that it has its name with each.
    """

    paths: Pattern[str]
    names: Callable[[str, str], List[str]]
    name_by_mac: Callable[[str, str, Sequence[str]], Optional[str]]
    rebind: Callable[[str, str, Sequence[str]], str]


KINDS = tuple(
    Kind(re.compile(paths), module.names, module.name_by_mac, module.rebind)
    for paths, module in (
        (r"/etc/netplan/.+\.yaml", nic_netplan),
        (r"/etc/NetworkManager/system-connections/.+", nic_keyfile),
        (r"/etc/systemd/network/.+\.network", nic_networkd),
        (r"/etc/sysconfig/network(?:-scripts)?/ifcfg-.+", nic_ifcfg),
    )
)


def kind_of(path: str) -> Optional[Kind]:
    """Return the kind of the file at `path`, None if it is no interface's configuration."""
    return next((kind for kind in KINDS if kind.paths.fullmatch(path)), None)
