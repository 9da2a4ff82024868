# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Rules for LVM: it looks at the disks that carry the guest's volumes, whatever they are called now."""

from __future__ import annotations

from typing import Dict, Iterator, List, NamedTuple, Set, Tuple

from .changes import EditFile, RemoveFile
from .device_names import find_file_system
from .facts import LVM_DEVICES, LVM_SETTINGS, FileSystem, GuestFacts
from .logical_volumes import MEMBER
from .lvm_filters import Filter, PatternError, accepts, put_first, read_filters
from .rules import Finding, Options, Results
from .tables import read_rows

VIRTIO = "a|^/dev/vd|"
_WAY_OUT = (
    "on the source, make its initramfs anew (update-initramfs -u, dracut --force) and sync again."
)


class _Edited(NamedTuple):
    """A file of settings with its filters right, and what hinders it."""

    after: str
    findings: Tuple[str, ...]


def devices(facts: GuestFacts, _options: Options) -> Results:
    """LVM looks at all disks, and not only at those whose serial numbers it once wrote down (RHEL 9).

    Volumes on any other disk would be missing at boot. Without the file LVM looks at every disk
    (lvmdevices(8)); virt-v2v removes it too.
    """
    text = facts.files.get(LVM_DEVICES)
    if text is not None:
        why = (
            "it admits disks by serial numbers of the old hardware (vgimportdevices makes it anew)"
        )
        yield RemoveFile(LVM_DEVICES, text, why)


def filters(facts: GuestFacts, _options: Options) -> Results:
    """No filter of lvm.conf hides from LVM, on virtio, a disk that the guest needs."""
    for path, edited in _edited_files(facts).items():
        yield from map(Finding, edited.findings)
        if edited.after != facts.files[path]:
            why = "the filter knows disks by their old names, and would hide the guest's volumes"
            yield EditFile(path, facts.files[path], edited.after, why)


def changed_settings(facts: GuestFacts) -> Set[str]:
    """Return the paths of LVM's files that are edited or removed: a copy in an initramfs is out of date then."""
    edited = _edited_files(facts)
    removed = {LVM_DEVICES}.intersection(facts.files)
    return removed | {path for path in edited if edited[path].after != facts.files[path]}


def _edited_files(facts: GuestFacts) -> Dict[str, _Edited]:
    return {path: _edit(path, facts) for path in LVM_SETTINGS if path in facts.files}


def _edit(path: str, facts: GuestFacts) -> _Edited:
    """Return the file with its filters right. The last one is edited first: places before it stay."""
    text, findings = facts.files[path], []  # type: Tuple[str, List[str]]
    for each in reversed(read_filters(text)):
        try:
            if _hides_needed(each, facts):
                findings += _hidden_by_intent(path, each, facts)
                text = put_first(text, each, VIRTIO)
        except PatternError as error:
            findings.append(
                f"{path} has the pattern {error} in {each.setting}, which cannot be read here. Put"
                f' "{VIRTIO}" first in that list {_WAY_OUT}'
            )
    return _Edited(text, tuple(findings))


def _hides_needed(found: Filter, facts: GuestFacts) -> bool:
    """Return whether it hides on virtio what the guest mounts, or what it showed on the source.

    What is not mounted may be in use too: volumes of a database, or in units of systemd. The new name is
    looked at first: behind `VIRTIO` nothing else of the filter has to be read.
    """
    groups = _mounted_groups(facts)
    return any(
        not accepts(found.patterns, name) and _is_needed(each, found, groups)
        for each, name in _members_on_virtio(facts)
    )


def _is_needed(member: FileSystem, found: Filter, mounted: Set[str]) -> bool:
    """Return whether LVM has to see the part: as on the source, or of a group that is mounted.

    A whole group: where a part is missing, none of its volumes is activated by udev's events
    (pvscan(8), "autoactivation").
    """
    return member.group in mounted or accepts(found.patterns, f"/dev/{member.title}")


def _members_on_virtio(facts: GuestFacts) -> Iterator[Tuple[FileSystem, str]]:
    """Yield each part of a volume group that lies on a disk, and what the kernel will call it."""
    letters = {disk.name: _letters(index) for index, disk in enumerate(facts.disks)}
    for each in _members(facts):
        yield each, f"/dev/vd{letters[each.disk]}{each.partition or ''}"


def _letters(index: int) -> str:
    """Return what follows `vd` in the name of a disk, counted from 0: a to z, then aa."""
    before, last = divmod(index, 26)
    return (_letters(before - 1) if before else "") + chr(ord("a") + last)


def _hidden_by_intent(path: str, found: Filter, facts: GuestFacts) -> Iterator[str]:
    """Yield a finding for each disk that was hidden on the source, and that `VIRTIO` would show.

    It may be the lower half of something (DRBD), or a clone: LVM would see the same volumes twice.
    """
    groups = _mounted_groups(facts)
    for each in _members(facts):
        if not _is_needed(each, found, groups):
            yield (
                f"{path} hides {each.title}, a part of LVM, by {found.setting}, and hides the guest's"
                " own volumes on virtio too. Say by patterns of /dev/vda, /dev/vdb, ... which of its"
                f" disks LVM shall see {_WAY_OUT}"
            )


def _members(facts: GuestFacts) -> List[FileSystem]:
    """Return the parts of volume groups that lie on disks: others keep their names (md, LUKS)."""
    return [each for each in facts.file_systems if each.kind == MEMBER and each.disk]


def _mounted_groups(facts: GuestFacts) -> Set[str]:
    rows = read_rows(facts.files.get("/etc/fstab", ""))
    mounted = [find_file_system(row.field(0), facts.file_systems) for row in rows]
    return {each.group for each in (facts.root, *mounted) if each is not None and each.group}
