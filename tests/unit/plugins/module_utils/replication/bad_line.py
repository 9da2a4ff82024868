# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line between target and source that flips one bit of what passes, as a bad switch does."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

PIECE = 64 * 1024


class BadLine:
    """`connect` gives lines to a source; after `arm` one bit of the next piece one way is flipped."""

    def __init__(self, connect: Callable[[], socket.socket], *, from_source: bool) -> None:
        self._connect = connect
        self._from_source = from_source
        self._armed = threading.Event()
        self.has_flipped = False

    def arm(self) -> None:
        """Flip a bit of the next piece."""
        self._armed.set()

    def connect(self) -> socket.socket:
        """Return the target's end of a new line to the source."""
        ours, theirs = socket.socketpair()
        source = self._connect()
        for one, other, is_source in ((source, ours, True), (ours, source, False)):
            harms = is_source is self._from_source
            threading.Thread(target=self._pump, args=(one, other, harms), daemon=True).start()
        return theirs

    def _pump(self, one: socket.socket, other: socket.socket, harms: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := one.recv(PIECE):
                other.sendall(self._harm(piece) if harms else piece)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _harm(self, piece: bytes) -> bytes:
        if self.has_flipped or not self._armed.is_set():
            return piece
        self.has_flipped = True
        return piece[:-1] + bytes([piece[-1] ^ 1])
