# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From the options of morpheus_instance_info to instances. PRIVATE to the collection."""

from __future__ import annotations

from ..morpheus import instances, machines
from .appliance import Params, open_client, open_waiter, read_tags
from .run import Outcome


def work_instance_info(params: Params, _check_mode: bool) -> Outcome:
    """Return the instances of a name, with certain tags, or all."""
    client, waiter = open_client(params), open_waiter(params)
    wanted = read_tags(params).items()
    found = [
        machines.with_server(client, each)
        for each in instances.list_instances(client, name=params["name"] or "")
        if wanted <= each.tags.items()
    ]
    if params["settled"]:
        found = [machines.settle(client, each, waiter) for each in found]
    return Outcome(False, {"instances": [each.as_result() for each in found]})
