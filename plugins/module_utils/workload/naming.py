# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What a migration is called, and which workloads would be called the same. PRIVATE to the collection."""

from __future__ import annotations

import re
from typing import Any, Iterable, Mapping

from ..errors import InputError

# With a hyphen and the fourteen digits of a run's time it must fit into one label of the TLS server
# name: 63 (RFC 1035, 2.3.4).
LONGEST_ID = 48

_OTHERS = re.compile(r"[^a-z0-9]+")


def migration_id(name: str) -> str:
    """Return the name as a migration's id: lower-case letters and digits, a hyphen for all between.

    Raises InputError where nothing, or more than `LONGEST_ID` characters, would be left.
    """
    found = _OTHERS.sub("-", name.lower()).strip("-")
    if not found or len(found) > LONGEST_ID:
        raise InputError(
            f"{name!r} cannot be a migration's id: it has {len(found)} letters, digits and hyphens"
            f" where 1 to {LONGEST_ID} are needed.",
            hint="Set ferry_migration_id.",
        )
    return found


def workloads_alike(
    variables: Mapping[str, Mapping[str, Any]], workload: str, hosts: Iterable[str]
) -> list[str]:
    """Return which other hosts have the workload's migration id or its target instance.

    `variables` are those of each host, as Ansible's `hostvars`.
    """
    own_id, own_instance = _objects(variables, workload)
    found = ((host, *_objects(variables, host)) for host in hosts if host != workload)
    return [host for host, id_, instance in found if id_ == own_id or instance == own_instance]


def _objects(variables: Mapping[str, Mapping[str, Any]], host: str) -> tuple[str, str]:
    ours = variables[host]
    return migration_id(ours.get("ferry_migration_id") or host), str(ours.get("ferry_instance"))
