# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What is known about a Windows guest, as data. The plan is made from this alone.

Paths are below the guest's volume, with backslashes; the case of keys, names and paths does not
matter to Windows, so mappings have them in lower case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Optional, Tuple

from .facts import Disk, FileSystem
from .registry import Value, ValueName

# Where everything of ours lies in the guest.
FOLDER = r"Windows\Ferry"
STORE = r"Windows\System32\DriverStore\FileRepository"
DRIVERS = r"Windows\System32\drivers"


@dataclass(frozen=True)
class Release:
    """A release of Windows, from the SOFTWARE hive.

    `product` is ProductName, `edition` EditionID (`ServerStandard`), `installation` InstallationType
    (`Server`, `Server Core`, `Client`), `build` CurrentBuildNumber, 0 if there is none.
    """

    product: str
    edition: str
    installation: str
    build: int


@dataclass(frozen=True)
class Controller:
    """A PCI device that a driver of storage or network was bound to (Enum\\PCI)."""

    device: str
    service: str


@dataclass(frozen=True)
class Service:
    """A service or driver: `start` is 0 boot, 1 system, 2 automatic, 3 on demand, 4 disabled."""

    name: str
    start: int
    image: str


@dataclass(frozen=True)
class Uninstaller:
    """A program that Windows can uninstall by its MSI product code, such as `{1234-...}`."""

    name: str
    product_code: str


@dataclass(frozen=True)
class WindowsInterface:
    """A network connection's IPv4 settings. `addresses` are (address, mask); empty under DHCP."""

    guid: str
    name: str
    addresses: Tuple[Tuple[str, str], ...]
    gateways: Tuple[str, ...]
    name_servers: Tuple[str, ...]


@dataclass(frozen=True)
class Obstacles:
    """What keeps a Windows guest from being changed offline. Names are those of disks or files.

    `hibernated`: hiberfil.sys holds a session, of hibernation or of Fast Startup. `unclean`: NTFS' log
    holds what is not in the system volume yet. `dirty`: hives whose log Windows has yet to bring in.
    """

    dynamic_disks: Tuple[str, ...] = ()
    encrypted: Tuple[str, ...] = ()
    hibernated: bool = False
    unclean: bool = False
    dirty: Tuple[str, ...] = ()


@dataclass(frozen=True)
class WindowsFacts:
    """A Windows guest as found. `control_set` is the current one (`ControlSet001`).

    `registry` holds the values that a rule looks at, `digests` the SHA-256 of each file in the
    folders where drivers and scripts go, `files` the text of our own scripts.
    """

    disks: Tuple[Disk, ...]
    file_systems: Tuple[FileSystem, ...]
    root: FileSystem
    release: Release
    architecture: str
    control_set: str
    fast_startup: bool
    obstacles: Obstacles
    controllers: Tuple[Controller, ...]
    services: Mapping[str, Service]
    uninstallers: Tuple[Uninstaller, ...]
    interfaces: Tuple[WindowsInterface, ...]
    has_driver_database: bool
    registry: Mapping[ValueName, Value]
    digests: Mapping[str, str]
    files: Mapping[str, str]

    def value(self, name: ValueName) -> Optional[Value]:
        """Return a value of the registry, None if it is not there or no rule looks at it."""
        return self.registry.get(name.folded())
