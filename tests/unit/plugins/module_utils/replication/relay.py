# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network between target and source that stops in the middle of a sync, until it is let go on."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.unit.plugins.module_utils.replication.rig import DEADLINE

PIECE = 64 * 1024


class Relay:
    """Listens on a port of its own and carries connections to `port`.

    After `most` bytes of the source it carries nothing more, and `stalled` is set; `go_on` ends that.
    """

    def __init__(self, port: int, most: int) -> None:
        self._source = port
        self._left = most
        self._lock = threading.Lock()
        self._go_on = threading.Event()
        self.stalled = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def go_on(self) -> None:
        """Carry everything from now on."""
        self._go_on.set()

    def close(self) -> None:
        """Take no more connections; those that are there end with their ends."""
        self._go_on.set()
        # A closed one would not wake who waits in it; woken later, by a signal, it would wait in whatever has
        # the descriptor's number then, and take another's connections.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(DEADLINE)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # The listener was closed.
            while True:
                target, _unused = self._listener.accept()
                self._carry(target)

    def _carry(self, target: socket.socket) -> None:
        try:
            source = socket.create_connection(("127.0.0.1", self._source))
        except OSError:
            target.close()
            return
        for one, other, counts in ((source, target, True), (target, source, False)):
            threading.Thread(target=self._pump, args=(one, other, counts), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket, counts: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := one.recv(PIECE):
                if counts:
                    self._hold(len(piece))
                other.sendall(piece)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _hold(self, size: int) -> None:
        with self._lock:
            self._left -= size
            must_wait = self._left < 0
        if must_wait:
            self.stalled.set()
            self._go_on.wait(DEADLINE)
