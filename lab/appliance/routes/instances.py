# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances: making, showing, changing, starting, stopping and removing them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import reconfigure, requests, rules, views
from ..records import Instance
from ..refusals import RefusedError
from ..site import Site
from ..web import body_of, find_instance, flag, page, site_of, success


async def list_instances(request: Request) -> Response:
    records = site_of(request).records
    shown = [views.instance(instance, records) for instance in records.instances.values()]
    wanted_tags = _tag_filters(request)
    shown = [each for each in shown if all(tag in each["tags"] for tag in wanted_tags)]
    return page(request, "instances", shown, exact=("name", "status"))


async def show_instance(request: Request) -> Response:
    """With `details=true` also the containers, each with its server."""
    instance, records = find_instance(request), site_of(request).records
    shown = views.instance(instance, records)
    if flag(request, "details"):
        shown["containerDetails"] = [views.container(instance, records)]
    return JSONResponse({"instance": shown})


async def create_instance(request: Request) -> Response:
    site = site_of(request)
    creation = requests.read_creation(await body_of(request), site.records)
    rules.check_space(sum(volume.size for volume in creation.volumes), site.free_space)
    if creation.content:
        needed = await site.storage.virtual_size(creation.content)
        root = next(volume for volume in creation.volumes if volume.root)
        rules.check_image_fits(creation.content, needed, root.size)
    instance = creation.instance
    site.records.instances[instance.id] = instance
    site.records.volumes.update({volume.id: volume for volume in creation.volumes})
    site.lifecycle.provision(instance, creation.volumes, creation.content, start=creation.start)
    return success(instance=views.instance(instance, site.records))


async def update_instance(request: Request) -> Response:
    """Name, description, labels and tags; `tags` replaces them, `addTags`/`removeTags` change them."""
    instance, records = find_instance(request), site_of(request).records
    wanted = requests.part(await body_of(request), "instance")
    if wanted.get("name", instance.name) != instance.name:
        rules.check_name(records, str(wanted["name"]))
        instance.name = str(wanted["name"])
    instance.description = wanted.get("description", instance.description)
    if "labels" in wanted:
        instance.labels = [str(label) for label in wanted["labels"] or []]
    if isinstance(wanted.get("tags"), list):
        instance.tags = requests.read_tags(wanted["tags"])
    instance.tags.update(requests.read_tags(wanted.get("addTags")))
    for pair in requests.entries(wanted, "removeTags"):
        instance.tags.pop(str(pair.get("name")), None)
    records.save()
    return success(instance=views.instance(instance, records))


async def start_instance(request: Request) -> Response:
    instance = find_instance(request)
    if flag(request, "server"):
        site_of(request).lifecycle.start(instance)
    return _results(instance)


async def stop_instance(request: Request) -> Response:
    """Without `server=true` only the service inside is meant, and the machine goes on running."""
    instance = find_instance(request)
    if flag(request, "server"):
        site_of(request).lifecycle.stop(instance)
    return _results(instance)


async def resize_instance(request: Request) -> Response:
    instance, site = find_instance(request), site_of(request)
    begin_resize(site, instance, await body_of(request))
    return success(instance=views.instance(instance, site.records))


async def eject_media(request: Request) -> Response:
    """The drives are empty: of the instance in the path, or of all that the query's `ids` name."""
    site = site_of(request)
    for instance in _named(request, site):
        rules.check_off(instance)
        instance.medium = None
    site.records.save()
    return success()


async def lock_instance(request: Request) -> Response:
    return _set_lock(request, locked=True)


async def unlock_instance(request: Request) -> Response:
    return _set_lock(request, locked=False)


async def delete_instance(request: Request) -> Response:
    """`preserveVolumes` leaves the volumes behind; without it they are deleted with the instance.

    The old switch `removeVolumes` says the opposite, so both at once are refused.
    """
    keep, drop = flag(request, "preserveVolumes"), flag(request, "removeVolumes")
    if keep and drop:
        raise RefusedError("preserveVolumes and removeVolumes exclude each other")
    lifecycle = site_of(request).lifecycle
    lifecycle.remove(find_instance(request), keep_volumes=keep, force=flag(request, "force"))
    return success()


async def show_history(request: Request) -> Response:
    instance, records = find_instance(request), site_of(request).records
    mine = [each for each in records.processes.values() if each.instance == instance.id]
    return page(request, "processes", [views.process(each) for each in mine])


def begin_resize(site: Site, instance: Instance, body: Mapping[str, Any]) -> None:
    """Begin the resize that the body asks for; the servers' endpoint does the same."""
    rules.check_off(instance)
    resize = reconfigure.read_resize(body, instance, site.records)
    rules.check_space(resize.growth(site.records), site.free_space)

    async def work() -> None:
        await reconfigure.carry_out(resize, instance, site.records, site.storage)

    site.lifecycle.resize(instance, work)


def _tag_filters(request: Request) -> list[dict[str, str]]:
    """The query's `tags.<name>=<value>`, as the vendor writes a filter by tag."""
    return [
        {"name": name.removeprefix("tags."), "value": value}
        for name, value in request.query_params.multi_items()
        if name.startswith("tags.")
    ]


def _named(request: Request, site: Site) -> Iterable[Instance]:
    if "id" in request.path_params:
        return [find_instance(request)]
    wanted = set(request.query_params.get("ids", "").split(","))
    return [each for each in site.records.instances.values() if str(each.id) in wanted]


def _results(instance: Instance) -> Response:
    return success(results={str(instance.id): {"success": True, "msg": None}})


def _set_lock(request: Request, *, locked: bool) -> Response:
    find_instance(request).locked = locked
    site_of(request).records.save()
    return success()


ROUTES = [
    Route("/api/instances", list_instances, methods=["GET"]),
    Route("/api/instances", create_instance, methods=["POST"]),
    # Before the paths with an id, which would take the word for one.
    Route("/api/instances/eject", eject_media, methods=["PUT"]),
    Route("/api/instances/{id}", show_instance, methods=["GET"]),
    Route("/api/instances/{id}", update_instance, methods=["PUT"]),
    Route("/api/instances/{id}", delete_instance, methods=["DELETE"]),
    Route("/api/instances/{id}/start", start_instance, methods=["PUT"]),
    Route("/api/instances/{id}/stop", stop_instance, methods=["PUT"]),
    Route("/api/instances/{id}/resize", resize_instance, methods=["PUT"]),
    Route("/api/instances/{id}/eject", eject_media, methods=["PUT"]),
    Route("/api/instances/{id}/lock", lock_instance, methods=["PUT"]),
    Route("/api/instances/{id}/unlock", unlock_instance, methods=["PUT"]),
    Route("/api/instances/{id}/history", show_history, methods=["GET"]),
]
