# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Encrypted devices (LUKS), opened by the keys that the operator gave.

A key goes through a pipe to cryptsetup's standard input: never into arguments, a file or a message.
"""

from __future__ import annotations

import os
from typing import Dict, List, Mapping, Sequence, Tuple

from .commands import run
from .device_names import find_file_system
from .facts import FileSystem
from .overlays import MAPPER, PREFIX
from .tables import read_rows

MEMBER = "crypto_LUKS"
_WRONG_KEY = "Give the right key of this device; a passphrase is taken as it is, without a newline."


def open_encrypted(
    devices: Sequence[FileSystem], keys: Mapping[str, str]
) -> List[Tuple[FileSystem, str]]:
    """Return each device that a key is given for, and the plain device above it, which is open.

    `keys` has a device's name at the source (`sda2`) or its UUID, and the key.
    """
    opened = []
    for each in devices:
        key = keys.get(each.uuid, keys.get(each.title))
        if key is not None:
            opened.append((each, _open(each, key)))
    return opened


def _open(device: FileSystem, key: str) -> str:
    run(("modprobe", "dm_crypt"))
    name = f"{PREFIX}c-{device.uuid}"
    reader, writer = os.pipe()
    with open(reader, "rb") as given:
        # The longest passphrase that LUKS takes is 512 bytes: it fits into the pipe, nobody waits.
        with open(writer, "wb") as giving:
            giving.write(key.encode("utf-8", "surrogateescape"))
        command = ("cryptsetup", "open", "--type", "luks", "--key-file", "-", "--disable-locks")
        run((*command, device.device, name), stdin=given, hint=_WRONG_KEY)
    return f"{MAPPER}/{name}"


def own_names(crypttab: str, file_systems: Sequence[FileSystem]) -> Dict[str, str]:
    """Return the names that a crypttab gives: device of ours -> name, for those that are open."""
    names = {}
    for row in read_rows(crypttab):
        below = find_file_system(row.field(1), file_systems)
        if below is not None and below.kind == MEMBER:
            names[f"{MAPPER}/{PREFIX}c-{below.uuid}"] = row.field(0)
    return {ours: name for ours, name in names.items() if os.path.exists(ours)}


def links(ours: str, name: str) -> Tuple[str, str, str]:
    """Return udev's links to an open device of ours that the guest calls `name`.

    Which version of LUKS its header has is not asked: the guest has one of the two links by UUID.
    """
    uuid = ours[len(f"{MAPPER}/{PREFIX}c-") :].replace("-", "")
    by_version = (f"dm-uuid-CRYPT-LUKS{version}-{uuid}-{name}" for version in (1, 2))
    first, second = (f"/dev/disk/by-id/{link}" for link in by_version)
    return f"/dev/disk/by-id/dm-name-{name}", first, second


def closed_devices(crypttab: str, file_systems: Sequence[FileSystem]) -> List[FileSystem]:
    """Return the encrypted devices that were not opened."""
    devices = {each.device for each in file_systems}
    rows = [
        (row.field(0), find_file_system(row.field(1), file_systems)) for row in read_rows(crypttab)
    ]
    closed = []
    for each in (each for each in file_systems if each.kind == MEMBER):
        names = (f"{PREFIX}c-{each.uuid}", *(name for name, below in rows if below == each))
        if not any(f"{MAPPER}/{name}" in devices for name in names):
            closed.append(each)
    return closed


def rename(device: str, name: str) -> str:
    """The open device has the guest's own name, by which its tools look for it; return its path."""
    number = os.stat(device).st_rdev
    quiet = ("--noudevsync", "--noudevrules")
    run(("dmsetup", "rename", *quiet, os.path.basename(device), name))
    # Without udev the folder keeps the old name only.
    os.unlink(device)
    path = f"{MAPPER}/{name}"
    os.mknod(path, 0o60600, number)
    return path
