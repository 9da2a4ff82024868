# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From the options of morpheus_snapshot_info to snapshots. PRIVATE to the collection."""

from __future__ import annotations

from ..morpheus import instances, snapshots
from .appliance import Params, open_client
from .run import Outcome


def work_snapshot_info(params: Params, _check_mode: bool) -> Outcome:
    """Return the snapshots of an instance; one that does not exist has none."""
    client = open_client(params)
    instance = instances.find_instance_named(client, params["instance"])
    found = snapshots.list_snapshots(client, instance) if instance else []
    return Outcome(False, {"snapshots": [each.as_result() for each in found]})
