# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers (the VMs behind instances), the volumes that come and go there, and storage volumes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import requests, rules, views
from ..records import Instance
from ..site import Site
from ..web import body_of, find_server, find_volume, page, site_of, success
from .instances import begin_resize


async def list_servers(request: Request) -> Response:
    records = site_of(request).records
    shown = [views.server(instance, records) for instance in records.instances.values()]
    return page(request, "servers", shown, exact=("name", "uuid", "powerState"))


async def show_server(request: Request) -> Response:
    records = site_of(request).records
    return JSONResponse({"server": views.server(find_server(request), records)})


async def start_server(request: Request) -> Response:
    site_of(request).lifecycle.start(find_server(request))
    return success()


async def stop_server(request: Request) -> Response:
    site_of(request).lifecycle.stop(find_server(request))
    return success()


async def resize_server(request: Request) -> Response:
    instance, site = find_server(request), site_of(request)
    begin_resize(site, instance, await body_of(request))
    return success(server=views.server(instance, site.records))


async def attach_volume(request: Request) -> Response:
    """The volume is on its way to the server; it is among the server's volumes when it is there."""
    instance, volume = find_server(request), find_volume(request, "volume")
    body, site = await body_of(request), site_of(request)
    unit, root = requests.read_mount_point(body, instance), bool(body.get("rootVolume"))
    rules.check_attach(site.records, instance, volume, unit=unit, root=root)
    _check_move(site, instance)

    async def attach() -> None:
        volume.instance, volume.unit, volume.root = instance.id, unit, root

    site.lifecycle.work_aside(instance, "attachVolume", attach)
    return success()


async def detach_volume(request: Request) -> Response:
    """The volume is on its way from the server; `force` changes nothing of what is legal here."""
    instance, volume = find_server(request), find_volume(request, "volume")
    site = site_of(request)
    rules.check_detach(instance, volume)
    _check_move(site, instance)

    async def detach() -> None:
        volume.release()

    site.lifecycle.work_aside(instance, "detachVolume", detach)
    return success()


async def list_volumes(request: Request) -> Response:
    records = site_of(request).records
    shown = [views.volume(volume, records) for volume in records.volumes.values()]
    return page(request, "storageVolumes", shown, exact=("name", "uuid"))


async def show_volume(request: Request) -> Response:
    shown = views.volume(find_volume(request), site_of(request).records)
    return JSONResponse({"storageVolume": shown})


async def delete_volume(request: Request) -> Response:
    volume, site = find_volume(request), site_of(request)
    rules.check_volume_removal(site.records, volume)
    site.storage.delete_volume(volume)
    site.records.forget_volume(volume)
    site.records.save()
    return success()


def _check_move(site: Site, instance: Instance) -> None:
    allowed = site.behaviour.moves_under_snapshot
    rules.check_move(site.records, instance, under_snapshot=allowed)


ROUTES = [
    Route("/api/servers", list_servers, methods=["GET"]),
    Route("/api/servers/{id}", show_server, methods=["GET"]),
    Route("/api/servers/{id}/start", start_server, methods=["PUT"]),
    Route("/api/servers/{id}/stop", stop_server, methods=["PUT"]),
    Route("/api/servers/{id}/resize", resize_server, methods=["PUT"]),
    Route("/api/servers/{id}/volumes/{volume}/attach", attach_volume, methods=["PUT"]),
    Route("/api/servers/{id}/volumes/{volume}/detach", detach_volume, methods=["PUT"]),
    Route("/api/storage-volumes", list_volumes, methods=["GET"]),
    Route("/api/storage-volumes/{id}", show_volume, methods=["GET"]),
    Route("/api/storage-volumes/{id}", delete_volume, methods=["DELETE"]),
]
