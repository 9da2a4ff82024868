# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HTTPS server on the loopback address, as an ESXi host or vCenter is to the readers of disks.

It is a peer, not a mock: sockets, TLS, kept connections and cut bodies are real. What it answers is a
function of the test.
"""

from __future__ import annotations

import hashlib
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.https import Host

from tests.unit.plugins.module_utils.morpheus.conftest import Identity

PIECE = 16 * 1024


@dataclass(frozen=True)
class Request:
    """What was asked; `connection` is the client's port."""

    target: str
    headers: Mapping[str, str]
    connection: int


@dataclass(frozen=True)
class Reply:
    """An answer; with `cut` the connection closes after so many bytes of the body. `is_chunked`: no length told."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    is_chunked: bool = False


class WebHost:
    """Answers by `answer`, notes `requests`, and counts the `sent` bytes of bodies."""

    def __init__(self, identity: Identity, answer: Callable[[Request], Reply]) -> None:
        self.requests: list[Request] = []
        self.sent = 0
        self._answer = answer
        self._identity = identity
        self._server = _Server(("127.0.0.1", 0), _handler_for(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.certificate, identity.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]

    @property
    def thumbprint(self) -> str:
        """The SHA-1 of the certificate, as vSphere writes it."""
        der = ssl.PEM_cert_to_DER_cert(self._identity.certificate.read_text())
        digest = hashlib.sha1(der).hexdigest().upper()
        return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))

    def host(self, *, timeout: float = 10, thumbprint: str = "") -> Host:
        """How a client that trusts this host's certificate reaches it."""
        trust = ssl.create_default_context(cafile=str(self._identity.certificate))
        return Host("127.0.0.1", self.port, trust, timeout, thumbprint)

    def reply(self, request: Request) -> Reply:
        """Note the request, and return its answer."""
        self.requests.append(request)
        return self._answer(request)

    @contextmanager
    def running(self) -> Iterator[WebHost]:
        """Answer until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def _handler_for(host: WebHost) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # A client that leaves must not hold the end of the test.
        timeout = 30

        def do_GET(self) -> None:
            request = Request(self.path, dict(self.headers), self.client_address[1])
            self._give(host.reply(request))

        def _give(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.is_chunked:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            body = reply.body if reply.cut is None else reply.body[: reply.cut]
            for at in range(0, len(body), PIECE):
                self._send(body[at : at + PIECE], is_chunked=reply.is_chunked)
            if reply.cut is not None:
                self.close_connection = True
            elif reply.is_chunked:
                self.wfile.write(b"0\r\n\r\n")

        def _send(self, piece: bytes, *, is_chunked: bool) -> None:
            head, tail = (f"{len(piece):x}\r\n".encode(), b"\r\n") if is_chunked else (b"", b"")
            self.wfile.write(head + piece + tail)
            host.sent += len(piece)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Keep the test's output clean."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Threads end with their connections, which clients under test may leave open.
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that leave early are what tests are about."""


class FakeSession:
    """A session with the vCenter whose cookie is another one after each renewal."""

    def __init__(self) -> None:
        self.renewals = 0

    def cookie(self) -> str:
        return f"vmware_soap_session={self.renewals}"

    def renew(self) -> None:
        self.renewals += 1
