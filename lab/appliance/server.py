# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application: all routes, with the faults around the bearer's check around the endpoints."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from ..certificate import ensure_certificate
from .faults import FaultMiddleware
from .refusals import RefusedError
from .routes import access, images, instances, lookups, servers, snapshots, switches
from .settings import ApplianceSettings
from .site import Site, build_site
from .web import BearerMiddleware, answer_failure, answer_http_error, answer_refusal

# Look-ups first: /api/instances/service-plans is not an instance called service-plans.
ROUTES = [
    *access.ROUTES,
    *lookups.ROUTES,
    *images.ROUTES,
    *instances.ROUTES,
    *servers.ROUTES,
    *snapshots.ROUTES,
    *switches.ROUTES,
]


def build_app(site: Site) -> Starlette:
    """The appliance as an ASGI application; its machines outlive it."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        site.lifecycle.resume()
        yield
        await site.lifecycle.close()

    app = Starlette(
        routes=ROUTES,
        lifespan=lifespan,
        middleware=[
            Middleware(FaultMiddleware, faults=site.faults),
            Middleware(BearerMiddleware, tokens=site.tokens),
        ],
        exception_handlers={
            RefusedError: answer_refusal,
            HTTPException: answer_http_error,
            Exception: answer_failure,
        },
    )
    app.state.site = site
    return app


def serve(settings: ApplianceSettings, address: str, port: int) -> None:
    """Answer on https://address:port until SIGTERM; port 0 lets the kernel choose.

    The URL is in the file `endpoint` of the appliance's directory as soon as clients may come.
    """
    site = build_site(settings)
    ensure_certificate(settings.certificate, settings.key, address)
    config = uvicorn.Config(
        build_app(site),
        ssl_certfile=settings.certificate,
        ssl_keyfile=str(settings.key),
        log_level="warning",
        # Clients that hold a connection open must not keep the appliance from ending.
        timeout_graceful_shutdown=1,
    )
    with socket.create_server((address, port)) as listener:
        host, chosen = listener.getsockname()[:2]
        settings.endpoint.write_text(f"https://{host}:{chosen}\n")
        asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))
