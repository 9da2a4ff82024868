# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Connections to the source: made, greeted, and made again when they were lost. PRIVATE."""

from __future__ import annotations

import logging
import socket
import threading
import time
from typing import Callable

from ..errors import FerryError
from .channel import Channel
from .codecs import AVAILABLE
from .connection import Connection
from .digests import Algorithm, calibrate
from .errors import DamagedDataError, LocalProtocolError, RemoteProtocolError, StoppedError
from .lane import TICK
from .limits import CHUNK, GRANULE, VERSION
from .messages import DiskInfo, Frame, Hello, OpenDisk, Order
from .state import Role
from .tls import TlsEnd, secure

log = logging.getLogger(__name__)

# Between two attempts to reach a source that was lost: the first at once, then soon, then often enough.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0

# Payloads of one connection that did not match their digests; more are no accident.
MOST_DAMAGES = 3


class Dialer:
    """Makes greeted channels of one run. Threads share it."""

    def __init__(
        self, connect: Callable[[], socket.socket], end: TlsEnd, stop: threading.Event
    ) -> None:
        """`connect` returns a connected stream socket; `stop` ends every wait."""
        self._connect = connect
        self._stop = stop
        self._end = end
        self._offers = calibrate()
        self._lock = threading.Lock()
        self.agreed: Hello | None = None

    @property
    def has_reached(self) -> bool:
        """Whether the source was ever there and one of ours."""
        return self.agreed is not None

    @property
    def algorithm(self) -> Algorithm:
        """The digest of this sync. Raises LocalProtocolError before the first `dial`."""
        if self.agreed is None:
            raise LocalProtocolError("No connection agreed on a digest yet.")
        return self.agreed.algorithm

    @property
    def is_ascending(self) -> bool:
        """Whether the source is one forward stream, as far as is known by now."""
        return self.agreed is not None and self.agreed.order is Order.ASCENDING

    def dial(self) -> Channel:
        """Return a channel that is past Hello. Raises ConnectionLostError, PeerRefusedError."""
        secured = secure(self._connect(), self._end)
        channel = Channel(secured, Connection(Role.TARGET), self._end.run, self._stop)
        try:
            self._greet(channel)
        except BaseException:
            channel.close()
            raise
        return channel

    def open_disk(self, channel: Channel, sync: bytes, name: str) -> DiskInfo:
        """Tell the source which disk is next; return what it says of it."""
        channel.send(OpenDisk(sync, name))
        info = self.await_frame(channel)
        if not isinstance(info, DiskInfo):
            raise RemoteProtocolError(f"The source did not open disk {name}.")
        return info

    def await_frame(self, channel: Channel) -> Frame:
        """Return the next frame of the source, however long it takes. Raises ConnectionLostError."""
        while True:
            frame = channel.receive(TICK)
            if frame is not None:
                return frame
            channel.tend()

    def _greet(self, channel: Channel) -> None:
        """All connections of a sync use the digest that the first one agreed on."""
        with self._lock:
            if self.agreed:
                self._offers = list(self.agreed.digests)
            offers = tuple(self._offers)
            channel.send(Hello(VERSION, CHUNK, GRANULE, Order.ANY, offers, AVAILABLE))
            answer = self.await_frame(channel)
            if not isinstance(answer, Hello):
                raise RemoteProtocolError("The source did not answer Hello.")
            self.agreed = answer


class Patience:
    """How long one connection is made anew after it was lost. One thread's property."""

    def __init__(self, limit: float, stop: threading.Event, done: Callable[[], int]) -> None:
        """`done` tells how far the sync is; it counts as progress when its answer changes."""
        self._limit = limit
        self._stop = stop
        self._done = done
        self._last_done = done()
        self._since = time.monotonic()
        self._pause = 0.0
        self._damages = 0

    def lost(self, error: FerryError) -> None:
        """Wait before the next attempt. Raises `error`, or StoppedError, when there is to be none."""
        self._look_at_progress()
        if isinstance(error, DamagedDataError):
            self._damages += 1
        waited = time.monotonic() - self._since
        if waited + self._pause > self._limit or self._damages > MOST_DAMAGES:
            log.error("Giving up after %.0f s without progress: %s", waited, error)
            raise error
        log.warning("Connecting anew in %.0f s: %s", self._pause, error)
        if self._stop.wait(self._pause):
            raise StoppedError("The target was stopped.") from error
        self._pause = min(max(FIRST_PAUSE, 2 * self._pause), LONGEST_PAUSE)

    def _look_at_progress(self) -> None:
        done = self._done()
        if done != self._last_done:
            self._last_done = done
            self._since = time.monotonic()
            self._pause = 0.0
