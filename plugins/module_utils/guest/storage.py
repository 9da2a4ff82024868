# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What lies above the partitions of a guest: opened layer by layer, until nothing new appears.

    partitions -> mirrors, encrypted devices -> logical volumes -> encrypted ones among them -> ...

All of it stands on overlays, and `overlays.remove_overlays` removes it with them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Mapping, Sequence, Tuple

from . import arrays, encryption, logical_volumes
from .facts import FileSystem
from .file_systems import register_btrfs
from .logical_volumes import LogicalVolume, activate_volumes
from .overlays import probe


def open_storage(
    plain: Sequence[FileSystem], stage: str, keys: Mapping[str, str]
) -> List[FileSystem]:
    """Return `plain`, what partitions and disks hold, and all that could be opened above it.

    Raises PlanError for an array or volume group that is not whole.
    """
    found = list(plain)
    fresh = list(plain)
    while fresh:
        # Logical volumes last: their group may lie on what is only now being opened.
        fresh = _open_devices(fresh, keys) or _new_volumes(found, stage)
        found += fresh
    register_btrfs(found)
    return _with_groups(found, stage)


def use_own_names(crypttab: str, found: Sequence[FileSystem]) -> List[FileSystem]:
    """Return `found` where open encrypted devices have the names of the guest's crypttab."""
    names = encryption.own_names(crypttab, found)
    paths = {device: encryption.rename(device, name) for device, name in names.items()}
    return [
        replace(
            each,
            device=paths[each.device],
            names=(paths[each.device], *encryption.links(each.device, names[each.device])),
        )
        if each.device in paths
        else each
        for each in found
    ]


def _open_devices(fresh: Sequence[FileSystem], keys: Mapping[str, str]) -> List[FileSystem]:
    by_kind: Dict[str, List[FileSystem]] = {}
    for each in fresh:
        by_kind.setdefault(each.kind, []).append(each)
    opened: List[Tuple[str, Tuple[str, ...], str]] = []
    for device, names in arrays.assemble_arrays(by_kind.get(arrays.MEMBER, [])):
        opened.append((device, names, ""))
    for below, device in encryption.open_encrypted(by_kind.get(encryption.MEMBER, []), keys):
        opened.append((device, (device,), below.group))
    contents = probe([device for device, _names, _group in opened])
    return [
        _upper(device, names, contents.get(device, {}), group=group)
        for device, names, group in opened
    ]


def _new_volumes(found: Sequence[FileSystem], stage: str) -> List[FileSystem]:
    if not _has_parts(found):
        return []
    known = {each.device for each in found}
    volumes = [each for each in activate_volumes(stage) if each.device not in known]
    contents = probe([each.device for each in volumes if each.is_handled])
    return [_volume(each, contents.get(each.device, {})) for each in volumes]


def _with_groups(found: Sequence[FileSystem], stage: str) -> List[FileSystem]:
    """Return `found` where each part of a volume group has its name."""
    groups = logical_volumes.find_groups(stage) if _has_parts(found) else {}
    return [replace(each, group=groups.get(each.device, each.group)) for each in found]


def _has_parts(found: Sequence[FileSystem]) -> bool:
    return any(each.kind == logical_volumes.MEMBER for each in found)


def _volume(volume: LogicalVolume, content: Mapping[str, str]) -> FileSystem:
    closed = {"TYPE": f"a volume of LVM, {volume.layout}"}
    known = content if volume.is_handled else closed
    return _upper(volume.device, volume.names, known, group=volume.group)


def _upper(
    device: str, names: Tuple[str, ...], content: Mapping[str, str], *, group: str
) -> FileSystem:
    return FileSystem(
        disk="",
        partition=0,
        device=device,
        kind=content.get("TYPE", ""),
        uuid=content.get("UUID", ""),
        label=content.get("LABEL", ""),
        names=names,
        group=group,
    )
