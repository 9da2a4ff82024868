# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The client of a Morpheus appliance. PRIVATE to the collection.

Every call of every resource passes `MorpheusClient.request`: login, repeating, judging and hiding
secrets happen there and nowhere else. Above the transport, below the resource files.

    resource file -> request -> login if needed -> repeat on passing faults -> transport
                        <- judge: JSON, success flag, error classes <-
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union
from urllib.parse import urlencode

from ..errors import TransientError
from ..waiting import SYSTEM_CLOCK, Clock
from . import judge
from .errors import (
    BusyError,
    GoneError,
    LoginError,
    TooOldError,
    UnexpectedAnswerError,
    UnreachableError,
)
from .parse import Json, child, children, need_id, text
from .transport import Answer, Request, Transport, Upload

# Attach and detach came with 8.0.6, `rootVolume` of attach with 8.0.8: the vendor's API
# descriptions, branches 8.0.5 to 8.0.8, paths/api@servers@id@volumes@id@attach.yaml.
OLDEST_VERSION = (8, 0, 8)

# The API's own default is 25; the vendor's clients ask for up to 100 in their lists.
PAGE_SIZE = 100

# Safe to send twice: a read, and a removal that is done when it is answered, whose second answer
# (404) means that the first was heard. One that goes on in the appliance's own time is sent `once`:
# a second is refused while the first is under way.
REPEATABLE = ("GET", "DELETE")


@dataclass(frozen=True)
class Token:
    """An access token made on the appliance. It cannot be renewed here when it expires."""

    value: str = field(repr=False)


@dataclass(frozen=True)
class Password:
    """A user's name and password, exchanged for a token when the first request needs one.

    A sub-tenant's user is named `subdomain\\user`.
    """

    username: str
    value: str = field(repr=False)


Credentials = Union[Token, Password]


class Patience(NamedTuple):
    """How often, and after which pauses in seconds, a repeatable request is sent again.

    The defaults add up to about 15 s: a reload of the appliance's web server, not its restart (for
    that the waiting above the client is patient).
    """

    attempts: int = 5
    first_pause: float = 1.0
    longest_pause: float = 20.0


USUAL_PATIENCE = Patience()


