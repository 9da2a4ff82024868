# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HTTPS server on the loopback address that answers from a script, and notes what it heard.

It is a peer, not a mock: the client under test opens sockets, checks its certificate, and meets cut
connections and silence as it would in the world. Each path has its own list of replies; the last
one is repeated. A path without a script is a 404 with an HTML page, like a web server's.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping
from urllib.parse import parse_qsl, urlsplit


class Manner(Enum):
    """How a reply is given."""

    WHOLE = "after the request was read"
    EARLY = "after the first kilobyte of the body was read, then the connection is closed"
    RESET = "not at all: the connection is reset"
    SILENCE = "not at all: the connection stays open until the server ends"


@dataclass(frozen=True)
class Reply:
    """One answer. `content` is sent as JSON, text as it is."""

    content: Any = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: Manner = Manner.WHOLE

    @property
    def body(self) -> bytes:
        text = self.content if isinstance(self.content, str) else json.dumps(self.content)
        return text.encode()


@dataclass(frozen=True)
class Heard:
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> Dict[str, str]:
        return dict(parse_qsl(self.body.decode()))

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class FakeAppliance:
    """The server's script and memory; `url` is where it answers."""

    url: str = ""
    script: Dict[str, List[Reply]] = field(default_factory=dict)
    heard: List[Heard] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def answers(self, method: str, path: str, *replies: Reply) -> None:
        """From now on the path is answered with these replies, the last one again and again."""
        self.script[f"{method} {path}"] = list(replies)

    def requests(self, method: str, path: str) -> List[Heard]:
        """What was heard for this path."""
        return [each for each in self.heard if (each.method, each.path) == (method, path)]

    def next_reply(self, method: str, path: str) -> Reply:
        replies = self.script.get(f"{method} {path}")
        if not replies:
            return Reply("<html><title>404 Not Found</title></html>", status=404)
        return replies.pop(0) if len(replies) > 1 else replies[0]


class _Handler(BaseHTTPRequestHandler):
    appliance: FakeAppliance

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        reply = self.appliance.next_reply(self.command, parts.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(min(length, 1024) if reply.manner is Manner.EARLY else length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(parts.query))
        self.appliance.heard.append(Heard(self.command, parts.path, query, headers, body))
        self._give(reply)

    def _give(self, reply: Reply) -> None:
        if reply.manner is Manner.SILENCE:
            self.appliance.ended.wait()
            return
        if reply.manner is Manner.RESET:
            # A linger time of zero makes close() a reset instead of an orderly end.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)
        if reply.manner is Manner.EARLY:
            self.wfile.flush()

    # The names are http.server's.
    do_GET = _serve  # noqa: N815
    do_POST = _serve  # noqa: N815
    do_PUT = _serve  # noqa: N815
    do_DELETE = _serve  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Keep the test's output clean; `heard` is the log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that refuse the certificate or leave early are what tests are about."""


@contextmanager
def serve(certificate: Path, key: Path) -> Iterator[FakeAppliance]:
    """A fake appliance listens for as long as the block runs."""
    appliance = FakeAppliance()
    handler = type("Handler", (_Handler,), {"appliance": appliance})
    server = _Server(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    appliance.url = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield appliance
    finally:
        appliance.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
