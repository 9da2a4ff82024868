# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From the options of morpheus_volume_info to volumes and who has them. PRIVATE to the collection."""

from __future__ import annotations

from typing import Any, Dict, Optional

from ..morpheus import servers, volumes
from .appliance import Params, open_client
from .run import Outcome


def work_volume_info(params: Params, _check_mode: bool) -> Outcome:
    """Return the volumes with an id or of a name, or all, and who has them."""
    client = open_client(params)
    if params["id"] is None:
        found = volumes.list_volumes(client, name=params["name"] or "")
    else:
        volume = volumes.find_volume(client, params["id"])
        found = [volume] if volume else []
    holders = {
        volume.id: server for server in servers.list_servers(client) for volume in server.volumes
    }
    return Outcome(False, {"volumes": [_held_volume(each, holders.get(each.id)) for each in found]})


def _held_volume(volume: volumes.Volume, server: Optional[servers.Server]) -> Dict[str, Any]:
    return {
        **volume.as_result(),
        "status": volume.status,
        "instance": server.instance_name if server else None,
        "server_id": server.id if server else None,
    }
