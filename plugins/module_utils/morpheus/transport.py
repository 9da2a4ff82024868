# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""One HTTPS exchange with the appliance. PRIVATE to the collection.

Below the client: knows bytes, headers and TLS, nothing of Morpheus. http.client and not urllib,
because urllib follows redirects (and would carry the token to wherever they lead) and cannot read
the answer to an upload that the server refused half-way.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass, field
from typing import BinaryIO, Mapping, NoReturn, Optional, Protocol, Union
from urllib.parse import quote, urlencode, urlsplit

from ..errors import InputError
from ..trust import open_trust, show_fault
from ..units import MIB, show_exact_size
from .errors import CertificateError, UnexpectedAnswerError, UnreachableError

# The largest answers are lists of 100 full server records, about 10 KiB each. Sixteen times that is
# a broken peer, not an answer.
MAX_ANSWER = 16 * MIB

# What one read of the stream hands to TLS. Larger pieces made no difference on loopback.
UPLOAD_PIECE = 1 * MIB


@dataclass(frozen=True)
class Upload:
    """A body that is read while it is sent. `stream` stands at the first of `length` bytes."""

    stream: BinaryIO
    length: int


@dataclass(frozen=True)
class Request:
    """One request. `path` starts with a slash and is below the appliance's url.

    With `once` it is not sent again where it may have been heard, whatever its method.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Union[bytes, Upload, None] = None
    once: bool = False

    def __str__(self) -> str:
        # Neither query nor body: this is what messages show, and those may hold secrets.
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """What the client needs of a transport. Raises `UnreachableError`, `CertificateError`."""

    def exchange(self, request: Request, *, timeout: Optional[float] = None) -> Answer:
        """Send the request once and return the answer."""


class HttpsTransport:
    """HTTPS to one appliance; a connection per request, so that there is no state to lose."""

    def __init__(self, url: str, *, ca_path: str = "", verify_peer: bool, timeout: float) -> None:
        """`timeout` in seconds is for each wait on the network. Raises `InputError`: bad url."""
        parts = urlsplit(url if "//" in url else f"https://{url}")
        if parts.scheme != "https" or not parts.hostname:
            raise InputError(
                f'The appliance\'s url "{url}" is not an https address.',
                hint="Give it as https://name, with a port if it is not 443."
                " Ferry sends no password or token without TLS.",
            )
        self._host = parts.hostname
        self._port = parts.port or 443
        self._prefix = parts.path.rstrip("/")
        self._timeout = timeout
        self._context = open_trust(ca_path, verify_peer=verify_peer)

    def __str__(self) -> str:
        return f"{self._host}:{self._port}"

    def exchange(self, request: Request, *, timeout: Optional[float] = None) -> Answer:
        """Send the request once and return the answer; `timeout` replaces the usual one."""
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=timeout or self._timeout, context=self._context
        )
        try:
            self._connect(connection)
            return self._send_and_read(connection, request)
        finally:
            connection.close()

    def _connect(self, connection: http.client.HTTPSConnection) -> None:
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            raise CertificateError(
                f"The certificate of the appliance {self} is not trusted: {error.verify_message}.",
                hint="Give the certificate of the authority that signed it (or the appliance's own,"
                " if it is self-signed) as ca_path, and use a name that the certificate holds.",
            ) from None
        except OSError as error:
            self._not_reached(error)

    def _not_reached(self, error: OSError) -> NoReturn:
        raise UnreachableError(
            f"The appliance {self} cannot be reached: {show_fault(error)}.",
            hint="Check url, name resolution, firewall and that the appliance runs.",
            sent=False,
        ) from error

    def _send_and_read(self, connection: http.client.HTTPSConnection, request: Request) -> Answer:
        send_fault: Optional[OSError] = None
        try:
            self._send(connection, request)
        except socket.timeout as error:
            raise self._lost(request, error) from error
        except OSError as error:
            # A server that refuses an upload answers and closes while we still send: read on, its
            # answer says why, where the broken pipe does not (measured: OpenSSL 3 still reads it).
            send_fault = error
        try:
            return _read(connection, request)
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(request, send_fault or error) from error

    def _send(self, connection: http.client.HTTPSConnection, request: Request) -> None:
        query = f"?{urlencode(request.query)}" if request.query else ""
        # The id in a path may be a uuid or a name typed by the operator.
        path = quote(self._prefix + request.path, safe="/-._~")
        connection.putrequest(request.method, path + query)
        for name, value in request.headers.items():
            connection.putheader(name, value)
        body = request.body
        length = body.length if isinstance(body, Upload) else len(body or b"")
        connection.putheader("Content-Length", str(length))
        connection.endheaders()
        if isinstance(body, Upload):
            _pump(connection, body)
        elif body:
            connection.send(body)

    def _lost(self, request: Request, error: Exception) -> UnreachableError:
        upload = request.body.length if isinstance(request.body, Upload) else 0
        return UnreachableError(
            f"The connection to the appliance {self} was lost during {request}"
            + (f" (an upload of {show_exact_size(upload)})" if upload else "")
            + f": {show_fault(error)}.",
            hint="Run again. If it repeats, look for a limit on time"
            + (" or body size" if upload else "")
            + " in a proxy before the appliance.",
        )


def _pump(connection: http.client.HTTPSConnection, upload: Upload) -> None:
    """Send exactly the length that was announced, or end the connection with an error."""
    left = upload.length
    while left:
        piece = upload.stream.read(min(UPLOAD_PIECE, left))
        if not piece:
            raise InputError(
                f"The file ended {show_exact_size(left)} before its announced length of"
                f" {show_exact_size(upload.length)}.",
                hint="Something else writes to it; upload again when that is done.",
            )
        connection.send(piece)
        left -= len(piece)


def _read(connection: http.client.HTTPSConnection, request: Request) -> Answer:
    response = connection.getresponse()
    body = response.read(MAX_ANSWER + 1)
    if len(body) > MAX_ANSWER:
        raise UnexpectedAnswerError(
            f"The answer to {request} is longer than {show_exact_size(MAX_ANSWER)}.",
            hint="Check that the url is that of a Morpheus appliance.",
        )
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(status=response.status, headers=headers, body=body)
