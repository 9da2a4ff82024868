# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The appliance's record of what it did for an instance. PRIVATE to the collection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional

from .client import MorpheusClient
from .parse import Json, child, children, need_id, text


@dataclass(frozen=True)
class Process:
    """One step of work. `status` ends as complete or failed; `said` is the appliance's own text."""

    id: int
    kind: str
    status: str
    said: str


def parse_process(thing: Json) -> Process:
    """Return the process that the API describes."""
    kind = child(thing, "processType")
    words = (text(thing.get(key)) for key in ("error", "message", "output"))
    return Process(
        id=need_id(thing, "process"),
        kind=text(kind.get("name")) or text(kind.get("code")),
        status=text(thing.get("status")).lower(),
        said=next((each for each in words if each), ""),
    )


def list_history(client: MorpheusClient, instance_id: int) -> List[Process]:
    """Return what was done to the instance, in the order of the process ids."""
    answer = client.find(f"/api/instances/{instance_id}/history") or {}
    return sorted(map(parse_process, children(answer, "processes")), key=lambda each: each.id)


def find_last_failure(client: MorpheusClient, instance_id: int) -> Optional[Process]:
    """Return the instance's latest failed process, None if none failed."""
    failed = [each for each in list_history(client, instance_id) if each.status == "failed"]
    return failed[-1] if failed else None
