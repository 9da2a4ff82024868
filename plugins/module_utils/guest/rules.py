# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What every rule of the plan takes and yields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Tuple, Union

from .changes import Change
from .network import Interface


@dataclass(frozen=True)
class Options:
    """What the operator wants. `agent_packages` are the package files on the worker for this guest."""

    interfaces: Tuple[Interface, ...] = ()
    serial_console: bool = False
    agent_packages: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Why the guest cannot be prepared, and the way out, in sentences."""

    text: str


@dataclass(frozen=True)
class Note:
    """What the operator should know, though nothing hinders the preparation."""

    text: str


Result = Union[Change, Finding, Note]
Results = Iterator[Result]
