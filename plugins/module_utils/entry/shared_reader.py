# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""One reader of a disk for all connections of a run. PRIVATE to the collection. Part of the source worker's sender.

It is opened at the first use and outlives the connections, so that a stream goes on where it was. A reader that
was lost serves nobody any more: the connection that finds it so ends, and the next one has it opened anew.

    connection   lent, read, lost           lent, read ...
    reader       opened ------ closed       opened anew ...
"""

from __future__ import annotations

import threading
from typing import Any, Callable, ContextManager, Optional

from ..replication.disks import Disk
from ..vsphere.nbdkit import NbdkitError
from ..vsphere.vddk_disk import VddkLostError

Turn = Callable[[], ContextManager[None]]


class SharedReader:
    """See the file's head. Threads share it."""

    def __init__(self, open_reader: Callable[[], Any], turn: Turn) -> None:
        """`open_reader` returns a reader that threads may share; each read is made within a `turn()`."""
        self._open_reader = open_reader
        self._turn = turn
        self._lock = threading.Lock()
        self._opened: Optional[Any] = None
        self._was_lost = False

    def lend(self) -> Disk:
        """Return the disk for one connection. Raises FerryError."""
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return _Lent(self, self._opened)

    def read(self, reader: Any, start: int, length: int, buffer: memoryview) -> memoryview:
        """Read by a reader that was lent. Raises FerryError; VddkLostError when it was lost, and is closed."""
        try:
            with self._turn():
                part: memoryview = reader.read(start, length, buffer)
        except VddkLostError:
            self._drop(reader)
            raise
        return part

    def close(self) -> None:
        """The reader is closed."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def _open(self) -> Any:
        try:
            return self._open_reader()
        except NbdkitError as error:
            if not self._was_lost:
                raise
            # It could be opened before: what lost it may be in the way still, and passes.
            raise VddkLostError(error.what, hint=error.hint) from error

    def _drop(self, reader: Any) -> None:
        """Close this reader, unless another connection has found it lost as well, and was quicker."""
        with self._lock:
            is_current = self._opened is reader
            if is_current:
                self._opened, self._was_lost = None, True
        if is_current:
            reader.close()


class _Lent(Disk):
    """The reader, as one connection has it."""

    def __init__(self, shared: SharedReader, reader: Any) -> None:
        self._shared = shared
        self._reader = reader
        self.size: int = reader.size

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        """See Disk. It waits for its turn where other reads load the host or the datastore."""
        return self._shared.read(self._reader, start, length, buffer)

    @property
    def passed(self) -> int:
        """See Disk."""
        return int(self._reader.passed)

    def refresh(self) -> None:
        """See Disk."""
        self._reader.refresh()

    def close(self) -> None:
        """See Disk. The reader stays."""
