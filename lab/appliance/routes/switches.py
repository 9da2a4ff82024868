# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own endpoints, which no appliance has: behaviour and faults, for tests of clients.

GET|PUT /lab/config          see settings.Behaviour
GET|POST|DELETE /lab/faults  see faults.Fault
GET /lab/launches            see records.Launch: every machine that was ever started
"""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..web import body_of, site_of


async def show_behaviour(request: Request) -> Response:
    return JSONResponse(site_of(request).behaviour.as_json())


async def change_behaviour(request: Request) -> Response:
    site_of(request).behaviour.change(await body_of(request))
    return await show_behaviour(request)


async def list_faults(request: Request) -> Response:
    return JSONResponse({"faults": site_of(request).faults.as_json()})


async def add_fault(request: Request) -> Response:
    site_of(request).faults.add(await body_of(request))
    return await list_faults(request)


async def clear_faults(request: Request) -> Response:
    site_of(request).faults.clear()
    return await list_faults(request)


async def list_launches(request: Request) -> Response:
    launches = [asdict(each) for each in site_of(request).records.launches]
    return JSONResponse({"launches": launches})


ROUTES = [
    Route("/lab/config", show_behaviour, methods=["GET"]),
    Route("/lab/config", change_behaviour, methods=["PUT"]),
    Route("/lab/faults", list_faults, methods=["GET"]),
    Route("/lab/faults", add_fault, methods=["POST"]),
    Route("/lab/faults", clear_faults, methods=["DELETE"]),
    Route("/lab/launches", list_launches, methods=["GET"]),
]
