# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What an appliance offers to a new instance, so that it can be chosen before one is asked for. PRIVATE."""

from __future__ import annotations

from typing import Any, Dict

from .parse import Json, maybe_int, need_id, text


def plan_offer(thing: Json) -> Dict[str, Any]:
    """Return a service plan as modules show it.

    `own_cpus` and `own_memory` tell whether an instance may have its own instead of the plan's. Within
    which limits the appliance alone knows: the description of the list has no field for them.
    """
    return {
        **named_offer(thing),
        "cpus": maybe_int(thing.get("maxCores")) or 0,
        "memory": maybe_int(thing.get("maxMemory")) or 0,
        "own_cpus": thing.get("customCores") is True,
        "own_memory": thing.get("customMaxMemory") is True,
    }


def named_offer(thing: Json) -> Dict[str, Any]:
    """Return a network or a datastore as modules show it."""
    return {
        "id": need_id(thing, "offer"),
        "name": text(thing.get("name")),
        "code": text(thing.get("code")),
    }
