# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab is called, where it keeps its things, and which addresses it uses.

Several labs live side by side on one machine: each has an index n, a network namespace and a sixteenth
of the first half of 198.18.0.0/15, the range that RFC 2544 sets aside for tests:

    198.18.(16n + 0).0/30   link         the host is .1, the namespace .2 (and the appliance's address)
    198.18.(16n + 1).0/24   production   the source servers; the namespace routes as .1
    198.18.(16n + 2).0/24   migration    the workers, by DHCP .100 to .199; the namespace routes as .1
    isolated                             no address, no way out
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from .errors import LabError

# Labs that have an index of their own; any other name brings one of 2 to 15 (`--index`).
KNOWN_LABS = {"demo": 0, "test": 1}
LAST_INDEX = 15
# Linux cuts interface names at 15 characters, and the lab's name is part of none of them; but its
# directory holds Unix sockets, whose whole path must stay under 108.
NAME_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,19}")

APPLIANCE_PORT = 8443
USERNAME = "operator"

PRODUCTION = "production"
MIGRATION = "migration"
ISOLATED = "isolated"
NETWORKS = (PRODUCTION, MIGRATION, ISOLATED)

# The last byte of each source server's address on the production network.
SOURCES = {"web01": 11, "db01": 12}


@dataclass(frozen=True)
class LabSettings:
    """One lab, as data; nothing here looks at the machine."""

    name: str
    index: int
    directory: Path

    @property
    def namespace(self) -> str:
        return f"ferry-{self.name}"

    @property
    def host_link(self) -> str:
        """The host's end of the veth pair; the other end is called `uplink`, in the namespace."""
        return f"ferry-{self.index}"

    @property
    def whole_range(self) -> IPv4Network:
        return IPv4Network((f"198.18.{16 * self.index}.0", 20))

    @property
    def link(self) -> IPv4Network:
        return self._part(0, 30)

    @property
    def production(self) -> IPv4Network:
        return self._part(1, 24)

    @property
    def migration(self) -> IPv4Network:
        return self._part(2, 24)

    @property
    def host_address(self) -> IPv4Address:
        return self.link[1]

    @property
    def appliance_address(self) -> IPv4Address:
        return self.link[2]

    @property
    def appliance_url(self) -> str:
        return f"https://{self.appliance_address}:{APPLIANCE_PORT}"

    @property
    def appliance_directory(self) -> Path:
        return self.directory / "appliance"

    @property
    def appliance_pid_file(self) -> Path:
        return self.directory / "appliance.pid"

    @property
    def dhcp_pid_file(self) -> Path:
        return self.directory / "dnsmasq.pid"

    @property
    def certificate(self) -> Path:
        return self.directory / "appliance.crt"

    @property
    def password_file(self) -> Path:
        return self.directory / "appliance.password"

    @property
    def operator_key(self) -> Path:
        return self.directory / "operator_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    @property
    def inventory(self) -> Path:
        return self.directory / "inventory.yml"

    @property
    def vm_inventory(self) -> Path:
        return self.directory / "inventory-vm.yml"

    @property
    def vcenter_directory(self) -> Path:
        return self.directory / "vcenter"

    @property
    def source_worker_python(self) -> Path:
        """The interpreter of the lab's source worker, which is a network namespace."""
        return self.directory / "source-worker-python"

    @property
    def record(self) -> Path:
        """What the lab tells other programs about itself, as JSON."""
        return self.directory / "lab.json"

    def source_directory(self, source: str) -> Path:
        return self.directory / f"source-{source}"

    def source_address(self, source: str) -> IPv4Address:
        """The production address of a source server. Raises LabError for one that the lab has not."""
        if source not in SOURCES:
            raise LabError(
                f"The lab has no source server {source!r}", f"It has: {', '.join(SOURCES)}."
            )
        return self.production[SOURCES[source]]

    def _part(self, number: int, prefix: int) -> IPv4Network:
        return IPv4Network((f"198.18.{16 * self.index + number}.0", prefix))


def cache_directory() -> Path:
    """Where Ferry keeps what is worth keeping between runs: `$FERRY_CACHE`, else ~/.cache/ferry."""
    return Path(os.environ.get("FERRY_CACHE") or Path.home() / ".cache" / "ferry")


def lab_settings(name: str, index: int | None = None) -> LabSettings:
    """Return the lab of this name; its index is the one given, known, or of its last start.

    Raises LabError for a name or an index that cannot be used.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise LabError(
            f"{name!r} is no name for a lab",
            "Use at most 20 lower case letters, digits and hyphens, a letter first.",
        )
    directory = cache_directory() / "labs" / name
    chosen = _chosen_index(name, index, directory)
    return LabSettings(name, chosen, directory)


def _chosen_index(name: str, given: int | None, directory: Path) -> int:
    if name in KNOWN_LABS:
        return KNOWN_LABS[name]
    chosen = given if given is not None else _recorded_index(directory)
    if chosen is None or not len(KNOWN_LABS) <= chosen <= LAST_INDEX:
        raise LabError(
            f"The lab {name} has no index of its own (given: {chosen})",
            f"Give --index {len(KNOWN_LABS)} to {LAST_INDEX}: it chooses the lab's addresses.",
        )
    return chosen


def _recorded_index(directory: Path) -> int | None:
    record = directory / "lab.json"
    if not record.exists():
        return None
    index = json.loads(record.read_text()).get("index")
    return index if isinstance(index, int) else None
