# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The answers to one connection's requests about one disk. PRIVATE to the collection.

Each chunk is read once per answer, and what goes out is what was digested, from one buffer. So a disk
that changes meanwhile gives old bytes or new ones, never bytes that the account does not know.

    request   |------------------- Fetch --------------------|
    chunks    |-- zero --|-- zero --|-- data, zero --|-- zero --|
    answers   |-------- Zero -------|--Data--|----- Zero -------|     one run, one frame

Python 3.6.
"""

import time
from collections import deque
from typing import Any, Deque, Iterator, NamedTuple, Optional, Sequence, Tuple, Type

from .channel import Channel
from .codecs import Encoded
from .compressor import Compressor
from .disks import Disk
from .export import Account
from .geometry import Span, ceil_div, split
from .governor import Governor
from .limits import CHUNK, COMPARE_CHUNKS, GRANULE
from .messages import (
    Codec,
    Compare,
    Data,
    Differ,
    Fetch,
    Recall,
    Recorded,
    Request,
    Same,
    Zero,
    span_of,
)
from .readahead import DEPTH, ChunkRead, ReadAhead

# A run of equal answers is told after this many seconds at the latest, so that progress is seen.
RUN_DELAY = 1.0


class _Piece(NamedTuple):
    """What one step answers: a chunk of a request, or as much of a `Recall` as one frame holds."""

    request: Request
    span: Span
    digests: Tuple[bytes, ...]

    @property
    def is_last(self) -> bool:
        """Whether the request is answered with this piece."""
        return self.span.end == span_of(self.request).end


class _Run(NamedTuple):
    """Equal answers that are not told yet."""

    kind: Type[Any]
    span: Span
    since: float


class Answers:
    """Requests go in, answers go out on the channel, in order. The channel's owner calls all of it."""

    def __init__(
        self,
        channel: Channel,
        disk: Disk,
        account: Account,
        codecs: Tuple[Codec, ...],
        governor: Governor,
    ) -> None:
        self._channel = channel
        self._governor = governor
        self._account = account
        self._hasher = account.ledger.hasher
        self._compressor = Compressor(codecs)
        self._disk = disk
        self._ahead = ReadAhead(account.reader(disk), channel.wake)
        self._requests: "Deque[Request]" = deque()
        self._pieces: Iterator[_Piece] = iter(())
        self._begun: "Deque[_Piece]" = deque()
        self._run: Optional[_Run] = None

    def add(self, request: Request) -> None:
        """Take a request in; its chunks are read as soon as there is room."""
        self._requests.append(request)
        self._read_ahead()

    @property
    def begun_count(self) -> int:
        """How many pieces are on their way; at most DEPTH, however much is asked for."""
        return len(self._begun)

    @property
    def has_work(self) -> bool:
        """Whether something is unanswered."""
        return bool(self._begun)

    def step(self) -> None:
        """Answer the next piece; there must be work."""
        piece = self._begun.popleft()
        if isinstance(piece.request, Recall):
            self._recall(piece.span)
        else:
            read = self._ahead.next(self._channel.tend)
            self._account.count(read)
            self._answer(piece, read)
            self._ahead.release(read)
        if piece.is_last or (self._run and time.monotonic() - self._run.since > RUN_DELAY):
            self._tell()
        self._read_ahead()

    def close(self) -> None:
        """End the reading and let go of the disk."""
        self._ahead.close()
        self._disk.close()

    def _read_ahead(self) -> None:
        # A `Recall` takes no buffer: of a large disk all its pieces would be begun.
        while self._ahead.has_room and len(self._begun) < DEPTH:
            piece = self._next_piece()
            if piece is None:
                return
            if not isinstance(piece.request, Recall):
                is_by_chunk = isinstance(piece.request, Compare)
                self._ahead.ask(piece.span, None if is_by_chunk else piece.digests)
            self._begun.append(piece)

    def _next_piece(self) -> Optional[_Piece]:
        piece = next(self._pieces, None)
        if piece is None and self._requests:
            self._pieces = _pieces_of(self._requests.popleft())
            piece = next(self._pieces)
        return piece

    def _recall(self, span: Span) -> None:
        digests = tuple(self._account.ledger.digests(span))
        self._channel.send(Recorded(span.start, span.length, digests))

    def _answer(self, piece: _Piece, read: ChunkRead) -> None:
        chunk = read.span.start // CHUNK
        if isinstance(piece.request, Compare):
            self._compare_chunk(chunk, piece, read)
            return
        self._account.note(chunk, self._hasher.chunk(read.granules), read.granules)
        for kind, part in self._classify(piece, read):
            if kind is Data:
                self._send_data(read, part)
            else:
                self._say(kind, part)

    def _compare_chunk(self, chunk: int, piece: _Piece, read: ChunkRead) -> None:
        digest = self._hasher.chunk(read.granules)
        is_same = bool(read.granules) and digest == piece.digests[0]
        if is_same or read.granules == self._hasher.zeros(read.span.length):
            self._account.note(chunk, digest, read.granules)
            self._say(Same if is_same else Zero, read.span)
        else:
            self._account.ledger.forget(chunk)
            self._say(Differ, read.span)

    def _classify(self, piece: _Piece, read: ChunkRead) -> Iterator[Tuple[Type[Any], Span]]:
        """Yield the chunk's runs of granules with equal answers, rising."""
        zeros = self._hasher.zeros(read.span.length)
        theirs = piece.digests or (b"",) * len(zeros)
        run: Optional[Tuple[Type[Any], Span]] = None
        parts = split(read.span, GRANULE)
        for part, ours, their, zero in zip(parts, read.granules, theirs, zeros):
            kind = Same if ours == their else Zero if ours == zero else Data
            if run and run[0] is kind:
                run = kind, Span(run[1].start, run[1].length + part.length)
                continue
            if run:
                yield run
            run = kind, part
        if run:
            yield run

    def _send_data(self, read: ChunkRead, span: Span) -> None:
        self._tell()
        at = span.start - read.span.start
        digests = read.granules[at // GRANULE : ceil_div(at + span.length, GRANULE)]

        def transmit(encoded: Encoded) -> None:
            length = len(encoded.payload)
            self._governor.await_turn(length, self._channel.rest)
            frame = Data(span.start, span.length, length, encoded.codec, digests)
            self._channel.send(frame, encoded.payload)

        self._compressor.send(read.data[at : at + span.length], transmit)

    def _say(self, kind: Type[Any], span: Span) -> None:
        """Note an answer without data; equal ones that touch become one frame."""
        run = self._run
        if run and run.kind is kind:
            self._run = run._replace(span=Span(run.span.start, run.span.length + span.length))
        else:
            self._tell()
            self._run = _Run(kind, span, time.monotonic())

    def _tell(self) -> None:
        if self._run:
            run, self._run = self._run, None
            self._channel.send(run.kind(run.span.start, run.span.length))


def _pieces_of(request: Request) -> Iterator[_Piece]:
    span = span_of(request)
    if isinstance(request, Recall):
        for part in split(span, COMPARE_CHUNKS * CHUNK):
            yield _Piece(request, part, ())
        return
    digests: Sequence[bytes] = () if isinstance(request, Fetch) else request.digests
    each = 1 if isinstance(request, Compare) else CHUNK // GRANULE
    for index, part in enumerate(split(span, CHUNK)):
        yield _Piece(request, part, tuple(digests[index * each : (index + 1) * each]))
