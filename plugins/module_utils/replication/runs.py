# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The runs that one sender serves, each for itself. PRIVATE to the collection. Python 3.6.

    expected --> served --> over --> ending (in a thread of its own) --> ended --> released

A run is over when nobody renewed its lease in time or its lease's file was removed. Its end may take long
(a disk that hangs, LVM's snapshots) and holds up no other run. A sender with one run is no special case.
"""

import contextlib
import os
import threading
import time
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional

from ..errors import TransientError
from .export import Export
from .limits import ALL_CONNECTIONS, CONNECTIONS, SURE_CONNECTIONS, server_name
from .tls import TlsEnd

# How long a sender waits for its first run, in seconds: the command that started it registers it at once.
FIRST_RUN = 60.0

# How long the end of a run waits for its connections, in seconds: one may hang in a read of a disk.
LAST_WORDS = 5.0


def _nothing() -> None:
    """Nothing to do."""


class SenderLeftError(TransientError):
    """The sender takes no more runs because its last one has ended: it leaves, and another may be started."""


class Lease(NamedTuple):
    """A run's right to stay: renewed by a file's time and by every connection."""

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


class Run:
    """One run: whom it trusts, what it serves, how long it stays. `Runs` keeps its sessions."""

    def __init__(
        self,
        end: TlsEnd,
        export: Export,
        lease: Lease,
        *,
        enter: Callable[[], None] = _nothing,
        close: Callable[[], None] = _nothing,
        release: Callable[[], None] = _nothing,
    ) -> None:
        """`enter` is called in the thread of each connection, before it serves.

        `close` lets go of the disks and may take long; `release` says to the outside that the run has ended.
        """
        self.end = end
        self.export = export
        self.lease = lease
        self.enter = enter
        self.release = release
        self.sessions: Dict[threading.Thread, Callable[[], None]] = {}
        self._close = close

    def is_over(self) -> bool:
        """Whether nobody needs the run any more; a connection renews its lease."""
        if self.sessions:
            self.lease.renew()
        return self.lease.has_ended

    def has_room(self, connections: int) -> bool:
        """Whether one more may be served, beside so many `connections` of all runs."""
        own = len(self.sessions)
        return own < CONNECTIONS and (own < SURE_CONNECTIONS or connections < ALL_CONNECTIONS)

    def close(self) -> None:
        """Tell and close all connections, then let go of the disks. The run gets no new ones."""
        self.export.stop()
        sessions = dict(self.sessions)
        for stop in sessions.values():
            stop()
        deadline = time.monotonic() + LAST_WORDS
        for thread in sessions:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._close()


class Runs:
    """The runs of one sender by their TLS server names. Threads share it."""

    def __init__(self, patience: float = FIRST_RUN) -> None:
        """`patience` is how long the first run may take to come, in seconds."""
        self._patient_until = time.monotonic() + patience
        self._runs: Dict[str, Run] = {}
        self._endings: Dict[Run, threading.Thread] = {}
        self._expected: List[str] = []
        self._is_closed = False
        self._lock = threading.Lock()

    def names(self) -> List[str]:
        """Return the ids of all runs that are served."""
        with self._lock:
            return [run.end.run for run in self._runs.values()]

    def find(self, name: Optional[str]) -> Optional[TlsEnd]:
        """Return the end of the run that a client asks for by this TLS server name."""
        with self._lock:
            run = self._runs.get(name or "")
            return run.end if run else None

    @contextlib.contextmanager
    def expecting(self, name: str, judge: Callable[[List[str]], None]) -> Iterator[None]:
        """Have the sender stay while the run `name` is made, and keep its place.

        `judge` is told the others, which are served or on their way too, and raises where it cannot be served beside
        them. Raises SenderLeftError if the sender is leaving already.
        """
        with self._lock:
            self._refuse_if_closed()
            self._patient_until = 0.0
            judge([run.end.run for run in self._runs.values()] + self._expected)
            self._expected.append(name)
        try:
            yield
        finally:
            with self._lock:
                self._expected.remove(name)

    def add(self, run: Run) -> None:
        """Serve the run from now on; its name is none of those that are served. Raises SenderLeftError."""
        with self._lock:
            self._refuse_if_closed()
            self._runs[server_name(run.end.run)] = run

    def begin_session(self, end: TlsEnd, stop: Callable[[], None]) -> Run:
        """Count the calling thread's connection to the run of `end`; `stop` ends it. Returns the run.

        Raises TransientError when the run has just ended, or too many are open.
        """
        with self._lock:
            run = self._runs.get(server_name(end.run))
            if run is None or run.end is not end:
                raise TransientError("Run {} has ended.".format(end.run))
            connections = sum(len(each.sessions) for each in self._runs.values())
            if not run.has_room(connections):
                raise TransientError(
                    "{} connections are open, {} of them of run {}.".format(
                        connections, len(run.sessions), end.run
                    )
                )
            run.sessions[threading.current_thread()] = stop
            return run

    def end_session(self, run: Run) -> None:
        """The calling thread's connection to the run is over."""
        with self._lock:
            run.sessions.pop(threading.current_thread(), None)

    def take_ended(self) -> List[Run]:
        """Begin the end of runs that are over; return those whose end is done, once: to be released."""
        with self._lock:
            self._begin_endings([run for run in self._runs.values() if run.is_over()])
            ended = [run for run, thread in self._endings.items() if not thread.is_alive()]
            for run in ended:
                del self._endings[run]
        return ended

    def close_if_unneeded(self) -> bool:
        """Take no more runs if there is none, nor one on its way; return whether none is taken any more."""
        with self._lock:
            is_due = self._expected or time.monotonic() < self._patient_until
            self._is_closed = self._is_closed or not (is_due or self._runs or self._endings)
            return self._is_closed

    def end_all(self) -> List[Run]:
        """Take no more runs, end all, wait for that; return them: to be released."""
        with self._lock:
            self._is_closed = True
            self._begin_endings(list(self._runs.values()))
            endings = dict(self._endings)
        for thread in endings.values():
            thread.join()
        return list(endings)

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise SenderLeftError("The sender is leaving.")

    def _begin_endings(self, runs: List[Run]) -> None:
        """The caller holds the lock."""
        for run in runs:
            del self._runs[server_name(run.end.run)]
            self._endings[run] = threading.Thread(target=run.close, name="ferry-end", daemon=True)
            self._endings[run].start()
