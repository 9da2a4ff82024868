# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a peer says, the protocol's core understands it or refuses it, within its bounds.

`converse` is the oracle of the fuzzer and of the test that replays its corpus. The first byte says who we
are and how the line cuts what comes; the rest is what the peer says. Our own side keeps to the protocol:
it greets, opens a disk, asks, answers what it is asked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.ferry.hvm.plugins.module_utils.replication import messages as m
from ansible_collections.ferry.hvm.plugins.module_utils.replication import wire
from ansible_collections.ferry.hvm.plugins.module_utils.replication.codecs import AVAILABLE, decode
from ansible_collections.ferry.hvm.plugins.module_utils.replication.connection import Connection
from ansible_collections.ferry.hvm.plugins.module_utils.replication.digests import Algorithm, Offer
from ansible_collections.ferry.hvm.plugins.module_utils.replication.errors import (
    DamagedDataError,
    LocalProtocolError,
    RemoteProtocolError,
    VersionError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.geometry import chunk_count
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import (
    CHUNK,
    COMPARE_CHUNKS,
    GRANULE,
    RECEIVE_BUFFER,
    UNANSWERED,
    VERSION,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.state import Role, State

# Two whole chunks and a third of 100,000 bytes.
SIZE = 2 * CHUNK + 100_000
DIGEST = bytes(range(16))

OFFER = m.Hello(
    VERSION, CHUNK, GRANULE, m.Order.ANY, tuple(Offer(each, 1) for each in Algorithm), AVAILABLE
)
ASKED = (
    m.Compare(0, SIZE, (DIGEST,) * 3),
    m.Fetch(CHUNK, CHUNK),
    m.CompareGranules(0, CHUNK, (DIGEST,) * 16),
    m.Recall(0, SIZE),
)


def converse(data: bytes) -> list[m.Frame]:
    """Hear what a peer says; return the frames that were understood. Fails where a bound is broken."""
    if not data:
        return []
    manner, said = data[0], data[1:]
    role = Role.TARGET if manner & 1 else Role.SOURCE
    hearing = Hearing(Connection(role), is_greedy=bool(manner & 2), step=1 + (manner >> 2) * 37)
    try:
        for frame in hearing.frames(said):
            hearing.react(frame)
    except (RemoteProtocolError, VersionError):
        pass  # The right answer to nonsense.
    return hearing.heard


def unpack_payload(data: bytes) -> None:
    """Decode a payload of any codec: the announced length comes out, or a clear error."""
    if len(data) < 4:
        return
    codec = AVAILABLE[data[0] % len(AVAILABLE)]
    length = 1 + int.from_bytes(data[1:4], "big") % CHUNK
    try:
        plain = decode(codec, memoryview(data)[4:], length)
    except DamagedDataError:
        return
    assert len(plain) == length


class Hearing:
    """One end of a conversation with a peer that may say anything."""

    def __init__(self, connection: Connection, *, is_greedy: bool, step: int) -> None:
        self.heard: list[m.Frame] = []
        self._connection = connection
        self._is_greedy = is_greedy
        self._step = step
        if connection.role is Role.TARGET:
            connection.send(OFFER)

    def frames(self, said: bytes) -> Iterator[m.Frame]:
        """Yield every frame that the peer says, its payload passed over."""
        connection, rest = self._connection, memoryview(said)
        while True:
            frame = connection.next_frame()
            self._check_bounds()
            if frame is not None:
                self._check_round_trip(frame)
                self.heard.append(frame)
                yield frame
                rest = self._pass_payload(rest)
            elif not rest or connection.state is State.CLOSED:
                return
            else:
                rest = self._take_in(rest)

    def react(self, frame: m.Frame) -> None:
        """Say what an end of the role says next; what the protocol forbids just now is left unsaid."""
        kind, words = type(frame), NEXT_WORDS.get(type(frame), ())
        if self._connection.role is Role.SOURCE:
            words = (ANSWERS[kind](frame),) if kind in ANSWERS else ()
        with contextlib.suppress(LocalProtocolError):
            for word in words:
                self._connection.send(word)

    def _take_in(self, rest: memoryview) -> memoryview:
        room = self._connection.receive_room
        count = min(self._step, room if self._is_greedy else self._connection.bytes_wanted)
        assert count > 0, "no frame, and no room for more of it"
        self._connection.receive_data(rest[:count])
        return rest[count:]

    def _pass_payload(self, rest: memoryview) -> memoryview:
        connection = self._connection
        assert connection.payload_left <= 2 * CHUNK
        connection.take_payload(memoryview(bytearray(connection.payload_left)))
        count = min(len(rest), connection.payload_left)
        if count:
            connection.payload_passed(count)
        if connection.payload_left:
            raise RemoteProtocolError("The line ended within a payload.")
        return rest[count:]

    def _check_bounds(self) -> None:
        assert 0 <= self._connection.receive_room <= RECEIVE_BUFFER
        assert self._connection.unanswered.wire_size <= UNANSWERED

    def _check_round_trip(self, frame: m.Frame) -> None:
        packed = wire.pack(frame)
        layout, length = wire.unpack_header(packed[: wire.HEADER.size])
        assert length == len(packed) - wire.HEADER.size
        assert wire.unpack_body(layout, packed[wire.HEADER.size :]) == frame


# What a target says after it heard a frame of a kind; after others nothing.
NEXT_WORDS: dict[type[m.Frame], tuple[m.Frame, ...]] = {
    m.Hello: (m.OpenDisk(DIGEST, "sda"),),
    m.DiskInfo: ASKED,
    m.Recorded: (m.EndOfDisk(DIGEST),),
    m.Root: (m.OpenDisk(DIGEST, "sdb"),),
}

# What a source says after it heard a frame of a kind.
ANSWERS: dict[type[m.Frame], Callable[[Any], m.Frame]] = {
    m.Hello: lambda hello: OFFER._replace(digests=hello.digests[:1], codecs=hello.codecs[:1]),
    m.OpenDisk: lambda _disk: m.DiskInfo(SIZE, m.View.MOVING),
    m.Compare: lambda asked: m.Same(asked.start, asked.length),
    m.CompareGranules: lambda asked: m.Same(asked.start, asked.length),
    m.Fetch: lambda asked: m.Zero(asked.start, asked.length),
    m.Recall: lambda asked: m.Recorded(
        asked.start, asked.length, (DIGEST,) * min(chunk_count(asked.length), COMPARE_CHUNKS)
    ),
    m.EndOfDisk: lambda _end: m.Root(DIGEST, 0, 0, 0, 0),
}


ORACLES: dict[str, Callable[[bytes], object]] = {
    "peer": converse,
    "payload": unpack_payload,
}
