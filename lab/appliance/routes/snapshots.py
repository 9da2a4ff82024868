# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of instances: taking, listing, returning to and deleting them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import requests, rules, snapshots, views
from ..records import now
from ..web import body_of, find_instance, find_snapshot, site_of, success


async def take_snapshot(request: Request) -> Response:
    """It is on its way, and in the list when it is whole; only its process has a number by then.

    The lab takes none of a running machine, whose disks it could not bring to rest.
    """
    instance, site = find_instance(request), site_of(request)
    wanted = requests.part(await body_of(request), "snapshot")
    rules.check_off(instance)
    name = str(wanted.get("name") or f"{instance.name}.{now()}")
    snapshot = snapshots.draw_up(site.records, instance, name, wanted.get("description"))

    async def take() -> None:
        await snapshots.take(snapshot, site.records, site.storage)

    process = site.lifecycle.work_aside(instance, "snapshot", take)
    return success(processIds=[process.id])


async def list_snapshots(request: Request) -> Response:
    """All of them: the description names neither `max` nor `offset` here."""
    instance, records = find_instance(request), site_of(request).records
    shown = [views.snapshot(each, records) for each in records.snapshots_of(instance)]
    return JSONResponse({"snapshots": shown})


async def show_snapshot(request: Request) -> Response:
    shown = views.snapshot(find_snapshot(request), site_of(request).records)
    return JSONResponse({"snapshot": shown})


async def revert_to_snapshot(request: Request) -> Response:
    """The instance is `restoring` until its volumes are what they were."""
    instance, snapshot = find_instance(request), find_snapshot(request, "snapshot")
    site = site_of(request)
    undoes_moves = site.behaviour.revert_undoes_moves
    rules.check_revert(site.records, instance, snapshot, undoes_moves=undoes_moves)

    async def revert() -> None:
        await snapshots.revert(snapshot, site.records, site.storage, undoes_moves=undoes_moves)

    site.lifecycle.revert(instance, revert)
    return success()


async def delete_snapshot(request: Request) -> Response:
    """It is on its way out, and gone when its data is with those that lean on it."""
    snapshot, site = find_snapshot(request), site_of(request)
    instance = site.records.instances[snapshot.instance]
    rules.check_off(instance)

    async def delete() -> None:
        await snapshots.delete(snapshot, site.records, site.storage)

    site.lifecycle.work_aside(instance, "deleteSnapshot", delete)
    return success()


ROUTES = [
    Route("/api/instances/{id}/snapshot", take_snapshot, methods=["PUT"]),
    Route("/api/instances/{id}/snapshots", list_snapshots, methods=["GET"]),
    Route("/api/instances/{id}/revert-snapshot/{snapshot}", revert_to_snapshot, methods=["PUT"]),
    Route("/api/snapshots/{id}", show_snapshot, methods=["GET"]),
    Route("/api/snapshots/{id}", delete_snapshot, methods=["DELETE"]),
]
