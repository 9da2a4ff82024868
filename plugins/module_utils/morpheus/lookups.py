# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What an operator calls by name, and the appliance by number. PRIVATE to the collection.

A look-up takes a name, a code or an id, and either finds exactly one object or says which there
are.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Callable, Iterable, List, Optional, Sequence

from .client import MorpheusClient
from .errors import AmbiguousNameError, NoSuchObjectError
from .parse import Json, child, children, maybe_int, need_id, text

# How many names an error lists. A full Morpheus has hundreds of layouts.
MAX_NAMES = 40

# HVM clusters appear among the pools under this provider type; the vendor's Terraform provider
# (morpheus_mvm_instance) selects by it.
HVM_POOL_PROVIDER = "mvm"
# Before the id of a pool in lists of options and in requests.
POOL_PREFIX = "pool-"


@dataclass(frozen=True)
class Named:
    """Something that was looked up. `code` is "" where the appliance has none."""

    id: int
    name: str
    code: str = ""


def choose(kind: str, wanted: str, offered: Iterable[Named], *, prefix: str = "") -> Named:
    """Return the one whose name, code or id is `wanted`; a name wins over a code, both over an id.

    `prefix` may stand before the id, as in the API's lists of options ("network-20"). Raises
    `NoSuchObjectError`, naming what there is, or `AmbiguousNameError`.
    """
    offered = list(offered)
    for answers_to in attrgetter("name"), attrgetter("code"), _id_with(prefix), _id_with(""):
        found = [each for each in offered if answers_to(each) == wanted]
        if len(found) > 1:
            raise AmbiguousNameError(
                f'{len(found)} objects of kind {kind} are called "{wanted}".',
                hint=f"Give the id: {', '.join(str(each.id) for each in found)}.",
            )
        if found:
            return found[0]
    raise NoSuchObjectError(
        f'There is no {kind} "{wanted}".', hint=f"There are: {_listed(offered)}."
    )


def find_cloud(client: MorpheusClient, wanted: str) -> Named:
    """Return the cloud (the API's zone)."""
    return choose("cloud", wanted, _named(client.list_all("/api/zones", "zones")))


def find_group(client: MorpheusClient, wanted: str) -> Named:
    """Return the group (the API's site)."""
    return choose("group", wanted, _named(client.list_all("/api/groups", "groups")))


def find_cluster(client: MorpheusClient, wanted: str, cloud: Named) -> Named:
    """Return the cluster of this cloud."""
    found = client.list_all("/api/clusters", "clusters", {"zoneId": str(cloud.id)})
    return choose("cluster", wanted, _named(found))


def find_instance_type(client: MorpheusClient, wanted: str) -> Named:
    """Return the instance type."""
    return choose(
        "instance type", wanted, _named(client.list_all("/api/instance-types", "instanceTypes"))
    )


def find_layout(client: MorpheusClient, wanted: str, instance_type: Named) -> Named:
    """Return the layout of this instance type: layouts of several types share names."""
    found = client.list_all("/api/library/layouts", "instanceTypeLayouts")
    return choose(
        f"layout of instance type {instance_type.name}",
        wanted,
        _named(each for each in found if child(each, "instanceType").get("id") == instance_type.id),
    )


def find_plan(
    client: MorpheusClient, wanted: str, *, cloud: Named, layout: Named, group: Named
) -> Named:
    """Return the service plan, of those that this cloud, layout and group may use."""
    offered = list_plans(client, cloud=cloud, layout=layout, group=group)
    return choose("plan", wanted, _named(offered))


def list_plans(client: MorpheusClient, *, cloud: Named, layout: Named, group: Named) -> List[Json]:
    """Return the service plans that this cloud, layout and group may use, as the appliance tells them."""
    query = {"zoneId": str(cloud.id), "layoutId": str(layout.id), "siteId": str(group.id)}
    return children(client.get("/api/instances/service-plans", query), "plans")


def find_network(client: MorpheusClient, wanted: str, cloud: Named) -> Named:
    """Return the network of this cloud; the options list's form "network-20" is its id 20."""
    return choose("network", wanted, _named(list_networks(client, cloud)), prefix="network-")


def list_networks(client: MorpheusClient, cloud: Named) -> List[Json]:
    """Return the networks of this cloud, as the appliance tells them."""
    return client.list_all("/api/networks", "networks", {"zoneId": str(cloud.id)})


def find_datastore(
    client: MorpheusClient, wanted: str, *, cloud: Named, cluster: Optional[Named]
) -> Named:
    """Return the datastore of the cluster, or of the cloud if no cluster is named."""
    return choose(
        "datastore", wanted, _named(list_datastores(client, cloud=cloud, cluster=cluster))
    )


def list_datastores(
    client: MorpheusClient, *, cloud: Named, cluster: Optional[Named]
) -> List[Json]:
    """Return the datastores of the cluster, or of the cloud, as the appliance tells them."""
    path = (
        f"/api/clusters/{cluster.id}/datastores"
        if cluster
        else f"/api/zones/{cloud.id}/data-stores"
    )
    return client.list_all(path, "datastores")


def find_pool(client: MorpheusClient, wanted: str, *, cloud: Named, layout: Named) -> Named:
    """Return the resource pool that stands for an HVM cluster; "pool-5" is its id 5.

    The list with provider types is not in the vendor's API description, but it is what the vendor's
    Terraform provider uses; an appliance without it is asked for the cloud's pools.
    """
    pools = _hvm_pools(client, layout) or client.list_all(
        f"/api/zones/{cloud.id}/resource-pools", "resourcePools"
    )
    return choose("resource pool", wanted, _named(pools), prefix=POOL_PREFIX)


def _hvm_pools(client: MorpheusClient, layout: Named) -> List[Json]:
    answer = client.find("/api/options/zonePools", {"layoutId": str(layout.id)})
    return [
        {**each, "id": maybe_int(text(each.get("id")).replace(POOL_PREFIX, ""))}
        for each in children(answer or {}, "data")
        if each.get("providerType") == HVM_POOL_PROVIDER
    ]


def _named(things: Iterable[Json]) -> List[Named]:
    return [
        Named(need_id(each, "look-up"), text(each.get("name")), text(each.get("code")))
        for each in things
    ]


def _id_with(prefix: str) -> Callable[[Named], str]:
    return lambda each: f"{prefix}{each.id}"


def _listed(offered: Sequence[Named]) -> str:
    names = sorted({f"{each.name} ({each.code})" if each.code else each.name for each in offered})
    shown = ", ".join(names[:MAX_NAMES]) or "none that this user may see"
    more = len(names) - MAX_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
