# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Decoding, checking and writing behind the thread that talks to the peer. PRIVATE to the collection.

One lane per writer; it touches the disk and the buffers, never a connection.
"""

from __future__ import annotations

from collections import deque
from typing import Callable, NamedTuple

from .codecs import decode
from .digests import Hasher
from .disks import aligned_buffer
from .errors import DamagedDataError
from .geometry import Span
from .lane import Lane
from .messages import Codec, Data, span_of
from .settler import Settler
from .target_disks import TargetDisk

# Zeroings need no buffer; this many may wait.
MOST_WAITING = 64


class _Write(NamedTuple):
    buffer: memoryview | None
    done: Callable[[], None]


class WriteBehind:
    """Writes to one disk, done in the order in which they were asked for. One owner thread."""

    def __init__(
        self,
        disk: TargetDisk,
        hasher: Hasher,
        settler: Settler,
        tend: Callable[[], None],
        *,
        depth: int,
    ) -> None:
        """`tend` is called in the owner's thread every second of a wait; `depth` is in payloads."""
        self._disk = disk
        self._hasher = hasher
        self._settler = settler
        self._tend = tend
        self._free = [aligned_buffer() for _unused in range(depth)]
        self._writes: deque[_Write] = deque()
        self._lane: Lane[None] = Lane("ferry-write", lambda: None)

    def __len__(self) -> int:
        return len(self._writes)

    def buffer(self) -> memoryview:
        """Lend a buffer of a chunk; waits for the oldest writes if all are in use."""
        while not self._free:
            self._finish_oldest()
        return self._free.pop()

    def write(self, data: Data, buffer: memoryview, done: Callable[[], None]) -> None:
        """Write what `buffer` holds, a payload; then `done` is called by `reap`. Takes the buffer."""
        self._submit(buffer, done, self._write, data, buffer)

    def zero(self, span: Span, done: Callable[[], None]) -> None:
        """Make these bytes, at most a chunk, zero; then `done` is called by `reap`."""
        while len(self._writes) >= MOST_WAITING:
            self._finish_oldest()
        self._submit(None, done, self._zero, span)

    def reap(self) -> None:
        """Call `done` of what was written meanwhile. Raises DiskError, DamagedDataError."""
        while self._writes and self._lane.is_ready:
            self._finish_oldest()

    def drain(self) -> None:
        """Wait for all writes, and reap them."""
        while self._writes:
            self._finish_oldest()

    def close(self) -> None:
        """Wait until the worker has left the disk: nothing is written after this."""
        self._lane.close()

    def _submit(
        self,
        buffer: memoryview | None,
        done: Callable[[], None],
        work: Callable[..., None],
        *arguments: object,
    ) -> None:
        self._lane.add(work, *arguments)
        self._writes.append(_Write(buffer, done))

    def _finish_oldest(self) -> None:
        self._lane.take(self._tend)
        write = self._writes.popleft()
        if write.buffer is not None:
            self._free.append(write.buffer)
        write.done()

    def _write(self, data: Data, buffer: memoryview) -> None:
        plain = _decode(data, buffer)
        if self._hasher.granules(plain) != data.digests:
            raise DamagedDataError(
                f"Data at {data.start}+{data.length} is not what the source digested; not written."
            )
        self._disk.write(data.start, plain)
        self._settler.note(span_of(data), data.digests)

    def _zero(self, span: Span) -> None:
        self._disk.zero(span.start, span.length)
        self._settler.note(span, self._hasher.zeros(span.length))


def _decode(data: Data, buffer: memoryview) -> memoryview:
    """Make the payload in `buffer` plain in its place, ready for a direct write; return that part."""
    plain = decode(data.codec, buffer[: data.payload_length], data.length)
    if data.codec is not Codec.STORED:
        buffer[: data.length] = plain
    return buffer[: data.length]
