# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What was found in a Windows guest, as plain data for a module's result."""

from __future__ import annotations

from typing import Any, Dict

from .windows_facts import WindowsFacts

# Start of a service: 0 boot, 1 system; Windows cannot start without what is meant so.
_EARLY = 1


def describe_windows(facts: WindowsFacts) -> Dict[str, Any]:
    """Return release, hardware and state of the guest."""
    release, root = facts.release, facts.root
    return {
        "distribution": release.product,
        "edition": release.edition,
        "installation": release.installation,
        "build": release.build,
        "architecture": facts.architecture,
        "root": {
            "disk": root.disk,
            "partition": root.partition,
            "type": root.kind,
            "uuid": root.uuid,
        },
        "fast_startup": facts.fast_startup,
        "controllers": [
            {"device": each.device, "service": each.service} for each in facts.controllers
        ],
        "boot_services": sorted(
            each.name for each in facts.services.values() if each.start <= _EARLY
        ),
        "connections": [
            {"name": each.name, "addresses": [f"{a}/{m}" for a, m in each.addresses]}
            for each in facts.interfaces
        ],
    }
