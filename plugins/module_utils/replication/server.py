# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The sender's server: one thread per connection, an end with its last run. PRIVATE. Python 3.6."""

import contextlib
import logging
import socket
import ssl
import threading
import time
from collections import OrderedDict
from typing import Callable, Iterable, List, NamedTuple

from ..errors import FerryError, InputError, TransientError
from .channel import Channel, prompt
from .connection import Connection
from .limits import CONNECTIONS, DIAL_TIMEOUT
from .runs import Run, Runs
from .source import SourceSession, refuse
from .state import Role
from .tls import TlsEnd, admit

log = logging.getLogger(__name__)

# How often the server looks at its runs and at a wish to stop. A run that ends waits for it twice: to be seen,
# and to be released.
TICK = 0.5

# Connections that have not proven yet whose they are. Anybody may make one; when there are more the oldest
# goes, so that strangers who say nothing do not keep the runs' own targets out.
STRANGERS = 64


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
    """Serves runs until the last one has ended or it is stopped."""

    def __init__(
        self, listener: socket.socket, runs: Runs, *, leave: Callable[[], None] = lambda: None
    ) -> None:
        """`leave` gives up what lets others find this sender; the port is free by then.

        Only after it the last runs are released: whoever waits for that finds nothing of this sender.
        """
        self._listener = listener
        self._runs = runs
        self._leave = leave
        self._stop = threading.Event()
        self._strangers: "OrderedDict[threading.Thread, _Stranger]" = OrderedDict()
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Make `serve` end; any thread or signal handler may call this."""
        self._stop.set()

    def serve(self) -> None:
        """Serve; blocks. At the end all connections are told and closed."""
        ended: List[Run] = []
        try:
            while not self._runs.close_if_unneeded() and not self._stop.is_set():
                _release(ended)
                self._accept()
                self._drop_strangers()
                ended = self._runs.take_ended()
        finally:
            self._listener.close()
            ended += self._runs.end_all()
            self._leave()
            _release(ended)

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
        """Serve one connection in its own thread, if it is a run's."""
        thread = threading.current_thread()
        try:
            prompt(connected)
            secured, end = admit(connected, self._runs.find)
            self._no_stranger(thread)
            self._serve(secured, end, address)
        except FerryError as error:
            log.warning("Losing the connection from %s: %s", address, error)
        finally:
            self._no_stranger(thread)

    def _serve(self, secured: ssl.SSLSocket, end: TlsEnd, address: str) -> None:
        channel = Channel(secured, Connection(Role.SOURCE), end.run, threading.Event())
        try:
            run = self._runs.begin_session(end, channel.stop.set)
        except TransientError as error:
            refuse(channel, error)
            raise
        try:
            log.info("Serving %s for run %s", address, end.run)
            run.enter()
            SourceSession(channel, run.export).serve()
        finally:
            self._runs.end_session(run)

    def _no_stranger(self, thread: threading.Thread) -> None:
        """The thread's connection is proven, or gone."""
        with self._lock:
            stranger = self._strangers.pop(thread, None)
        if stranger:
            stranger.line.close()


def _release(runs: Iterable[Run]) -> None:
    for run in runs:
        run.release()
