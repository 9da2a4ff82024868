# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What dpkg has installed, read from its own record: no program is started.

The format is that of Debian's control files (deb822(5)); /var/lib/dpkg/status is described in dpkg(1).
"""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, Iterable, List, Mapping

from .facts import Package

STATUS_FILE = "/var/lib/dpkg/status"

_FIELD = re.compile(r"^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
_NAME = re.compile(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]*)")


def read_status(text: str) -> Dict[str, Package]:
    """Return the installed packages of a dpkg status file, by name."""
    packages: Dict[str, Package] = {}
    for paragraph in text.split("\n\n"):
        fields = dict(_FIELD.findall(paragraph))
        # The third word is the state; "installed" and the states on the way there hold files.
        state = fields.get("Status", "").split()
        if len(state) == 3 and state[2] not in ("not-installed", "config-files"):
            needs = _names(fields.get("Depends", "")) | _names(fields.get("Pre-Depends", ""))
            name = fields["Package"].strip()
            packages[name] = Package(name, fields.get("Version", "").strip(), needs)
    return packages


def dependents(names: Iterable[str], packages: Mapping[str, Package]) -> List[str]:
    """Return the installed packages outside of `names` that may need one of them, sorted."""
    wanted = frozenset(names)
    return sorted(
        each.name
        for each in packages.values()
        if each.name not in wanted and not each.needs.isdisjoint(wanted)
    )


def _names(relation: str) -> FrozenSet[str]:
    return frozenset(_NAME.findall(relation))
