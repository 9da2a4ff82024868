# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The target's end of one connection, for one disk: ask, take answers, write. PRIVATE.

One thread drives all of it:

    work list -> read ahead -> digests -> requests -> | source | -> answers -> write behind -> ledger

A chunk that the target holds as zeros is fetched at once. Any other is compared by its digest, and by
the digests of its granules only if that differs; of a source that is one forward stream by those of its
granules at once, for it cannot be asked twice. A chunk is in the ledger when all its granules are
accounted for: found the same, zero already, or written. What is taken from the work list and is not in
the ledger when the connection ends goes back to the list.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Iterator, Sequence

from .channel import Channel
from .errors import ConnectionLostError
from .geometry import Span, chunk_span, granule_count, split
from .job import DiskJob
from .lane import TICK, wait_for
from .limits import CHUNK, CONNECTION_BYTES, GRANULE
from .messages import (
    ANSWERS,
    Answer,
    Compare,
    CompareGranules,
    Data,
    Differ,
    Fetch,
    Goodbye,
    Order,
    Request,
    Same,
    Zero,
    span_of,
)
from .readahead import DEPTH, ReadAhead, read_chunk
from .writebehind import WriteBehind

# Chunks in one request: enough that frames cost nothing, few enough that answers come steadily.
BATCH = 32

# Chunks asked for at once over one connection, 512 MiB: for 100 ms more than any disk reads. It bounds what
# is remembered of them, 1.7 KiB each with the digests of their granules.
MOST_OPEN = 512

# Chunks between disk and socket, of all connections together: few connections need some against
# unsteadiness, many even each other out. One being read or written and one being sent is the least.
BUFFERS = 16

# With fewer requests than this on their way the source may run dry: ask with what is there.
FEW = 2


