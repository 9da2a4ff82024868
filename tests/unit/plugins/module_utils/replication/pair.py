# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two connections that talk to each other without a socket, and one of each frame."""

from __future__ import annotations

from ansible_collections.ferry.hvm.plugins.module_utils.replication import messages as m
from ansible_collections.ferry.hvm.plugins.module_utils.replication.connection import Connection
from ansible_collections.ferry.hvm.plugins.module_utils.replication.digests import Algorithm, Offer
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import (
    CHUNK,
    GRANULE,
    VERSION,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.state import Role

# Two whole chunks and a third of 100,000 bytes: its second granule is short.
SIZE = 2 * CHUNK + 100_000
SYNC = bytes(range(16))
D = tuple(bytes([number]) * 16 for number in range(1, 40))

OFFER = m.Hello(
    VERSION,
    CHUNK,
    GRANULE,
    m.Order.ANY,
    (Offer(Algorithm.BLAKE2B, 800_000), Offer(Algorithm.SHA256, 400_000)),
    (m.Codec.STORED, m.Codec.ZLIB),
)
CHOICE = OFFER._replace(digests=OFFER.digests[:1])
OPEN = m.OpenDisk(SYNC, "sda")
INFO = m.DiskInfo(SIZE, m.View.MOVING)
COMPARE = m.Compare(0, SIZE, D[:3])
GRANULES = m.CompareGranules(CHUNK, SIZE - CHUNK, D[:18])
FETCH = m.Fetch(0, CHUNK)
RECALL = m.Recall(0, SIZE)
DATA = m.Data(0, GRANULE, 5, m.Codec.STORED, D[:1])

T, S = Role.TARGET, Role.SOURCE

# One conversation that says every frame once or more; each line is who says what.
CONVERSATION: tuple[tuple[Role, m.Frame], ...] = (
    (T, OFFER),
    (S, CHOICE),
    (T, OPEN),
    (S, INFO),
    (T, COMPARE),
    (T, FETCH),
    (S, m.Same(0, CHUNK)),
    (S, m.Differ(CHUNK, CHUNK)),
    (T, GRANULES),
    (S, m.Zero(2 * CHUNK, 100_000)),
    (S, DATA),
    (S, m.Zero(GRANULE, CHUNK - GRANULE)),
    (S, m.Same(CHUNK, CHUNK)),
    (S, m.Alive(1 << 40)),
    (S, DATA._replace(start=2 * CHUNK, length=100_000, digests=D[:2])),
    (T, RECALL),
    (S, m.Recorded(0, SIZE, D[:3])),
    (T, m.Alive(0)),
    (T, m.EndOfDisk(D[0])),
    (S, m.Root(D[0], 1, 2, 3, 4)),
    (T, OPEN._replace(name="größe")),
    (S, INFO),
    (T, m.Goodbye()),
)
PAYLOAD = b"12345"


def equal(one: m.Frame | None, other: m.Frame | None) -> bool:
    """Tell whether two frames are the same; as mere tuples `Same` and `Zero` would be equal."""
    return type(one) is type(other) and one == other


class ConnectionPair:
    """A target and a source; what one says, the other hears, and the other way round."""

    def __init__(self) -> None:
        self.ends = {role: Connection(role) for role in Role}

    def say(self, speaker: Role, frame: m.Frame) -> m.Frame | None:
        """Carry one frame across and return what arrived; a payload is carried and dropped."""
        listener = self.ends[self.ends[speaker].peer]
        data = self.ends[speaker].send(frame)
        if isinstance(frame, m.Data):
            data += PAYLOAD
        listener.receive_data(data)
        heard = listener.next_frame()
        listener.take_payload(memoryview(bytearray(len(PAYLOAD))))
        return heard

    def say_all(self, until: m.Frame) -> None:
        """Have the conversation up to and with the first frame that is `until`."""
        for speaker, frame in CONVERSATION:
            self.say(speaker, frame)
            if equal(frame, until):
                return
        raise AssertionError(f"{until} is no part of the conversation")


def opened() -> ConnectionPair:
    """Return a pair that has a disk open and nothing unanswered."""
    pair = ConnectionPair()
    pair.say_all(INFO)
    return pair
