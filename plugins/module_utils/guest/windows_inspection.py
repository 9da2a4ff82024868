# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Gather the facts of a Windows guest from its mounted volume. Reads only; no rule, no judgement."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from . import hives
from .facts import Disk, FileSystem
from .hives import Hive
from .registry import Value, as_number, as_text, as_texts
from .windows_disks import is_bitlocker, is_dynamic
from .windows_facts import (
    DRIVERS,
    FOLDER,
    STORE,
    Controller,
    Obstacles,
    Release,
    Service,
    Uninstaller,
    WindowsFacts,
    WindowsInterface,
)
from .windows_names import DATABASE, FIRST_BOOT, OUR_PREFIX, VIRTIO_DRIVERS, VIRTIO_VENDOR
from .windows_tree import WindowsTree

CONFIG = r"Windows\System32\config"
_HIVES = ("SYSTEM", "SOFTWARE")
# Hibernation writes one of these at the file's start and wipes it on resume (libhibr's documentation).
_SESSIONS = (b"hibr", b"wake", b"rstr")
_CURRENT_VERSION = r"Microsoft\Windows NT\CurrentVersion"
_UNINSTALL = (
    r"Microsoft\Windows\CurrentVersion\Uninstall",
    r"WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall",
)
# Classes of storage controllers and network adapters, as Microsoft's list of setup classes has them.
_CLASSES = (
    "{4d36e96a-e325-11ce-bfc1-08002be10318}",
    "{4d36e972-e325-11ce-bfc1-08002be10318}",
    "{4d36e97b-e325-11ce-bfc1-08002be10318}",
)
# What Windows writes where DHCP was on and an address is not set.
_UNSET = "0.0.0.0"  # noqa: S104 - nothing listens here
_CONNECTIONS = r"Control\Network\{4D36E972-E325-11CE-BFC1-08002BE10318}"


def inspect_windows(
    tree: WindowsTree,
    *,
    disks: Sequence[Disk],
    file_systems: Sequence[FileSystem],
    root: FileSystem,
    is_clean: bool,
) -> WindowsFacts:
    """Return all facts of the Windows that is mounted at `tree`.

    `is_clean` tells whether its volume's log is empty (`windows_mounted.is_clean`).

    Raises PreparationError if a hive cannot be read.
    """
    system, software = (hives.open_hive(hive_path(tree, name), name) for name in _HIVES)
    control = current_control_set(system)
    return WindowsFacts(
        disks=tuple(disks),
        file_systems=tuple(file_systems),
        root=root,
        release=read_release(software),
        architecture=_text(
            system, rf"{control}\Control\Session Manager\Environment", "PROCESSOR_ARCHITECTURE"
        ).lower(),
        control_set=control,
        fast_startup=_number(
            system, rf"{control}\Control\Session Manager\Power", "HiberbootEnabled"
        )
        == 1,
        obstacles=_state(tree, find_disk_obstacles(disks, file_systems), is_clean=is_clean),
        controllers=tuple(_controllers(system, control)),
        services=dict(_services(system, control)),
        uninstallers=tuple(_uninstallers(software)),
        interfaces=tuple(_interfaces(system, control)),
        has_driver_database=DATABASE in system.children(""),
        registry=hives.snapshot(system, _watched(system, control)),
        digests=_digests(tree),
        files=_own_files(tree),
    )


def hive_path(tree: WindowsTree, name: str) -> str:
    """Return where a hive lies on the worker."""
    return tree.host_path(rf"{CONFIG}\{name}")


def current_control_set(system: Hive) -> str:
    """Return the control set that the next boot uses, `ControlSet001` as a rule."""
    chosen = _number(system, "Select", "Default") or _number(system, "Select", "Current") or 1
    return f"ControlSet{chosen:03}"


def read_release(software: Hive) -> Release:
    """Return the release that the SOFTWARE hive names."""
    build = _text(software, _CURRENT_VERSION, "CurrentBuildNumber")
    return Release(
        product=_text(software, _CURRENT_VERSION, "ProductName"),
        edition=_text(software, _CURRENT_VERSION, "EditionID"),
        installation=_text(software, _CURRENT_VERSION, "InstallationType"),
        build=int(build) if build.isdigit() else 0,
    )


def find_disk_obstacles(disks: Sequence[Disk], file_systems: Sequence[FileSystem]) -> Obstacles:
    """Return which disks are dynamic, and which volumes BitLocker encrypted. Reads their heads only."""
    return Obstacles(
        dynamic_disks=tuple(disk.name for disk in disks if is_dynamic(disk.device)),
        encrypted=tuple(
            f"{each.disk} partition {each.partition}"
            for each in file_systems
            if is_bitlocker(each.device)
        ),
    )


