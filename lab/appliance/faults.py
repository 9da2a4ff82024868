# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that go wrong on purpose: the lab's switch for tests of clients.

A fault is for the next so many requests whose method and path match. It may only delay them, answer
in the place of the appliance, or answer after the appliance has carried them out: the lost answer
that a client must survive.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .refusals import RefusedError


@dataclass
class Fault:
    """One fault. `status` None: nothing but the delay, in seconds."""

    path: str
    method: str = ""
    times: int = 1
    status: int | None = None
    message: str = "Internal Server Error"
    # A proxy's page in the place of JSON.
    html: bool = False
    # The request is carried out, and only its answer is this one.
    carried_out: bool = False
    delay: float = 0.0

    def matches(self, method: str, path: str) -> bool:
        same_method = self.method in {"", method}
        return self.times > 0 and same_method and re.search(self.path, path) is not None

    def answer(self) -> Response:
        status = self.status or 500
        if self.html:
            return HTMLResponse(f"<html><body>{self.message}</body></html>", status)
        return JSONResponse({"success": False, "msg": self.message}, status)


class Faults:
    """The faults that are set."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, wanted: Mapping[str, Any]) -> None:
        """Raises RefusedError for a fault that cannot be."""
        try:
            fault = Fault(**wanted)
            re.compile(fault.path)
        except (TypeError, re.error) as error:
            raise RefusedError(f"This is no fault: {error}") from error
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The first fault for this request, once less from now on."""
        fault = next((each for each in self._faults if each.matches(method, path)), None)
        if fault:
            fault.times -= 1
        return fault

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._faults]


class FaultMiddleware:
    """Lets the faults have their way, around the whole application but the lab's own endpoints."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_request = scope["type"] == "http" and not scope["path"].startswith("/lab/")
        fault = self._faults.take(scope["method"], scope["path"]) if is_request else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        await asyncio.sleep(fault.delay)
        if fault.status is None:
            await self._app(scope, receive, send)
            return
        if fault.carried_out:
            await self._app(scope, receive, _swallow)
        else:
            await _drain(Request(scope, receive))
        await fault.answer()(scope, receive, send)


async def _drain(request: Request) -> None:
    """The body has been sent: a client in the middle of an upload would not see the answer."""
    async for _unused in request.stream():
        pass


async def _swallow(message: Any) -> None:
    """The answer that nobody gets."""
