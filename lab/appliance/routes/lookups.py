# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the appliance offers: read-only lists out of its catalogue, and the list of processes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import catalog, views
from ..refusals import RefusedError
from ..web import page, site_of, success

Endpoint = Callable[[Request], Awaitable[Response]]


async def list_datastores(request: Request) -> Response:
    return page(request, "datastores", [site_of(request).datastore])


async def show_datastore(request: Request) -> Response:
    offered = [site_of(request).datastore]
    return JSONResponse(
        {"datastore": catalog.pick(offered, request.path_params["id"], "datastore")}
    )


async def list_provision_plans(_request: Request) -> Response:
    """The plans as they are offered while an instance is being described; not a paged list."""
    plans = [{**plan, "datastores": {"cluster": [], "store": []}} for plan in catalog.PLANS]
    return JSONResponse({"plans": plans})


async def list_pool_options(_request: Request) -> Response:
    """The pools for a layout; not in the vendor's description, but used by its Terraform provider."""
    return success(data=[{**catalog.POOL, "providerType": "mvm"}])


async def list_network_options(_request: Request) -> Response:
    """The networks for an instance, with ids as `networkInterfaces` takes them."""
    networks = [
        {"id": f"network-{each['id']}", "name": each["name"], "dhcpServer": each["dhcpServer"]}
        for each in catalog.NETWORKS
    ]
    return success(data={"hasNetworks": True, "maxNetworks": None, "networks": networks})


async def list_processes(request: Request) -> Response:
    shown = [views.process(process) for process in site_of(request).records.processes.values()]
    return page(request, "processes", shown, exact=("instanceId", "serverId"))


async def show_process(request: Request) -> Response:
    wanted = request.path_params["id"]
    for process in site_of(request).records.processes.values():
        if str(process.id) == wanted:
            return JSONResponse({"process": views.process(process)})
    raise RefusedError(f"Process not found with id {wanted}", status=404)


def _list_of(
    key: str, entries: Sequence[catalog.Entry], exact: Sequence[str] = ("name", "code")
) -> Endpoint:
    async def list_entries(request: Request) -> Response:
        return page(request, key, entries, exact=exact)

    return list_entries


def _one_of(key: str, entries: Sequence[catalog.Entry]) -> Endpoint:
    async def show_entry(request: Request) -> Response:
        return JSONResponse({key: catalog.pick(entries, request.path_params["id"], key)})

    return show_entry


def _get(path: str, endpoint: Endpoint) -> Route:
    return Route(path, endpoint, methods=["GET"])


ROUTES = [
    _get("/api/zones", _list_of("zones", catalog.ZONES)),
    _get("/api/zones/{id}", _one_of("zone", catalog.ZONES)),
    _get("/api/zones/{zone}/resource-pools", _list_of("resourcePools", catalog.RESOURCE_POOLS)),
    _get("/api/zones/{zone}/data-stores", list_datastores),
    _get("/api/groups", _list_of("groups", catalog.GROUPS)),
    _get("/api/groups/{id}", _one_of("group", catalog.GROUPS)),
    _get("/api/clusters", _list_of("clusters", catalog.CLUSTERS)),
    _get("/api/clusters/{id}", _one_of("cluster", catalog.CLUSTERS)),
    _get("/api/clusters/{cluster}/datastores", list_datastores),
    _get("/api/data-stores", list_datastores),
    _get("/api/data-stores/{id}", show_datastore),
    _get("/api/service-plans", _list_of("servicePlans", catalog.PLANS)),
    _get("/api/service-plans/{id}", _one_of("servicePlan", catalog.PLANS)),
    _get("/api/instances/service-plans", list_provision_plans),
    _get("/api/instance-types", _list_of("instanceTypes", catalog.INSTANCE_TYPES)),
    _get("/api/library/instance-types", _list_of("instanceTypes", catalog.INSTANCE_TYPES)),
    _get("/api/library/layouts", _list_of("instanceTypeLayouts", catalog.LAYOUTS)),
    _get("/api/library/layouts/{id}", _one_of("instanceTypeLayout", catalog.LAYOUTS)),
    _get("/api/library/operating-systems/os-types", _list_of("osTypes", catalog.OS_TYPES)),
    _get("/api/networks", _list_of("networks", catalog.NETWORKS)),
    _get("/api/networks/{id}", _one_of("network", catalog.NETWORKS)),
    _get("/api/options/zonePools", list_pool_options),
    _get("/api/options/zoneNetworkOptions", list_network_options),
    _get("/api/storage-volume-types", _list_of("storageVolumeTypes", catalog.VOLUME_TYPES)),
    _get("/api/provision-types", _list_of("provisionTypes", catalog.PROVISION_TYPES)),
    _get("/api/processes", list_processes),
    _get("/api/processes/{id}", show_process),
]