def _state(tree: WindowsTree, disks: Obstacles, *, is_clean: bool) -> Obstacles:
    return replace(
        disks,
        hibernated=tree.head("hiberfil.sys", 4).lower() in _SESSIONS,
        unclean=not is_clean,
        dirty=tuple(name for name in _HIVES if hives.is_dirty(hive_path(tree, name))),
    )


def _controllers(system: Hive, control: str) -> Iterator[Controller]:
    bus = rf"{control}\Enum\PCI"
    for device in system.children(bus):
        for instance in system.children(rf"{bus}\{device}"):
            key = rf"{bus}\{device}\{instance}"
            if _text(system, key, "ClassGUID").lower() in _CLASSES:
                yield Controller(device, _text(system, key, "Service"))


def _services(system: Hive, control: str) -> Iterator[Tuple[str, Service]]:
    for name in system.children(rf"{control}\Services"):
        key = rf"{control}\Services\{name}"
        start = system.value(key, "Start")
        if start is not None:
            yield name.lower(), Service(name, as_number(start), _text(system, key, "ImagePath"))


def _uninstallers(software: Hive) -> Iterator[Uninstaller]:
    for folder in _UNINSTALL:
        for key in software.children(folder):
            name = _text(software, rf"{folder}\{key}", "DisplayName")
            if name and key.startswith("{") and key.endswith("}"):
                yield Uninstaller(name, key)


def _interfaces(system: Hive, control: str) -> Iterator[WindowsInterface]:
    folder = rf"{control}\Services\Tcpip\Parameters\Interfaces"
    for guid in system.children(folder):
        # What has no connection is a tunnel or the rest of an adapter that was uninstalled.
        name = _text(system, rf"{control}\{_CONNECTIONS}\{guid}\Connection", "Name")
        if name:
            values = system.values(rf"{folder}\{guid}")
            yield _interface(guid, name, values)


def _interface(guid: str, name: str, values: Mapping[str, Value]) -> WindowsInterface:
    dhcp = as_number(values["enabledhcp"]) if "enabledhcp" in values else 0
    pairs = zip(_texts(values.get("ipaddress")), _texts(values.get("subnetmask")))
    servers = as_text(values["nameserver"]) if "nameserver" in values else ""
    return WindowsInterface(
        guid=guid,
        name=name,
        addresses=() if dhcp else tuple(pair for pair in pairs if pair[0] != _UNSET),
        gateways=() if dhcp else _texts(values.get("defaultgateway")),
        name_servers=tuple(servers.replace(",", " ").split()),
    )


def _watched(system: Hive, control: str) -> List[str]:
    """Return the keys whose values the plan sets: ours, and those of the drivers it brings."""
    names = (*VIRTIO_DRIVERS.values(), FIRST_BOOT, "partmgr")
    database = rf"{DATABASE}\DeviceIds\PCI"
    return [
        *(rf"{control}\Services\{name}" for name in names),
        *_starting(system, rf"{control}\Control\CriticalDeviceDatabase", f"PCI#{VIRTIO_VENDOR}"),
        *_starting(system, database, VIRTIO_VENDOR),
        *_starting(system, rf"{DATABASE}\DriverInfFiles", OUR_PREFIX),
        *_starting(system, rf"{DATABASE}\DriverPackages", OUR_PREFIX),
    ]


def _starting(system: Hive, folder: str, start: str) -> List[str]:
    names = system.children(folder)
    return [rf"{folder}\{name}" for name in names if name.lower().startswith(start.lower())]


def _digests(tree: WindowsTree) -> Dict[str, str]:
    """Return digests of what lies where files of the plan go, without the guest's other drivers."""
    found = tree.digests(FOLDER)
    for name in tree.names(STORE):
        if name.lower().startswith(OUR_PREFIX):
            found.update(tree.digests(rf"{STORE}\{name}"))
    for service in VIRTIO_DRIVERS.values():
        path = rf"{DRIVERS}\{service}.sys"
        if tree.has(path):
            found[path.lower()] = tree.digest(path)
    return found


def _own_files(tree: WindowsTree) -> Dict[str, str]:
    folders = (FOLDER, rf"{FOLDER}\scripts")
    paths = [rf"{folder}\{name}" for folder in folders for name in tree.names(folder)]
    texts = ((path, tree.read(path)) for path in paths if path.endswith((".cmd", ".ps1")))
    return {path.lower(): text for path, text in texts if text is not None}


def _text(hive: Hive, key: str, name: str) -> str:
    value = hive.value(key, name)
    return "" if value is None else as_text(value)


def _number(hive: Hive, key: str, name: str) -> int:
    value = hive.value(key, name)
    return 0 if value is None else as_number(value)


def _texts(value: Optional[Value]) -> Tuple[str, ...]:
    return () if value is None else as_texts(value)
