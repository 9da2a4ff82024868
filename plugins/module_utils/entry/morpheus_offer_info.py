# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From the options of morpheus_offer_info to what an appliance offers. PRIVATE to the collection."""

from __future__ import annotations

from ..morpheus import lookups, offers
from .appliance import Params, open_client
from .run import Outcome


def work_offer_info(params: Params, _check_mode: bool) -> Outcome:
    """Return the plans, networks and datastores among which a new instance may choose."""
    client = open_client(params)
    cloud = lookups.find_cloud(client, params["cloud"])
    group = lookups.find_group(client, params["group"])
    kind = lookups.find_instance_type(client, params["instance_type"])
    layout = lookups.find_layout(client, params["layout"], kind)
    cluster = lookups.find_cluster(client, params["cluster"], cloud) if params["cluster"] else None
    plans = lookups.list_plans(client, cloud=cloud, layout=layout, group=group)
    networks = lookups.list_networks(client, cloud)
    datastores = lookups.list_datastores(client, cloud=cloud, cluster=cluster)
    offer = {
        "plans": [offers.plan_offer(each) for each in plans],
        "networks": [offers.named_offer(each) for each in networks],
        "datastores": [offers.named_offer(each) for each in datastores],
    }
    return Outcome(False, {"offer": offer})
