# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What every rule of the plan takes and yields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Iterator, Tuple, Union

from .changes import Change, Plan
from .errors import PlanError
from .extensions import UNKNOWN_SYNC, Extension, Sync
from .network import Interface


@dataclass(frozen=True)
class Options:
    """What the operator wants. `agent_packages` are the package files on the worker for this guest.

    `extensions` are those for `sync`; where there are any, it is known.
    """

    interfaces: Tuple[Interface, ...] = ()
    serial_console: bool = False
    agent_packages: Tuple[str, ...] = ()
    extensions: Tuple[Extension, ...] = ()
    sync: Sync = UNKNOWN_SYNC


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


def plan_of(results: Iterable[Result]) -> Plan:
    """Return the plan that the rules' results make. Raises PlanError with every finding, if there are any."""
    told = list(results)
    findings = [each.text for each in told if isinstance(each, Finding)]
    if findings:
        raise PlanError(findings)
    return Plan(
        changes=tuple(each for each in told if not isinstance(each, (Finding, Note))),
        notes=tuple(each.text for each in told if isinstance(each, Note)),
    )
