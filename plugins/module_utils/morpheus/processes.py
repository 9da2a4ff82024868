# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The appliance's record of what it did for an instance. PRIVATE to the collection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional

from .client import MorpheusClient
from .errors import StateFailedError
from .parse import Json, child, children, need_id, text

# The states in which the vendor's command line goes on asking for a process.
UNDER_WAY = frozenset({"new", "queued", "pending", "running"})


@dataclass(frozen=True)
class Process:
    """One step of work. `status` ends as complete or failed; `said` is the appliance's own text."""

    id: int
    kind: str
    status: str
    said: str


@dataclass(frozen=True)
class Watch:
    """What the appliance does for an instance from one moment on: processes above `last`."""

    client: MorpheusClient
    instance_id: int
    last: int

    def is_quiet(self) -> bool:
        """Return whether nothing that began since is under way. Raises `StateFailedError` if it failed."""
        history = list_history(self.client, self.instance_id)
        begun = [each for each in history if each.id > self.last]
        for each in begun:
            if each.status == "failed":
                raise StateFailedError(
                    f'The appliance failed at "{each.kind}" for instance {self.instance_id}:'
                    f" {each.said or 'it gives no reason'}.",
                    hint="The instance's history on the appliance says more.",
                )
        return not any(each.status in UNDER_WAY for each in begun)


def watch(client: MorpheusClient, instance_id: int) -> Watch:
    """Return a watch that begins now."""
    known = [each.id for each in list_history(client, instance_id)]
    return Watch(client, instance_id, max(known, default=0))


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
