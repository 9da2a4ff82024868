# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Hive files of Windows through libhivex: reading subtrees, setting values.

Only what is named is touched. libhivex' module comes with Debian's python3-hivex, which
the worker has; nothing else needs it.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from .errors import PreparationError
from .registry import Value, ValueName

# The first fields of a base block: signature, and the two counters that differ while it is written.
_BASE_BLOCK = struct.Struct("<4sII")
_DAMAGED = "Check the guest on the source (chkdsk), and sync again."


class Hive:
    """An open hive. `name` is its file's name; keys are paths below the root, in any case."""

    def __init__(self, name: str, handle: Any) -> None:
        self.name = name
        self._handle = handle

    def value(self, key: str, name: str) -> Optional[Value]:
        """Return a value, None if it or its key is not there."""
        return self.values(key).get(name.lower())

    def values(self, key: str) -> Dict[str, Value]:
        """Return all values of a key by their names in lower case; none if it is not there."""
        node = self._find(key)
        return {} if node is None else self._values(node)

    def children(self, key: str) -> List[str]:
        """Return the names of the keys below a key, as they are written; none if it is not there."""
        node = self._find(key)
        found = [] if node is None else self._handle.node_children(node)
        return [self._handle.node_name(child) for child in found]

    def subtree(self, key: str) -> Dict[ValueName, Value]:
        """Return all values of a key and of what lies below it, by folded names."""
        node = self._find(key)
        return {} if node is None else dict(self._walk(node, key))

    def set(self, key: str, name: str, value: Value) -> None:
        """The value is there, and the keys above it."""
        node = self._handle.root()
        for part in _parts(key):
            child = self._handle.node_get_child(node, part)
            node = self._handle.node_add_child(node, part) if child is None else child
        wanted = {"key": name, "t": value.kind, "value": value.data}
        self._handle.node_set_value(node, wanted)

    def _find(self, key: str) -> Any:
        node = self._handle.root()
        for part in _parts(key):
            node = self._handle.node_get_child(node, part)
            if node is None:
                return None
        return node

    def _values(self, node: Any) -> Dict[str, Value]:
        found = {}
        for each in self._handle.node_values(node):
            kind, data = self._handle.value_value(each)
            found[self._handle.value_key(each).lower()] = Value(kind, data)
        return found

    def _walk(self, node: Any, key: str) -> Iterator["tuple[ValueName, Value]"]:
        for name, value in self._values(node).items():
            yield ValueName(self.name, key, name).folded(), value
        for child in self._handle.node_children(node):
            yield from self._walk(child, f"{key}\\{self._handle.node_name(child)}")


def _parts(key: str) -> List[str]:
    return [part for part in key.split("\\") if part]


def open_hive(path: str, name: str) -> Hive:
    """Return the hive for reading. Raises PreparationError if the file is not a whole hive."""
    return Hive(name, _open(path, write=False))


@contextmanager
def change_hive(path: str, name: str) -> Iterator[Hive]:
    """Lend the hive; what was set is in the file afterwards, all at once.

    Raises PreparationError if the file is not a whole hive or cannot be written.
    """
    handle = _open(path, write=True)
    yield Hive(name, handle)
    try:
        handle.commit(None)
    except RuntimeError as error:
        raise PreparationError(f"The hive {name} cannot be written: {error}.") from error


def is_dirty(path: str) -> bool:
    """Return whether Windows has yet to bring its log into this hive.

    The two counters of the base block differ while a hive is written (Windows' own rule of when to
    recover; libregf's documentation of the format, "Base block"). Raises PreparationError for a
    file that is no hive.
    """
    first, second = _counters(path)
    return first != second


def _counters(path: str) -> Tuple[int, int]:
    with open(path, "rb") as file:
        head = file.read(_BASE_BLOCK.size)
    if len(head) < _BASE_BLOCK.size or not head.startswith(b"regf"):
        raise PreparationError(f"{path} is no hive of a registry.", hint=_DAMAGED)
    _signature, first, second = _BASE_BLOCK.unpack(head)
    return first, second


def snapshot(hive: Hive, keys: List[str]) -> Mapping[ValueName, Value]:
    """Return the values of several subtrees as one mapping."""
    return {name: value for key in keys for name, value in hive.subtree(key).items()}


def _open(path: str, *, write: bool) -> Any:
    try:
        import hivex  # noqa: PLC0415 - the controller has none, and documents this module all the same
    except ImportError as error:
        raise PreparationError(
            "The worker has no python3-hivex.", hint="Build the worker image anew."
        ) from error
    _counters(path)
    try:
        return hivex.Hivex(path, write=write)
    except RuntimeError as error:
        raise PreparationError(
            f"The hive {path} cannot be opened: {error}.", hint=_DAMAGED
        ) from error
