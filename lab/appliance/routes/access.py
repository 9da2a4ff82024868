# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in, and who one is then."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import catalog
from ..settings import BUILD_VERSION
from ..web import site_of


async def give_token(request: Request) -> Response:
    """OAuth's password and refresh grants; clients put the parameters into the query or the form."""
    form = parse_qsl((await request.body()).decode(errors="replace"))
    given = {**request.query_params, **dict(form)}
    tokens, client = site_of(request).tokens, given.get("client_id", "")
    if given.get("grant_type") == "refresh_token":
        token = tokens.refresh(client, given.get("refresh_token", ""))
    elif given.get("grant_type") == "password":
        token = tokens.log_in(client, given.get("username", ""), given.get("password", ""))
    else:
        return _oauth_error(400, "unsupported_grant_type", "Use password or refresh_token")
    if token is None:
        return _oauth_error(401, "invalid_grant", "Bad credentials")
    return JSONResponse(token.as_json())


async def tell_user(request: Request) -> Response:
    user = {
        "id": 1,
        "username": site_of(request).tokens.username,
        "displayName": "Lab Operator",
        "enabled": True,
        "account": catalog.ACCOUNT,
        "accountId": catalog.ACCOUNT["id"],
        "roles": [{"id": 1, "authority": "System Admin", "description": None}],
    }
    permissions = [
        {"name": "Provisioning: Instances", "code": "provisioning", "access": "full"},
        {"name": "Infrastructure: Storage", "code": "infrastructure-storage", "access": "full"},
    ]
    return JSONResponse(
        {
            "user": user,
            "isMasterAccount": True,
            "permissions": permissions,
            "appliance": {"buildVersion": BUILD_VERSION},
        }
    )


async def ping(request: Request) -> Response:
    """The version is for those who are logged in."""
    version = BUILD_VERSION if request.headers.get("authorization") else ""
    return JSONResponse({"success": True, "buildVersion": version})


def _oauth_error(status: int, error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status)


ROUTES = [
    Route("/oauth/token", give_token, methods=["POST"]),
    Route("/api/whoami", tell_user, methods=["GET"]),
    Route("/api/ping", ping, methods=["GET"]),
]
