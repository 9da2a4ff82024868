# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Reading and digesting chunks ahead of the thread that talks to the peer. PRIVATE to the collection.

One lane per reader; it touches the disk and buffers of its own, never a connection. Python 3.6.
"""

from typing import Any, Callable, NamedTuple, Tuple

from .digests import Hasher
from .disks import Disk, aligned_buffer
from .geometry import Span
from .lane import Lane

# Chunks on their way from the disk: one being read, one being sent, two against unsteadiness.
DEPTH = 4


class ChunkRead(NamedTuple):
    """One chunk's bytes, in a buffer that is lent until `release`, and its granules' digests.

    `bytes_read` of the disk, `bytes_indexed` remembered from an index; of the latter there is no data.
    """

    span: Span
    data: memoryview
    granules: Tuple[bytes, ...]
    buffer: memoryview
    bytes_read: int
    bytes_indexed: int


def read_chunk(disk: Disk, hasher: Hasher, span: Span, buffer: memoryview) -> ChunkRead:
    """Return a chunk as it is on the disk. Raises DiskError."""
    data = disk.read(span.start, span.length, buffer)
    return ChunkRead(span, data, hasher.granules(data), buffer, span.length, 0)


class ReadAhead:
    """Chunks of one disk, read in the order in which they were asked for. One owner thread."""

    def __init__(
        self, read: Callable[..., ChunkRead], wake: Callable[[], None], *, depth: int = DEPTH
    ) -> None:
        """`read` gets a span, a buffer, and what else was said to `ask`; it runs in the lane.

        `wake` is called in the lane whenever a chunk was read; `depth` is in chunks.
        """
        self._read = read
        self._free = [aligned_buffer() for _unused in range(depth)]
        self._lane = Lane("ferry-read", wake)  # type: Lane[ChunkRead]

    def __len__(self) -> int:
        return len(self._lane)

    @property
    def has_room(self) -> bool:
        """Whether another chunk can be asked for now."""
        return bool(self._free)

    @property
    def is_ready(self) -> bool:
        """Whether `next` would return at once."""
        return self._lane.is_ready

    def ask(self, span: Span, *more: Any) -> None:
        """Begin to read a chunk. There must be room."""
        self._lane.add(self._read, span, self._free.pop(), *more)

    def next(self, tend: Callable[[], Any]) -> ChunkRead:
        """Return the next chunk, waiting for it; `tend` is called every second of the wait."""
        return self._lane.take(tend)

    def release(self, read: ChunkRead) -> None:
        """Take a chunk's buffer back; its data must not be used any more."""
        self._free.append(read.buffer)

    def close(self) -> None:
        """Drop what was not asked for yet, and wait until the worker has left the disk."""
        self._lane.close()
