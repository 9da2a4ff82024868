# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From the device names that a guest wrote down to names that stay the same on other hardware.

A disk that was `sda` behind a SCSI controller is `vda` on virtio, and by-path or by-id names change
with the controller. A file system's UUID stays.
"""

from __future__ import annotations

import re
from typing import Iterable, Optional, Sequence

from .facts import FileSystem

# Names that the kernel gives by the order in which it finds disks.
_KERNEL_NAME = re.compile(r"/dev/((?:sd|hd|vd|xvd)[a-z]+)(\d*)$|/dev/(nvme\d+n\d+)(?:p(\d+))?$")
# What udev calls a device by its content, not by its disk (60-persistent-storage-dm.rules, 63-md-raid-arrays.rules).
_BY_CONTENT = r"(?:dm-uuid-(?:LVM|CRYPT)-|dm-name-(?!mpath)|lvm-pv-uuid-|md-(?:uuid|name)-)"
# Of device-mapper two kinds: multipath's own names, which go with the disks' serial numbers (multipath.conf(5),
# `user_friendly_names`), and the worker's: a tool of the guest that writes one down has seen an overlay.
_UNSTABLE = re.compile(
    r"/dev/(?:(?:sd|hd|vd|xvd)[a-z]+\d*|nvme\d+n\d+(?:p\d+)?|disk/by-path/.+"
    rf"|disk/by-id/(?!{_BY_CONTENT}).+|mapper/(?:ov-.*|mpath[a-z]+(?:-?p(?:art)?\d+)?))$"
)
_ESCAPED = re.compile(r"\\(?:([0-7]{3})|x([0-9a-f]{2}))")
_DISK_LINKS = {"uuid": "UUID", "label": "LABEL", "partuuid": "PARTUUID"}


def is_unstable(device: str) -> bool:
    """Return whether the name may mean another disk, or none, on other hardware."""
    return _UNSTABLE.match(device) is not None


def find_file_system(spec: str, file_systems: Sequence[FileSystem]) -> Optional[FileSystem]:
    """Return what `spec` of an fstab means: a name at the source, UUID=, LABEL=, PARTUUID=.

    None if it is not among `file_systems`, or if it is not a device at all (tmpfs, a share).
    """
    match = _KERNEL_NAME.match(spec)
    if match:
        disk, number = match.group(1) or match.group(3), match.group(2) or match.group(4)
        partition = int(number or 0)
        return _first(
            each for each in file_systems if (each.disk, each.partition) == (disk, partition)
        )
    named = _first(each for each in file_systems if spec in each.names)
    if named:
        return named
    kind, _unused, value = _as_tag(spec).partition("=")
    value = _unescaped(value.strip("\"'"))
    if not value:
        return None
    chosen = {
        "UUID": lambda each: each.uuid.lower() == value.lower(),
        "LABEL": lambda each: each.label == value,
        "PARTUUID": lambda each: each.partition_uuid.lower() == value.lower(),
    }.get(kind)
    return None if chosen is None else _first(each for each in file_systems if chosen(each))


def stable_name(device: str, file_systems: Sequence[FileSystem]) -> Optional[str]:
    """Return `UUID=...` for an unstable name, None if no UUID is known for it."""
    found = find_file_system(device, file_systems)
    return f"UUID={found.uuid}" if found is not None and found.uuid else None


def _as_tag(spec: str) -> str:
    """Return `/dev/disk/by-uuid/x` as `UUID=x`, likewise labels; anything else as it is."""
    link = re.match(r"/dev/disk/by-(uuid|label|partuuid)/(.+)$", spec)
    return f"{_DISK_LINKS[link.group(1)]}={link.group(2)}" if link else spec


def _unescaped(text: str) -> str:
    """Return text of fstab (fstab(5): a blank is `\\040`) or of udev's links (`\\x20`) as it is called."""
    return _ESCAPED.sub(lambda found: chr(int(found[1] or found[2], 8 if found[1] else 16)), text)


def _first(matches: Iterable[FileSystem]) -> Optional[FileSystem]:
    return next(iter(matches), None)
