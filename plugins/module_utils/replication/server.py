# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The sender's server: one thread per connection, an end when nobody needs it. PRIVATE. Python 3.6."""

import contextlib
import logging
import os
import socket
import threading
import time
from collections import OrderedDict
from typing import Callable, Dict, NamedTuple

from ..errors import FerryError, InputError, TransientError
from .channel import Channel, prompt
from .connection import Connection
from .export import Export
from .limits import CONNECTIONS, DIAL_TIMEOUT
from .source import SourceSession
from .state import Role
from .tls import TlsEnd, secure

log = logging.getLogger(__name__)

# How often the server looks at its lease and at a wish to stop.
TICK = 1.0

# Connections that have not proven yet whose they are. Anybody may make one; when there are more the oldest
# goes, so that strangers who say nothing do not keep the run's own target out.
STRANGERS = 64


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
    listener = _open_listener(bind)
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


def _open_listener(bind: str) -> socket.socket:
    """Return a socket for an address, or for all of both families where the host has IPv6."""
    if bind and ":" not in bind:
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    except OSError:  # Switched off at the kernel's command line.
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(bool(bind)))
    return listener


class _Stranger(NamedTuple):
    """A connection whose handshake is not done."""

    line: socket.socket  # A second descriptor: TLS takes the first over.
    since: float

    def drop(self) -> None:
        """End the handshake, whatever its thread waits for."""
        with contextlib.suppress(OSError):  # It has just ended by itself.
            self.line.shutdown(socket.SHUT_RDWR)


class Server:
    """Serves one export until its lease ends or it is stopped."""

    def __init__(self, listener: socket.socket, end: TlsEnd, export: Export, lease: Lease) -> None:
        self._listener = listener
        self._end = end
        self._export = export
        self._lease = lease
        self._stop = threading.Event()
        self._strangers: "OrderedDict[threading.Thread, _Stranger]" = OrderedDict()
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
                self._drop_strangers()
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
            stranger = _Stranger(connected.dup(), time.monotonic())
        except socket.timeout:
            return
        except OSError as error:  # It left before it was met, or no descriptor is free just now.
            log.warning("Cannot accept a connection: %s", error)
            self._stop.wait(TICK)
            return
        thread = threading.Thread(
            target=self._meet, args=(connected, address[0]), name="ferry-connection", daemon=True
        )
        with self._lock:
            self._strangers[thread] = stranger
        thread.start()

    def _drop_strangers(self) -> None:
        """Of those who have not proven themselves, end the oldest that are too many or too slow."""
        latest = time.monotonic() - DIAL_TIMEOUT
        with self._lock:
            known = list(self._strangers.values())
        for position, stranger in enumerate(known):
            if len(known) - position > STRANGERS or stranger.since < latest:
                stranger.drop()

    def _meet(self, connected: socket.socket, address: str) -> None:
        """Serve one connection in its own thread, if it is the run's."""
        thread = threading.current_thread()
        try:
            prompt(connected)
            secured = secure(connected, self._end)
            channel = Channel(secured, Connection(Role.SOURCE), self._end.run, threading.Event())
            self._serve(SourceSession(channel, self._export), address)
        except FerryError as error:
            log.warning("Losing the connection from %s: %s", address, error)
        finally:
            with self._lock:
                self._no_stranger(thread)
                self._sessions.pop(thread, None)

    def _serve(self, session: SourceSession, address: str) -> None:
        thread = threading.current_thread()
        with self._lock:
            self._no_stranger(thread)
            has_room = len(self._sessions) < CONNECTIONS
            if has_room:
                self._sessions[thread] = session.stop
        if not has_room:
            session.refuse(TransientError("{} connections are open.".format(CONNECTIONS)))
            return
        log.info("Serving %s", address)
        session.serve()

    def _no_stranger(self, thread: threading.Thread) -> None:
        """The thread's connection is proven, or gone. The caller holds the lock."""
        stranger = self._strangers.pop(thread, None)
        if stranger:
            stranger.line.close()

    def _end_sessions(self) -> None:
        with self._lock:
            sessions = dict(self._sessions)
        for stop in sessions.values():
            stop()
        for thread in sessions:
            thread.join(TICK * 5)
