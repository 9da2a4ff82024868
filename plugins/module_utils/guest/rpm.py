# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What RPM has installed, as the guest's own `rpm` tells it.

The database has had three formats (Berkeley DB, ndb of SUSE, SQLite), and only the guest's program is sure
to read its own. A package requires capabilities and not packages; so each is answered by who provides it.
"""

from __future__ import annotations

import os
from typing import Callable, Dict, FrozenSet, List, Mapping, NamedTuple, Sequence, Set

from .facts import Package
from .tree import GuestTree

# Runs a program of the guest, returns what it wrote.
Run = Callable[[Sequence[str]], bytes]

DATABASE = "/var/lib/rpm"
# A paragraph for each package; brackets repeat for each element (rpm(8), QUERY OPTIONS).
_FORMAT = r"%{NAME}\n%{VERSION}-%{RELEASE}\n[R%{REQUIRENAME}\n][P%{PROVIDENAME}\n]\n"
QUERY = ("rpm", "--query", "--all", "--queryformat", _FORMAT)


class _Told(NamedTuple):
    name: str
    version: str
    requires: FrozenSet[str]
    provides: FrozenSet[str]


def forget_environment(tree: GuestTree) -> None:
    """Berkeley DB has no shared state of the running source: its locks would be waited for (virt-v2v,
    Red Hat bug 1143866). It makes these files anew whenever they are not there.
    """
    for name in tree.names(DATABASE):
        if name.startswith("__db."):
            os.unlink(tree.host_path(f"{DATABASE}/{name}"))


def read_packages(run: Run) -> Dict[str, Package]:
    """Return the installed packages by name; of one installed twice (a kernel), the last that is told.

    What is required as a path (`/usr/bin/vmtoolsd`) counts only if it is provided by that name: rpm
    itself refuses to remove what is needed so, and then the step fails.
    """
    text = run(QUERY).decode("utf-8", "surrogateescape")
    told = [_read(paragraph.split("\n")) for paragraph in text.split("\n\n") if paragraph]
    providers: Dict[str, Set[str]] = {}
    for each in told:
        for capability in each.provides:
            providers.setdefault(capability, set()).add(each.name)
    return {each.name: _package(each, providers) for each in told}


def _read(lines: List[str]) -> _Told:
    def of(kind: str) -> FrozenSet[str]:
        return frozenset(line[1:] for line in lines[2:] if line.startswith(kind))

    return _Told(lines[0], lines[1] if len(lines) > 1 else "", of("R"), of("P"))


def _package(told: _Told, providers: Mapping[str, Set[str]]) -> Package:
    needs = set().union(*(providers.get(each, set()) for each in told.requires))
    return Package(told.name, told.version, frozenset(needs - {told.name}))
