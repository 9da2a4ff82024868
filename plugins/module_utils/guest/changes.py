# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What is to be changed in a guest, as data; and how it is shown to the operator.

A plan is a list of these in the order in which they are applied. Each says why it is there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, List, Optional, Sequence, Tuple, Union

from .families import DEBIAN
from .registry import Value, ValueName, show


@dataclass(frozen=True)
class EditFile:
    """The file's text becomes `after`; `before` is None if there is no such file yet."""

    path: str
    before: Optional[str]
    after: str
    why: str


@dataclass(frozen=True)
class RemoveFile:
    """The file, whose text is `before`, is gone."""

    path: str
    before: str
    why: str


@dataclass(frozen=True)
class RemovePackages:
    """The packages and their configuration are removed by the guest's own package manager.

    `manager` is the beginning of the command, which the names follow.
    """

    names: Tuple[str, ...]
    why: str
    manager: Tuple[str, ...] = DEBIAN.remove


@dataclass(frozen=True)
class InstallPackages:
    """The package files, paths on the worker, are installed by the guest's own package manager.

    `manager` is the beginning of the command, which the files follow.
    """

    names: Tuple[str, ...]
    files: Tuple[str, ...]
    why: str
    manager: Tuple[str, ...] = DEBIAN.install


@dataclass(frozen=True)
class RunInGuest:
    """The program runs in the guest; it can be run again without harm."""

    argv: Tuple[str, ...]
    why: str


@dataclass(frozen=True)
class RebuildInitramfs:
    """The kernel's initramfs is made anew by the guest's own tool, `argv`, and then holds `drivers`."""

    kernel: str
    drivers: FrozenSet[str]
    argv: Tuple[str, ...]
    why: str


@dataclass(frozen=True)
class SetValue:
    """The value in a hive of Windows' registry becomes `after`; `before` is None if it is not there."""

    name: ValueName
    before: Optional[Value]
    after: Value
    why: str


@dataclass(frozen=True)
class CopyFile:
    """The guest's file `target` is a copy of its file `source`."""

    source: str
    target: str
    why: str


@dataclass(frozen=True)
class PlaceFile:
    """The file becomes a copy of `source`, a file on the worker with this SHA-256 (in hex)."""

    path: str
    source: str
    digest: str
    why: str


@dataclass(frozen=True)
class PlaceScript:
    """The file, which only the system's administrators may read, holds `text`.

    It is of an extension, whose script has the SHA-256 `digest` (in hex). It may hold secrets of the
    operator, and is shown nowhere.
    """

    path: str
    text: str = field(repr=False)
    digest: str
    why: str


@dataclass(frozen=True)
class MoveBackupTable:
    """The backup of the partition table of `disk` lies at the end of its overlay `device`."""

    disk: str
    device: str
    why: str


Change = Union[
    EditFile,
    RemoveFile,
    RemovePackages,
    InstallPackages,
    RunInGuest,
    RebuildInitramfs,
    CopyFile,
    MoveBackupTable,
    SetValue,
    PlaceFile,
    PlaceScript,
]


@dataclass(frozen=True)
class Plan:
    """All changes, and what the operator should know beside them."""

    changes: Tuple[Change, ...]
    notes: Tuple[str, ...]


def command_of(change: Change) -> Tuple[str, ...]:
    """Return the command that runs in the guest for this change; empty where none does."""
    if isinstance(change, RemovePackages):
        return (*change.manager, *change.names)
    if isinstance(change, InstallPackages):
        return (*change.manager, *change.files)
    if isinstance(change, (RebuildInitramfs, RunInGuest)):
        return change.argv
    return ()


def describe(change: Change) -> Dict[str, Any]:
    """Return the change as plain data for a module's result."""
    if isinstance(change, (EditFile, RemoveFile)):
        written = "create" if change.before is None else "edit"
        action = written if isinstance(change, EditFile) else "remove"
        return {"action": action, "path": change.path, "why": change.why}
    if isinstance(change, (PlaceFile, PlaceScript)):
        of = (
            ("source", change.source)
            if isinstance(change, PlaceFile)
            else ("sha256", change.digest)
        )
        return {"action": "place", "path": change.path, of[0]: of[1], "why": change.why}
    if isinstance(change, SetValue):
        value = {"value": change.name.name, "data": show(change.after), "why": change.why}
        return {"action": "set", "path": rf"{change.name.hive}\{change.name.key}", **value}
    if isinstance(change, CopyFile):
        return {"action": "copy", "path": change.target, "of": change.source, "why": change.why}
    if isinstance(change, MoveBackupTable):
        return {"action": "move backup table", "disk": change.disk, "why": change.why}
    return {"action": "run", "command": list(command_of(change)), "why": change.why}


def show_diff(changes: Sequence[Change]) -> List[Dict[str, str]]:
    """Return Ansible's diff: one entry for each edited or removed file, then one with all else, if any."""
    shown = [_show_file(each) for each in changes if isinstance(each, (EditFile, RemoveFile))]
    deeds = [deed for deed in map(_deed, changes) if deed]
    if deeds:
        shown.append({"prepared": "done in the guest:\n" + "".join(f"  {d}\n" for d in deeds)})
    return shown + _show_registry(changes) + _show_placed(changes)


def _show_file(change: Union[EditFile, RemoveFile]) -> Dict[str, str]:
    after = change.after if isinstance(change, EditFile) else ""
    texts = {"before": printable(change.before or ""), "after": printable(after)}
    return {"before_header": change.path, "after_header": change.path, **texts}


def _show_registry(changes: Sequence[Change]) -> List[Dict[str, str]]:
    """Return one entry for all values of a registry, line by line."""
    values = [change for change in changes if isinstance(change, SetValue)]
    if not values:
        return []
    before = (_registry_line(each.name, each.before) for each in values if each.before is not None)
    after = (_registry_line(each.name, each.after) for each in values)
    headers = {"before_header": "registry", "after_header": "registry"}
    return [{**headers, "before": "".join(before), "after": "".join(after)}]


def _registry_line(name: ValueName, value: Value) -> str:
    return rf"{name.hive}\{name.key}\{name.name or '@'} = {show(value)}" + "\n"


def _show_placed(changes: Sequence[Change]) -> List[Dict[str, str]]:
    placed = [f"  {c.path} < {c.source}\n" for c in changes if isinstance(c, PlaceFile)]
    scripts = [c for c in changes if isinstance(c, PlaceScript)]
    placed += [f"  {c.path} of the script with sha256 {c.digest}\n" for c in scripts]
    return [{"prepared": "place in the guest:\n" + "".join(placed)}] if placed else []


def _deed(change: Change) -> str:
    if isinstance(change, CopyFile):
        return f"copy {change.source} to {change.target}"
    if isinstance(change, MoveBackupTable):
        return f"move the backup of the partition table of {change.disk} to its end"
    return " ".join(command_of(change))


def printable(text: str) -> str:
    """Return text of the guest for people: bytes that are not UTF-8 are shown as escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