def depth_of(connections: int) -> int:
    """Return how many chunks each of so many connections reads ahead, and how many it writes behind."""
    return max(2, min(DEPTH, BUFFERS // connections))


class _OpenChunk:
    """A chunk that was asked for: what we have of it, and what of it is accounted for."""

    __slots__ = ("_settled", "data", "granules", "is_zero", "left", "same", "span", "zero")

    def __init__(self, span: Span, granules: tuple[bytes, ...], *, is_zero: bool) -> None:
        self.span = span
        self.granules = granules
        self.is_zero = is_zero
        self.left = granule_count(span.length)
        self.same = self.zero = self.data = 0
        self._settled = list(granules)

    def settle(self, part: Span, digests: Sequence[bytes]) -> None:
        """Account for the granules of `part`."""
        first = (part.start - self.span.start) // GRANULE
        self._settled[first : first + len(digests)] = digests
        self.left -= len(digests)

    def own(self, part: Span) -> tuple[bytes, ...]:
        """Return our digests of the granules of `part`."""
        first = (part.start - self.span.start) // GRANULE
        return self.granules[first : first + granule_count(part.length)]

    @property
    def settled(self) -> list[bytes]:
        """The digests of all granules; they mean something when none is left."""
        return self._settled


class TargetSession:
    """Works on `job` over a channel whose Hello is done."""

    def __init__(self, channel: Channel, job: DiskJob) -> None:
        self._channel = channel
        self._job = job
        self._hasher = job.ledger.hasher
        agreed = channel.connection.agreed
        self._is_ascending = agreed is not None and agreed.order is Order.ASCENDING
        read = partial(read_chunk, job.disk, self._hasher)
        self._ahead = ReadAhead(read, channel.wake, depth=job.depth)
        self._writes = WriteBehind(
            job.disk, self._hasher, job.settler, channel.tend, depth=job.depth
        )
        self._taken: set[int] = set()
        self._to_read: Iterator[int] = iter(())
        self._open: dict[int, _OpenChunk] = {}
        self._batch: list[_OpenChunk] = []
        self._requests: deque[Request] = deque()
        self._granule_requests: deque[Request] = deque()
        self._counted = (0, 0)

    def run(self) -> None:
        """Work until the list is empty, or this connection has carried its share.

        Raises ConnectionLostError and DamagedDataError: go on over a new connection; and whatever
        else the source or the disk has to say.
        """
        try:
            self._read_ahead()
            while self._taken:
                self._make_requests()
                self._send_requests()
                self._wait()
                self._writes.reap()
                self._settle_if_due()
                self._read_ahead()
                self._count_traffic()
                self._channel.tend()
        finally:
            self._close()

    def _read_ahead(self) -> None:
        while self._ahead.has_room and len(self._open) < MOST_OPEN:
            chunk = self._next_chunk()
            if chunk is None:
                return
            self._ahead.ask(chunk_span(chunk, self._job.ledger.size))

    def _next_chunk(self) -> int | None:
        chunk = next(self._to_read, None)
        if chunk is None and self._channel.bytes_received < CONNECTION_BYTES:
            chunks = self._job.work.take()
            self._taken.update(chunks)
            self._to_read = iter(chunks)
            chunk = next(self._to_read, None)
        return chunk

    def _make_requests(self) -> None:
        """Turn what was read into requests: large ones, unless the source may run dry."""
        while self._ahead.is_ready and not self._requests:
            self._add_to_batch(self._take_read())
            self._read_ahead()
        waiting = len(self._channel.connection.unanswered) + len(self._requests)
        if self._batch and (waiting < FEW or not self._ahead):
            self._end_batch()

    def _take_read(self) -> _OpenChunk:
        read = self._ahead.next(self._channel.tend)
        self._ahead.release(read)
        self._job.progress.count(read=read.bytes_read)
        is_zero = read.granules == self._hasher.zeros(read.span.length)
        chunk = _OpenChunk(read.span, read.granules, is_zero=is_zero)
        self._open[read.span.start // CHUNK] = chunk
        return chunk

    def _add_to_batch(self, chunk: _OpenChunk) -> None:
        """A batch is one request: chunks without a gap, all of them zero or none."""
        if self._batch:
            last = self._batch[-1]
            fits = last.span.end == chunk.span.start and last.is_zero == chunk.is_zero
            if not fits or len(self._batch) == BATCH:
                self._end_batch()
        self._batch.append(chunk)

    def _end_batch(self) -> None:
        batch, self._batch = self._batch, []
        start = batch[0].span.start
        length = batch[-1].span.end - start
        if batch[0].is_zero:
            self._requests.append(Fetch(start, length))
        elif self._is_ascending:
            self._requests.append(_about_granules(batch))
        else:
            digests = tuple(self._hasher.chunk(chunk.granules) for chunk in batch)
            self._requests.append(Compare(start, length, digests))

    def _send_requests(self) -> None:
        """Questions about granules come first: they end what was begun.

        They are the largest of all. Where one waits for room no question about chunks may pass it: small
        as those are they would take all room that comes free, until the disk has no more chunks.
        """
        queue = self._granule_requests or self._requests
        while queue and self._channel.connection.may_ask(queue[0]):
            self._channel.send(queue.popleft())
            queue = self._granule_requests or self._requests

    def _wait(self) -> None:
        """Take one answer, or wait for a read; with neither on its way, for the writes."""
        if self._channel.connection.unanswered or self._ahead:
            frame = self._channel.receive(TICK)
            if isinstance(frame, Goodbye):
                raise ConnectionLostError("The source took its leave before all was answered.")
            if isinstance(frame, ANSWERS):
                self._take_answer(frame)
        else:
            self._writes.drain()

    def _take_answer(self, answer: Answer) -> None:
        self._job.watch.moved()
        if isinstance(answer, Data):
            self._take_data(answer)
        elif isinstance(answer, Differ):
            self._ask_granules(span_of(answer))
        elif isinstance(answer, (Same, Zero)):
            for part in split(span_of(answer), CHUNK):
                chunk = self._open[part.start // CHUNK]
                if isinstance(answer, Same):
                    chunk.same += part.length
                    self._settle(chunk, part, chunk.own(part))
                else:
                    self._take_zero(chunk, part)

    def _take_zero(self, chunk: _OpenChunk, part: Span) -> None:
        chunk.zero += part.length
        zeros = self._hasher.zeros(part.length)
        if chunk.is_zero:
            self._settle(chunk, part, zeros)
        else:
            self._writes.zero(part, lambda: self._settle(chunk, part, zeros))

    def _take_data(self, data: Data) -> None:
        buffer = self._writes.buffer()
        self._channel.read_payload(buffer[: data.payload_length])
        chunk = self._open[data.start // CHUNK]
        chunk.data += data.length
        self._writes.write(data, buffer, lambda: self._settle(chunk, span_of(data), data.digests))

    def _ask_granules(self, span: Span) -> None:
        chunks = [self._open[part.start // CHUNK] for part in split(span, CHUNK)]
        for first in range(0, len(chunks), BATCH):
            self._granule_requests.append(_about_granules(chunks[first : first + BATCH]))

    def _settle(self, chunk: _OpenChunk, part: Span, digests: Sequence[bytes]) -> None:
        """Account for a part of a chunk; the last part puts the chunk into the ledger."""
        chunk.settle(part, digests)
        if chunk.left:
            return
        index = chunk.span.start // CHUNK
        self._job.ledger.note_granules(index, chunk.settled)
        self._job.progress.count(
            done=chunk.span.length, same=chunk.same, zero=chunk.zero, data=chunk.data
        )
        del self._open[index]
        self._taken.discard(index)

    def _settle_if_due(self) -> None:
        if self._job.settler.is_due:
            wait_for(self._job.settler.start(), self._channel.tend)

    def _count_traffic(self) -> None:
        sent, asked = self._channel.bytes_received, self._channel.bytes_sent
        self._job.progress.count(sent=sent - self._counted[0], asked=asked - self._counted[1])
        self._counted = (sent, asked)

    def _close(self) -> None:
        """Leave the disk first: what goes back to the list must not be written by us any more."""
        self._ahead.close()
        self._writes.close()
        self._job.work.give_back(sorted(self._taken))
        self._count_traffic()


def _about_granules(chunks: Sequence[_OpenChunk]) -> CompareGranules:
    """Return the question which granules of these chunks, which touch, are what the source has."""
    start = chunks[0].span.start
    digests = tuple(digest for chunk in chunks for digest in chunk.granules)
    return CompareGranules(start, chunks[-1].span.end - start, digests)
