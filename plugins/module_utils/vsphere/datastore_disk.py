# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A disk of a snapshot, read as a file of its datastore by HTTPS ranges. PRIVATE. Part of the sender.

Which file that is, and whether there is one, is `flat_files`' to tell. Its length is held against the
disk's capacity at each answer. Threads read at once, each over a kept connection; the session is renewed by
the first that finds it forgotten.
"""

from __future__ import annotations

import http.client
import re
import threading
from collections import deque
from contextlib import contextmanager
from http.client import NOT_FOUND, PARTIAL_CONTENT, UNAUTHORIZED
from typing import Deque, Iterator, NamedTuple

from ..errors import TransientError
from ..units import show_exact_size
from .flat_files import FlatFile
from .https import (
    CONNECTION_FAULTS,
    Host,
    HostRefusedError,
    WebSession,
    check_status,
)

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")

# Enough to hide each other's latency; all of them share the host's management network, and vSphere
# names no bound of its own. Not measured on a real one.
CONNECTIONS = 4


class Patience(NamedTuple):
    """How often, and after which pauses in seconds, one read is tried; a minute in all."""

    attempts: int = 7
    first_pause: float = 1.0
    longest_pause: float = 20.0


USUAL_PATIENCE = Patience()

# For the question whether there is a file at all: a fault that passes is left to the reads.
PROBE_PATIENCE = Patience(attempts=3)


class DatastoreDisk:
    """See the file's head. `size` in bytes."""

    passed = 0  # See ExportDisk: nothing comes that nobody asked for.

    def __init__(
        self,
        file: FlatFile,
        size: int,
        *,
        host: Host,
        session: WebSession,
        patience: Patience = USUAL_PATIENCE,
        connections: int = CONNECTIONS,
    ) -> None:
        """The file was asked for, and has `size` bytes. Raises FerryError."""
        self.size = size
        self._file = file
        self._host = host
        self._session = session
        self._patience = patience
        self._pool = _Pool(host, connections)
        self._renewal = threading.Lock()
        self._is_closed = threading.Event()
        try:
            self._find()
        except BaseException:
            self.close()
            raise

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        """Fill the head of `buffer` with `length` bytes and return that part. Threads call this at once.

        Passing faults are repeated for as long as `patience` says. Raises TransientError after that,
        HostRefusedError for a file that is not what it must be.
        """
        view = buffer[:length]
        pause = self._patience.first_pause
        for _attempt in range(self._patience.attempts - 1):
            try:
                self._read_logged_in(start, view)
            except TransientError:
                if self._is_closed.wait(min(pause, self._patience.longest_pause)):
                    raise
                pause *= 2
            else:
                return view
        self._read_logged_in(start, view)
        return view

    def refresh(self) -> None:
        """A snapshot is frozen: there is nothing newer."""

    def close(self) -> None:
        """No connection is left; a read that waits for its next attempt gives up."""
        self._is_closed.set()
        self._pool.close()

    def _find(self) -> None:
        """Ask for the first byte, which tells the file's length too, by each of the file's spellings."""
        *others, last = self._file.targets
        for self._target in others:
            try:
                self.read(0, 1, memoryview(bytearray(1)))
            except HostRefusedError as error:
                if error.status != NOT_FOUND:
                    raise
            else:
                return
        self._target = last
        self.read(0, 1, memoryview(bytearray(1)))

    def _read_logged_in(self, start: int, view: memoryview) -> None:
        cookie = self._session.cookie()
        if self._read_once(start, view, cookie):
            return
        cookie = self._renewed(cookie)
        if not self._read_once(start, view, cookie):
            raise HostRefusedError(
                f"{self._host} refuses {self._file} in a session that was just opened.",
                hint="The user needs Datastore.Browse and Datastore.FileManagement.",
            )

    def _renewed(self, cookie: str) -> str:
        """Return a cookie that is not this one; of many threads that ask, one logs in."""
        with self._renewal:
            if self._session.cookie() == cookie:
                self._session.renew()
            return self._session.cookie()

    def _read_once(self, start: int, view: memoryview, cookie: str) -> bool:
        """Fill the view; return False, with nothing done, if the session is not known."""
        last = start + len(view) - 1
        what = f"bytes {start} to {last} of {self._file}"
        headers = {
            "Cookie": cookie,
            "Range": f"bytes={start}-{last}",
            "Accept-Encoding": "identity",
        }
        with self._pool.connection() as connection:
            try:
                connection.request("GET", self._target, headers=headers)
                response = connection.getresponse()
                if response.status == UNAUTHORIZED:
                    connection.close()
                    return False
                check_status(self._host, what, response, PARTIAL_CONTENT)
                self._check_range(response, start, last)
                _fill(view, response)
            except CONNECTION_FAULTS as error:
                raise self._host.lost(what, error) from error
        return True

    def _check_range(self, response: http.client.HTTPResponse, start: int, last: int) -> None:
        told = response.headers.get("Content-Range", "")
        match = _CONTENT_RANGE.fullmatch(told)
        numbers = tuple(map(int, match.groups())) if match else ()
        if numbers[:2] != (start, last):
            raise HostRefusedError(
                f"{self._host} was asked for bytes {start} to {last} of {self._file} and answers"
                f' "{told}".'
            )
        if numbers[2] != self.size:
            raise HostRefusedError(
                f"{self._file} has {show_exact_size(numbers[2])}, the disk"
                f" {show_exact_size(self.size)}.",
                hint="The file is not this snapshot's disk; use the reader vddk or export.",
            )


def refusal_of(
    file: FlatFile,
    size: int,
    *,
    host: Host,
    session: WebSession,
    patience: Patience = PROBE_PATIENCE,
) -> str:
    """Ask for the file; return why the host will not give it, "" if it does, or cannot say now.

    Raises FerryError for what is neither: a host that is not trusted, a user who may not log in.
    """
    try:
        DatastoreDisk(file, size, host=host, session=session, patience=patience).close()
    except HostRefusedError as error:
        return error.what.rstrip(".")
    except TransientError:
        return ""
    return ""


def _fill(view: memoryview, response: http.client.HTTPResponse) -> None:
    """Fill the view with the whole body. Raises http.client.IncompleteRead for one of another length."""
    done = 0
    while done < len(view):
        count = response.readinto(view[done:])
        if not count:
            raise http.client.IncompleteRead(bytes(view[:0]), len(view) - done)
        done += count
    if response.read(1):
        raise http.client.HTTPException("more bytes than were asked for")


class _Pool:
    """Connections to one host that are kept open between reads, at most so many at a time."""

    def __init__(self, host: Host, most: int) -> None:
        self._host = host
        self._room = threading.Semaphore(most)
        self._idle: Deque[http.client.HTTPSConnection] = deque()
        self._is_closed = False

    @contextmanager
    def connection(self) -> Iterator[http.client.HTTPSConnection]:
        """Lend a connection, waiting for one; it is kept only if nothing was raised meanwhile."""
        with self._room:
            connection = self._take()
            try:
                yield connection
            except BaseException:
                connection.close()
                # Those that were idle as long as this one may be as dead.
                self._close_idle()
                raise
            self._put_back(connection)

    def close(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        self._is_closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:  # Another thread was quicker.
                return

    def _take(self) -> http.client.HTTPSConnection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._host.connect()

    def _put_back(self, connection: http.client.HTTPSConnection) -> None:
        if self._is_closed or connection.sock is None:
            connection.close()
        else:
            self._idle.append(connection)