class MorpheusClient:
    """Speaks to one appliance as one user. Not for use by several threads at once."""

    def __init__(
        self,
        transport: Transport,
        credentials: Credentials,
        *,
        clock: Clock = SYSTEM_CLOCK,
        patience: Patience = USUAL_PATIENCE,
    ) -> None:
        self._transport = transport
        self._credentials = credentials
        self._clock = clock
        self._patience = patience
        self._token = credentials.value if isinstance(credentials, Token) else ""

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Optional[Mapping[str, str]] = None,
        body: Union[Json, Upload, None] = None,
        timeout: Optional[float] = None,
        once: bool = False,
    ) -> Json:
        """Return the answer's JSON object; it does not carry `success: false`.

        `body` is sent as JSON, or as a stream of octets. An expired token is renewed once. GET and
        DELETE are repeated on passing faults; other methods, and what is sent `once`, only when nothing of them was sent, or
        the appliance said (429) that it did not look at them: for those the caller looks first
        whether they were heard. Raises the classes of `.errors`.
        """
        request = Request(method, path, query or {}, _headers(body), _encoded(body), once)
        answer = self._exchange_logged_in(request, timeout)
        return judge.judged(request, answer, secrets=self._secrets())

    def get(self, path: str, query: Optional[Mapping[str, str]] = None) -> Json:
        """Return the object at `path`. Raises `GoneError` if there is none."""
        return self.request("GET", path, query=query)

    def find(self, path: str, query: Optional[Mapping[str, str]] = None) -> Optional[Json]:
        """Return the object at `path`, None if there is none."""
        try:
            return self.get(path, query)
        except GoneError:
            return None

    def remove(
        self, path: str, query: Optional[Mapping[str, str]] = None, *, once: bool = False
    ) -> None:
        """Ask to remove the object at `path`; one that is gone already is a success."""
        try:
            self.request("DELETE", path, query=query, once=once)
        except GoneError:
            return

    def list_all(
        self, path: str, key: str, query: Optional[Mapping[str, str]] = None
    ) -> List[Json]:
        """Return every object of a list, page by page, each once.

        Some lists ignore `offset` (networks, data stores: their description has none) and would
        send the first page for ever: a page that brings nothing new is the last one.
        """
        found: Dict[int, Json] = {}
        while True:
            page_query = {**(query or {}), "max": str(PAGE_SIZE), "offset": str(len(found))}
            answer = self.get(path, page_query)
            before = len(found)
            page = children(answer, key)
            found.update((need_id(each, key), each) for each in page)
            if len(found) == before or _is_last(answer, page_length=len(page), seen=len(found)):
                return list(found.values())

    def require_version(self, oldest: Tuple[int, ...] = OLDEST_VERSION) -> str:
        """Return the appliance's version. Raises `TooOldError` below `oldest`."""
        version = text(child(self.get("/api/whoami"), "appliance").get("buildVersion"))
        numbers = version_numbers(version)
        if not numbers:
            raise UnexpectedAnswerError(
                f'The appliance at {self._transport} gives "{version}" as its version.',
                hint="Check that the url is that of a Morpheus appliance.",
            )
        if numbers < oldest:
            needed = ".".join(str(number) for number in oldest)
            raise TooOldError(
                f"The appliance at {self._transport} has version {version}, Ferry needs {needed}.",
                hint="Earlier ones cannot make an attached volume the boot volume. Update it.",
            )
        return version

    def _exchange_logged_in(self, request: Request, timeout: Optional[float]) -> Answer:
        fresh = not self._token
        self._ensure_token()
        answer = self._exchange_patiently(self._authorized(request), timeout)
        if answer.status != 401:
            return answer
        if fresh or isinstance(self._credentials, Token):
            raise LoginError(
                f"The appliance at {self._transport} does not accept the"
                f" {'token' if isinstance(self._credentials, Token) else 'login'} for {request}.",
                hint="Give a valid token, or username and password.",
            )
        self._token = ""
        _rewind(request)
        return self._exchange_logged_in(request, timeout)

    def _ensure_token(self) -> None:
        credentials = self._credentials
        if self._token or isinstance(credentials, Token):
            return
        form = {"username": credentials.username, "password": credentials.value}
        request = Request(
            "POST",
            "/oauth/token",
            {"grant_type": "password", "scope": "write", "client_id": "morph-api"},
            {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"},
            urlencode(form).encode(),
        )
        answer = self._exchange_patiently(request, None)
        # OAuth answers wrong credentials with 400 or 401 (RFC 6749, 5.2).
        if answer.status in (400, 401):
            raise LoginError(
                f'The appliance at {self._transport} refuses user "{credentials.username}".',
                hint="Check username and password; a sub-tenant's user is subdomain\\user.",
            )
        self._token = text(
            judge.judged(request, answer, secrets=self._secrets()).get("access_token")
        )

    def _authorized(self, request: Request) -> Request:
        headers = {**request.headers, "Authorization": f"Bearer {self._token}"}
        return replace(request, headers=headers)

    def _exchange_patiently(self, request: Request, timeout: Optional[float]) -> Answer:
        pause = self._patience.first_pause
        for _attempt in range(self._patience.attempts - 1):
            try:
                return self._exchange(request, timeout)
            except TransientError as fault:
                if not _may_repeat(request, fault):
                    raise
                self._clock.sleep(min(_wanted_pause(fault, pause), self._patience.longest_pause))
                _rewind(request)
                pause *= 2
        return self._exchange(request, timeout)

    def _exchange(self, request: Request, timeout: Optional[float]) -> Answer:
        answer = self._transport.exchange(request, timeout=timeout)
        judge.raise_if_busy(request, answer, secrets=self._secrets())
        return answer

    def _secrets(self) -> Tuple[str, ...]:
        return (self._token, self._credentials.value)


def version_numbers(version: str) -> Tuple[int, ...]:
    """Return the numbers of a version: "8.0.13-2" is (8, 0, 13); () if it starts with none."""
    numbers = []
    for part in version.partition("-")[0].split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _headers(body: Union[Json, Upload, None]) -> Dict[str, str]:
    kind = "application/octet-stream" if isinstance(body, Upload) else "application/json"
    return {"Accept": "application/json", "Content-Type": kind}


def _encoded(body: Union[Json, Upload, None]) -> Union[bytes, Upload, None]:
    if body is None or isinstance(body, Upload):
        return body
    return json.dumps(body).encode()


def _rewind(request: Request) -> None:
    if isinstance(request.body, Upload):
        request.body.stream.seek(0)


def _may_repeat(request: Request, fault: TransientError) -> bool:
    if request.method in REPEATABLE and not request.once:
        return True
    if isinstance(fault, UnreachableError):
        return not fault.sent
    return isinstance(fault, BusyError) and fault.status == 429


def _wanted_pause(fault: TransientError, usual: float) -> float:
    asked = fault.retry_after if isinstance(fault, BusyError) else None
    return usual if asked is None else asked


def _is_last(answer: Json, *, page_length: int, seen: int) -> bool:
    total: Any = child(answer, "meta").get("total")
    if isinstance(total, int):
        return seen >= total
    return page_length < PAGE_SIZE
