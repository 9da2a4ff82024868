# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Values of a Windows registry, as data: what Windows stores, and how people write it."""

from __future__ import annotations

import struct
from typing import Mapping, NamedTuple, Sequence, Tuple

# Kinds of values, by Windows' winnt.h (REG_SZ and so on).
SZ, EXPAND_SZ, BINARY, DWORD, MULTI_SZ = 1, 2, 3, 4, 7
_PREFIXES: Mapping[int, str] = {EXPAND_SZ: "expand:", MULTI_SZ: "multi:"}


class Value(NamedTuple):
    """A value: its kind, and its bytes as they lie in the hive."""

    kind: int
    data: bytes


class ValueName(NamedTuple):
    """Where a value lies: the hive (`SYSTEM`), the key below its root, the name (empty: default).

    Key and name are as they are to be written; two that differ in case only are the same.
    """

    hive: str
    key: str
    name: str

    def folded(self) -> "ValueName":
        """Return the name that every spelling of this one has."""
        return ValueName(self.hive, self.key.lower(), self.name.lower())


def text(value: str, kind: int = SZ) -> Value:
    """Return a string, SZ or EXPAND_SZ."""
    return Value(kind, f"{value}\0".encode("utf-16-le"))


def texts(values: Sequence[str]) -> Value:
    """Return a MULTI_SZ. Its strings are not empty: an empty one would end the list."""
    return Value(MULTI_SZ, "".join(f"{each}\0" for each in (*values, "")).encode("utf-16-le"))


def number(value: int) -> Value:
    """Return a DWORD."""
    return Value(DWORD, struct.pack("<I", value))


def as_text(value: Value) -> str:
    """Return the string, up to its end mark; of a MULTI_SZ the first one."""
    return value.data[: len(value.data) & ~1].decode("utf-16-le", "replace").split("\0")[0]


def as_texts(value: Value) -> Tuple[str, ...]:
    """Return the strings of a MULTI_SZ (or the one of an SZ) that are not empty."""
    plain = value.data[: len(value.data) & ~1].decode("utf-16-le", "replace")
    return tuple(each for each in plain.split("\0") if each)


def as_number(value: Value) -> int:
    """Return a DWORD's or QWORD's number."""
    return int.from_bytes(value.data, "little")


def show(value: Value) -> str:
    """Return the value for people, one line."""
    if value.kind in (SZ, EXPAND_SZ, MULTI_SZ):
        strings = as_texts(value) if value.kind == MULTI_SZ else (as_text(value),)
        return _PREFIXES.get(value.kind, "") + ",".join(f'"{each}"' for each in strings)
    if value.kind == DWORD and len(value.data) == 4:
        return f"dword:{as_number(value):08x}"
    return f"hex({value.kind:x}):{value.data.hex(',') if value.data else ''}"
