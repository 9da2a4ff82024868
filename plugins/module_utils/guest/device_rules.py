# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Rules for files that name disks: fstab, crypttab, and the initramfs's idea of where to resume."""

from __future__ import annotations

import re
from typing import Iterator, List, Optional, Tuple

from .changes import EditFile
from .device_names import find_file_system, is_unstable, stable_name
from .encryption import closed_devices
from .facts import GuestFacts
from .rules import Finding, Note, Options, Results
from .tables import Row, edit_field, read_rows

_WHY = "device names change with the hardware, a file system's UUID does not"
_RESUME_FOLDER = "/etc/initramfs-tools/conf.d/"
_RESUME = re.compile(r"^(\s*RESUME=[\"']?)(/dev/[^\s\"']+)", re.MULTILINE)
# Entries that may be missing at boot: mount options of fstab(5), systemd.mount(5) and crypttab(5).
_OPTIONAL = frozenset(("noauto", "nofail"))
# These too: what comes with the network, what is mounted when it is asked for, and swap, which nothing waits for.
_LATER = _OPTIONAL | {"_netdev", "x-systemd.automount", "swap"}
# Stable names that are read here: contents, and volumes of LVM or encrypted devices. Not arrays, whose number a
# guest may have chosen, and not the partition labels of a GPT.
_READ = re.compile(
    r"(?:UUID|LABEL|PARTUUID)=|/dev/disk/by-(?:uuid|label|partuuid)/|/dev/(?!disk/|md/)[^/]+/[^/]+$"
)
# What shows nothing of what lies in it: volumes of LVM that are not activated, and foreign storage.
_OPAQUE = re.compile(
    r"a volume of LVM|(?!LVM2_|linux_raid_)\w+_member$|bcache$|drbd$|stratis$|vdo$"
)


def fstab(facts: GuestFacts, _options: Options) -> Results:
    """Every entry that is needed at boot names its device by UUID."""
    yield from _table(facts, "/etc/fstab", device_field=0, options_field=3)


def crypttab(facts: GuestFacts, _options: Options) -> Results:
    """Every encrypted device is named by UUID."""
    yield from _table(facts, "/etc/crypttab", device_field=1, options_field=3)


def absent(facts: GuestFacts, _options: Options) -> Results:
    """Every device that the boot waits for is on the given disks."""
    crypttab = facts.files.get("/etc/crypttab", "")
    opened = {f"/dev/mapper/{row.field(0)}" for row in read_rows(crypttab)}
    closed = [each.title for each in facts.file_systems if _OPAQUE.match(each.kind)]
    closed += [each.title for each in closed_devices(crypttab, facts.file_systems)]
    for path, device in _awaited(facts):
        if device in opened or find_file_system(device, facts.file_systems) is not None:
            continue
        if closed:
            yield Note(
                f"{path} needs {device} at boot, which was not seen; it may be on {', '.join(closed)}, which"
                " stayed closed here."
            )
        else:
            yield Finding(
                f"{path} needs {device} at boot, which is on none of the given disks"
                f" ({', '.join(disk.name for disk in facts.disks)}): it would end in emergency mode. Give that disk"
                " too, or mark the entry nofail on the source and sync again, or change it by an extension"
                " before the preparation."
            )


def _awaited(facts: GuestFacts) -> Iterator[Tuple[str, str]]:
    """Yield (path, device) of the entries that the boot waits for, by stable names."""
    for path, device_field, kind_field in (("/etc/fstab", 0, 2), ("/etc/crypttab", 1, 3)):
        for row in read_rows(facts.files.get(path, "")):
            device = row.field(device_field)
            words = {row.field(kind_field), *row.field(3).split(",")}
            if _READ.match(device) and not is_unstable(device) and words.isdisjoint(_LATER):
                yield path, device


def resume(facts: GuestFacts, _options: Options) -> Results:
    """The initramfs looks for a hibernated system on a device named by UUID."""
    for path, text in facts.files.items():
        if not path.startswith(_RESUME_FOLDER):
            continue
        after = _RESUME.sub(lambda match: match.group(1) + _name(match.group(2), facts), text)
        if after != text:
            yield EditFile(path, text, after, _WHY)


def _name(device: str, facts: GuestFacts) -> str:
    return (stable_name(device, facts.file_systems) if is_unstable(device) else None) or device


def _table(facts: GuestFacts, path: str, *, device_field: int, options_field: int) -> Results:
    text = facts.files.get(path, "")

    def stable(row: Row) -> Optional[str]:
        device = row.field(device_field)
        return stable_name(device, facts.file_systems) if is_unstable(device) else None

    after = edit_field(text, device_field, stable)
    if after != text:
        yield EditFile(path, text, after, _WHY)
    for row in _left(after, device_field):
        device = row.field(device_field)
        if _OPTIONAL.isdisjoint(row.field(options_field).split(",")):
            yield Finding(
                f"{path} names {device}, which is on none of the given disks"
                f" ({', '.join(disk.name for disk in facts.disks)}) or has no UUID. Give that disk"
                " too, or name it by UUID or mark it nofail on the source and sync again."
            )
        else:
            yield Note(f"{path} names {device}, which may not exist; the entry is optional.")


def _left(text: str, device_field: int) -> List[Row]:
    return [row for row in read_rows(text) if is_unstable(row.field(device_field))]
