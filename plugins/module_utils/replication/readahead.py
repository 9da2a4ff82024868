# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Reading and digesting chunks ahead of the thread that talks to the peer. PRIVATE to the collection.

One worker thread per reader; it touches the disk and buffers of its own, never a connection. What goes
wrong in it is raised where the result is asked for, so that no thread dies in silence. Python 3.6.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from typing import Any, Callable, Deque, NamedTuple, Tuple, TypeVar

from .digests import Hasher
from .disks import Disk, aligned_buffer
from .geometry import Span

T = TypeVar("T")

# Chunks on their way from the disk: one being read, one being sent, two against unsteadiness.
DEPTH = 4

# How long a wait lasts before the connection's signs of life are looked after.
TICK = 1.0


class ChunkRead(NamedTuple):
    """One chunk's bytes, in a buffer that is lent until `release`, and its granules' digests."""

    span: Span
    data: memoryview
    granules: Tuple[bytes, ...]
    buffer: memoryview


class ReadAhead:
    """Chunks of one disk, read in the order in which they were asked for. One owner thread."""

    def __init__(
        self, disk: Disk, hasher: Hasher, wake: Callable[[], None], *, depth: int = DEPTH
    ) -> None:
        """`wake` is called in the worker thread whenever a chunk was read; `depth` is in chunks."""
        self._disk = disk
        self._wake = wake
        self._hasher = hasher
        self._free = [aligned_buffer() for _unused in range(depth)]
        self._reads: "Deque[Future[ChunkRead]]" = deque()
        self._executor = ThreadPoolExecutor(1, "ferry-read")

    def __len__(self) -> int:
        return len(self._reads)

    @property
    def has_room(self) -> bool:
        """Whether another chunk can be asked for now."""
        return bool(self._free)

    @property
    def is_ready(self) -> bool:
        """Whether `next` would return at once."""
        return bool(self._reads) and self._reads[0].done()

    def ask(self, span: Span) -> None:
        """Begin to read a chunk. There must be room."""
        read = self._executor.submit(self._read, span, self._free.pop())
        read.add_done_callback(lambda _read: self._wake())
        self._reads.append(read)

    def next(self, tend: Callable[[], None]) -> ChunkRead:
        """Return the next chunk, waiting for it; `tend` is called every second of the wait."""
        return wait_for(self._reads.popleft(), tend)

    def release(self, read: ChunkRead) -> None:
        """Take a chunk's buffer back; its data must not be used any more."""
        self._free.append(read.buffer)

    def close(self) -> None:
        """Drop what was not asked for yet, and wait until the worker has left the disk."""
        for read in self._reads:
            read.cancel()
        self._executor.shutdown()

    def _read(self, span: Span, buffer: memoryview) -> ChunkRead:
        data = self._disk.read(span.start, span.length, buffer)
        return ChunkRead(span, data, self._hasher.granules(data), buffer)


def wait_for(future: "Future[T]", tend: Callable[[], Any]) -> T:
    """Return the future's result, or raise its error; `tend` is called every second of the wait."""
    while True:
        try:
            return future.result(TICK)
        except StillRunning:
            if future.done():
                raise
            tend()
