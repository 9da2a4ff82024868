# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Whether a guest can run the extensions that are for it. Judged before any of them runs."""

from __future__ import annotations

from typing import FrozenSet, Tuple

from .extensions import BASH, FIRST_BOOT, GUEST, POWERSHELL, Extension
from .facts import GuestFacts
from .rules import Finding, Options, Results
from .tree import GuestTree

# What extensions need of a guest.
PROGRAMS = ("bash", "python3", "systemctl", "timeout")
_FOLDERS = ("/usr/bin", "/bin", "/usr/local/bin")


def find_programs(tree: GuestTree) -> FrozenSet[str]:
    """Return which of `PROGRAMS` the guest has."""
    return frozenset(
        name for name in PROGRAMS if any(tree.has(f"{folder}/{name}") for folder in _FOLDERS)
    )


def usable(facts: GuestFacts, options: Options) -> Results:
    """Each extension has what it needs of the guest."""
    for each in options.extensions:
        if each.kind == POWERSHELL:
            yield Finding(
                f"The extension {each.name} is PowerShell, which runs at the first boot of Windows"
                f" only; this guest is {facts.distribution.title}."
            )
            continue
        missing = [name for name in _needs(each) if name not in facts.programs]
        if missing:
            yield Finding(
                f"The extension {each.name} needs {' and '.join(missing)}, which this guest lacks:"
                " install it on the source, or give another script."
            )


def _needs(extension: Extension) -> Tuple[str, ...]:
    if extension.stage == FIRST_BOOT:
        return ("bash" if extension.kind == BASH else "python3", "systemctl", "timeout")
    return ("bash",) if extension.runs_on == GUEST else ()
