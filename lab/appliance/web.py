# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all of the API's endpoints share: reading a request, the shapes of answers, lists, the bearer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from json import JSONDecodeError
from typing import Any, TypeVar, cast

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .records import Image, Instance, Snapshot, Volume
from .refusals import RefusedError, not_found
from .site import Site
from .tokens import Tokens

Json = Mapping[str, Any]
Record = TypeVar("Record")

# How many entries a list has unless `max` says otherwise; -1 means all of them.
PAGE = 25
# Endpoints that need no bearer: the login, and the lab's own switches.
OPEN_PATHS = ("/oauth/", "/lab/")


def site_of(request: Request) -> Site:
    return cast(Site, request.app.state.site)


async def body_of(request: Request) -> Json:
    """The request's JSON object; an empty one for no body, `null`, or the form of a generic client."""
    content = (await request.body()).strip()
    if not content:
        return {}
    try:
        value = json.loads(content)
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise RefusedError("The body is not JSON") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RefusedError("The body is not a JSON object")
    return value


def flag(request: Request, name: str) -> bool:
    """A switch of the query: `on` and `true` are on, in any case; anything else is off."""
    return request.query_params.get(name, "").lower() in {"on", "true"}


def success(**content: Any) -> Response:
    return JSONResponse({"success": True, **content})


def page(
    request: Request, key: str, entries: Iterable[Json], *, exact: Sequence[str] = ("name",)
) -> Response:
    """A list as the API gives it: filtered, sorted by name, cut by `max` and `offset`.

    `exact` names the query parameters that select entries by a field of the same name.
    """
    found = [entry for entry in entries if _is_wanted(request, entry, exact)]
    backwards = request.query_params.get("direction") == "desc"
    sort = request.query_params.get("sort", "name")
    found.sort(key=lambda entry: str(entry.get(sort, "")), reverse=backwards)
    size, offset = _count(request, "max", PAGE), _count(request, "offset", 0)
    shown = found[offset:] if size < 0 else found[offset : offset + size]
    meta = {"offset": offset, "max": size, "size": len(shown), "total": len(found)}
    return JSONResponse({key: shown, "meta": meta})


def find_image(request: Request) -> Image:
    """The image that the path names by id. Raises RefusedError, 404."""
    images = site_of(request).records.images
    return _find(
        images.values(), request.path_params["id"], "Virtual image", lambda each: [each.id]
    )


def find_instance(request: Request) -> Instance:
    """The instance that the path names by id or uuid. Raises RefusedError, 404."""
    instances = site_of(request).records.instances.values()
    wanted = request.path_params["id"]
    return _find(instances, wanted, "Instance", lambda each: [each.id, each.uuid])


def find_server(request: Request) -> Instance:
    """The instance whose server the path names by id or uuid. Raises RefusedError, 404."""
    instances = site_of(request).records.instances.values()
    wanted = request.path_params["id"]
    return _find(instances, wanted, "Server", lambda each: [each.server, each.server_uuid])


def find_volume(request: Request, parameter: str = "id") -> Volume:
    """The volume that the path names by id or uuid. Raises RefusedError, 404."""
    volumes = site_of(request).records.volumes.values()
    wanted = request.path_params[parameter]
    return _find(volumes, wanted, "Storage volume", lambda each: [each.id, each.uuid])


def find_snapshot(request: Request, parameter: str = "id") -> Snapshot:
    """The snapshot that the path names by id. Raises RefusedError, 404."""
    snapshots = site_of(request).records.snapshots.values()
    wanted = request.path_params[parameter]
    return _find(snapshots, wanted, "Snapshot", lambda each: [each.id])


async def answer_refusal(_request: Request, error: Exception) -> Response:
    refusal = cast(RefusedError, error)
    content = {"success": False, "msg": refusal.message, "errors": refusal.errors}
    return JSONResponse(content, refusal.status)


async def answer_http_error(_request: Request, error: Exception) -> Response:
    """Unknown paths and methods: only a message, as the vendor shows it."""
    http_error = cast(HTTPException, error)
    return JSONResponse({"msg": http_error.detail}, http_error.status_code)


async def answer_failure(_request: Request, error: Exception) -> Response:
    """What went wrong in the appliance itself."""
    return JSONResponse({"success": False, "msg": f"Internal Server Error: {error}"}, 500)


class BearerMiddleware:
    """Nothing but the open paths is answered without a valid token; the scheme's case is free."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._may_pass(scope):
            await self._app(scope, receive, send)
            return
        content = {
            "success": False,
            "msg": "Unauthorized: log in, or check the Authorization header",
        }
        await JSONResponse(content, 401)(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        if scope["path"].startswith(OPEN_PATHS):
            return True
        header = Headers(scope=scope).get("authorization", "")
        scheme, _unused, token = header.partition(" ")
        anonymous_ping = scope["path"] == "/api/ping" and not header
        return anonymous_ping or (scheme.lower() == "bearer" and self._tokens.is_valid(token))


def _is_wanted(request: Request, entry: Json, exact: Sequence[str]) -> bool:
    query = request.query_params
    if any(name in query and str(entry.get(name)) != query[name] for name in exact):
        return False
    labels = query.getlist("labels")
    if labels and set(labels).isdisjoint(entry.get("labels", [])):
        return False
    return query.get("phrase", "").lower() in str(entry.get("name", "")).lower()


def _count(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.removeprefix("-").isdigit():
        raise RefusedError(f"{name} must be a number, not {text!r}")
    return int(text)


def _find(
    records: Iterable[Record], wanted: str, kind: str, names: Callable[[Record], Sequence[object]]
) -> Record:
    for record in records:
        if wanted in [str(name) for name in names(record)]:
            return record
    raise not_found(kind, wanted)
