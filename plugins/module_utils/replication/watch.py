# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Whether a disk's sync still moves. PRIVATE to the collection; the worker's side.

A disk that hangs fails no read: the read never returns, and both ends go on saying that they are alive.
So what ends at the target's disk, what the source answers, and that it read on towards an answer, is noted
here, and somebody who waits for no disk looks how long ago that was. What is under way by then tells which
end's disk it is.
"""

from __future__ import annotations

import contextlib
import threading
import time
from types import TracebackType
from typing import Iterator, NamedTuple

from ..units import show_exact_size
from .errors import DiskError
from .plan import DiskPair
from .target_disks import TargetDisk


class _Work(NamedTuple):
    since: float
    what: str
    start: int
    length: int


class DiskWatch:
    """Watches one disk's sync inside of `with`, which may be entered again. Threads share it."""

    def __init__(self, pair: DiskPair, limit: float) -> None:
        """`limit` is in seconds: as long may the disk rest without being called hung."""
        self._pair = pair
        self._limit = limit
        self._is_on = False
        self._moved = time.monotonic()
        self._works: dict[int, _Work] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> DiskWatch:
        self.moved()
        self._is_on = True
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._is_on = False

    def moved(self) -> None:
        """Note that the sync got further, or begins to try anew."""
        self._moved = time.monotonic()

    @contextlib.contextmanager
    def work(self, what: str, start: int = 0, length: int = 0) -> Iterator[None]:
        """Note what the block does at the target's disk; each thread does one thing at a time."""
        thread = threading.get_ident()
        with self._lock:
            self._works[thread] = _Work(time.monotonic(), what, start, length)
        try:
            yield
        finally:
            with self._lock:
                del self._works[thread]
            self.moved()

    def check(self) -> None:
        """Raise DiskError if nothing has moved for too long."""
        if not self._is_on or time.monotonic() - self._moved <= self._limit:
            return
        with self._lock:
            oldest = min(self._works.values(), default=None)
        raise self._source_hangs() if oldest is None else self._target_hangs(oldest)

    def _source_hangs(self) -> DiskError:
        return DiskError(
            f"The source is alive, but has answered nothing about its disk {self._pair.source} for "
            f"{self._limit:.0f} s.",
            hint="If that disk hangs the source's kernel log tells (dmesg). Run the sync again when the "
            "disk can be read, with a higher stall_limit if it is only slow.",
        )

    def _target_hangs(self, work: _Work) -> DiskError:
        where = f" {show_exact_size(work.length)} at {work.start}" if work.length else ""
        return DiskError(
            f"Target disk {self._pair.target} of the source's {self._pair.source} hangs: {work.what}{where} "
            f"has not ended after {time.monotonic() - work.since:.0f} s.",
            hint="Look at the worker's kernel log (dmesg) and at the storage of the volume. Run the sync "
            "again when the disk answers; a receiver that cannot be ended needs a restart of the worker.",
        )


class WatchedDisk(TargetDisk):
    """A target's disk whose operations are noted in `watch`."""

    def __init__(self, disk: TargetDisk, watch: DiskWatch) -> None:
        self.size = disk.size
        self._disk = disk
        self._watch = watch

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        """See Disk."""
        with self._watch.work("reading", start, length):
            return self._disk.read(start, length, buffer)

    def write(self, start: int, data: memoryview) -> None:
        """See TargetDisk."""
        with self._watch.work("writing", start, len(data)):
            self._disk.write(start, data)

    def zero(self, start: int, length: int) -> None:
        """See TargetDisk."""
        with self._watch.work("zeroing", start, length):
            self._disk.zero(start, length)

    def flush(self) -> None:
        """See TargetDisk."""
        with self._watch.work("a flush"):
            self._disk.flush()

    def refresh(self) -> None:
        """See Disk."""
        with self._watch.work("dropping the cache"):
            self._disk.refresh()

    def close(self) -> None:
        """See Disk."""
        with self._watch.work("closing"):
            self._disk.close()
