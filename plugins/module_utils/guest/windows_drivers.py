# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Find the drivers for one release of Windows in a virtio-win tree, as its ISO or its package has it.

    viostor/2k22/amd64/viostor.inf                         the ISO, by driver
    amd64/2k22/viostor.inf                                 the ISO, by release
    drivers/by-driver/viostor/2k22/amd64/viostor.inf       the package for Linux
    drivers/by-os/amd64/2k22/viostor.inf

So a folder counts whose last two names are release and architecture in either order. Where both
kinds are there, the one by driver is taken: it holds one driver's files only, and all of them.
"""

from __future__ import annotations

import os
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from .errors import PreparationError
from .windows_inf import DriverInf, read_inf
from .windows_names import BOOT_DRIVERS, INF_FOLDERS, VIRTIO_DRIVERS
from .windows_tree import file_digest

# Debugging symbols are no part of a signed package (its .cat lists the others).
_LEFT_OUT = (".pdb",)
_AGENTS: Mapping[str, str] = {"amd64": "qemu-ga-x86_64.msi", "x86": "qemu-ga-i386.msi"}


class DriverFile(NamedTuple):
    """A file of the worker, and its SHA-256 in hex."""

    path: str
    digest: str


class DriverPackage(NamedTuple):
    """A driver: its .inf's name without ending, all its files by name, and what the .inf says."""

    name: str
    files: Mapping[str, DriverFile]
    inf: DriverInf


class VirtioWin(NamedTuple):
    """What virtio-win has for one guest. `agent` is the guest agent's MSI, None if there is none."""

    drivers: Tuple[DriverPackage, ...]
    agent: Optional[DriverFile]


def find_virtio_win(tree: str, *, release: str, architecture: str) -> VirtioWin:
    """Return the drivers in the folder `tree` for a release (`2k22`) and architecture (`amd64`).

    Drivers that are not there are left out. Raises PreparationError for one that cannot be read.
    """
    places = _places(tree, {release.lower(), architecture.lower()})
    found = [
        _read_package(name, places[name], architecture) for name in VIRTIO_DRIVERS if name in places
    ]
    return VirtioWin(tuple(found), _find_agent(tree, architecture))


def is_boot_driver(package: DriverPackage) -> bool:
    """Return whether Windows finds its boot disk by this driver."""
    return package.name in BOOT_DRIVERS


def _places(tree: str, wanted: "set[str]") -> Dict[str, str]:
    """Return the folder of each driver, by driver's name; one named after the driver comes first."""
    found: Dict[str, str] = {}
    for folder, names in _folders(tree):
        parts = os.path.relpath(folder, tree).lower().split(os.sep)
        if set(parts[-2:]) != wanted:
            continue
        for driver in VIRTIO_DRIVERS:
            if f"{driver}.inf" not in names:
                continue
            if driver not in found or INF_FOLDERS.get(driver, driver) in parts:
                found[driver] = folder
    return found


def _folders(tree: str) -> Iterator[Tuple[str, List[str]]]:
    for folder, subfolders, files in os.walk(tree):
        subfolders.sort()
        yield folder, [name.lower() for name in files]


def _read_package(name: str, folder: str, architecture: str) -> DriverPackage:
    kept = [each for each in sorted(os.listdir(folder)) if not each.lower().endswith(_LEFT_OUT)]
    paths = {each.lower(): os.path.join(folder, each) for each in kept}
    chosen = [each for each in paths if os.path.isfile(paths[each])]
    if f"{name}.sys" not in chosen or f"{name}.cat" not in chosen:
        raise PreparationError(
            f"{folder} holds {name}.inf without its {name}.sys or {name}.cat.",
            hint="Give virtio-win as its publisher packs it.",
        )
    with open(paths[f"{name}.inf"], "rb") as file:
        inf = read_inf(file.read(), name=paths[f"{name}.inf"], architecture=architecture)
    files = {each: DriverFile(paths[each], file_digest(paths[each])) for each in chosen}
    return DriverPackage(name, files, inf)


def _find_agent(tree: str, architecture: str) -> Optional[DriverFile]:
    wanted = _AGENTS.get(architecture)
    for folder, _subfolders, files in os.walk(tree):
        for name in files:
            if name.lower() == wanted:
                path = os.path.join(folder, name)
                return DriverFile(path, file_digest(path))
    return None
