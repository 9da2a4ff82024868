# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The sender's server: one thread per connection, an end when nobody needs it. PRIVATE. Python 3.6."""

import contextlib
import logging
import os
import socket
import threading
import time
from typing import Callable, Dict, NamedTuple, Set

from ..errors import FerryError, InputError
from .channel import Channel, prompt
from .connection import Connection
from .export import Export
from .limits import CONNECTIONS
from .source import SourceSession
from .state import Role
from .tls import TlsEnd, secure

log = logging.getLogger(__name__)

# How often the server looks at its lease and at a wish to stop.
TICK = 1.0


class Lease(NamedTuple):
    """The sender's right to stay: renewed by a file's time and by every connection."""

    path: str
    seconds: float

    def renew(self) -> None:
        """Begin the time anew; a lease whose file was removed has ended."""
        with contextlib.suppress(FileNotFoundError):
            os.utime(self.path)

    @property
    def has_ended(self) -> bool:
        """Whether nobody renewed it in time, or its file is gone."""
        try:
            return time.time() - os.stat(self.path).st_mtime > self.seconds
        except FileNotFoundError:
            return True


def listen(bind: str, port: int) -> socket.socket:
    """Return a listening socket; an empty `bind` means all addresses. Raises InputError if taken."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((bind, port))
        listener.listen(CONNECTIONS)
    except OSError as error:
        listener.close()
        raise InputError(
            "Cannot listen on {} port {}/TCP: {}.".format(bind or "*", port, error.strerror),
            hint="Another program may use the port; ss -ltnp names it.",
        ) from error
    listener.settimeout(TICK)
    return listener


class Server:
    """Serves one export until its lease ends or it is stopped."""

    def __init__(self, listener: socket.socket, end: TlsEnd, export: Export, lease: Lease) -> None:
        self._listener = listener
        self._end = end
        self._export = export
        self._lease = lease
        self._stop = threading.Event()
        self._connections: Set[threading.Thread] = set()
        self._sessions: Dict[threading.Thread, Callable[[], None]] = {}
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Make `serve` end; any thread or signal handler may call this."""
        self._stop.set()

    def serve(self) -> None:
        """Serve; blocks. At the end all connections are told and closed."""
        try:
            while not self._stop.is_set() and not self._is_unneeded():
                self._accept()
        finally:
            self._listener.close()
            self._end_sessions()

    def _is_unneeded(self) -> bool:
        with self._lock:
            if self._sessions:
                self._lease.renew()
        return self._lease.has_ended

    def _accept(self) -> None:
        try:
            connected, address = self._listener.accept()
        except socket.timeout:
            return
        thread = threading.Thread(
            target=self._serve, args=(connected, address[0]), name="ferry-connection", daemon=True
        )
        with self._lock:
            if len(self._connections) >= CONNECTIONS:
                log.warning("Refusing %s: %d connections are open", address[0], CONNECTIONS)
                connected.close()
                return
            self._connections.add(thread)
        thread.start()

    def _serve(self, connected: socket.socket, address: str) -> None:
        """Serve one connection in its own thread."""
        thread = threading.current_thread()
        try:
            prompt(connected)
            secured = secure(connected, self._end)
            channel = Channel(secured, Connection(Role.SOURCE), self._end.run, threading.Event())
            session = SourceSession(channel, self._export)
            with self._lock:
                self._sessions[thread] = session.stop
            log.info("Serving %s", address)
            session.serve()
        except FerryError as error:
            log.warning("Losing the connection from %s: %s", address, error)
        finally:
            with self._lock:
                self._connections.discard(thread)
                self._sessions.pop(thread, None)

    def _end_sessions(self) -> None:
        with self._lock:
            sessions = dict(self._sessions)
        for stop in sessions.values():
            stop()
        for thread in sessions:
            thread.join(TICK * 5)
