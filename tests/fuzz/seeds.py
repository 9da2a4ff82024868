# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversations that a peer of ours would have, as the fuzzer's first inputs; they follow the protocol."""

from __future__ import annotations

import zlib

from ansible_collections.ferry.hvm.plugins.module_utils.replication import messages as m
from ansible_collections.ferry.hvm.plugins.module_utils.replication import wire
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK, GRANULE

from tests.fuzz.peer import ASKED, DIGEST, OFFER, SIZE

PAYLOAD = b"12345"
END = SIZE - 2 * CHUNK


def _data(start: int, length: int) -> m.Data:
    digests = (DIGEST,) * -(-length // GRANULE)
    return m.Data(start, length, len(PAYLOAD), m.Codec.STORED, digests)


# What a source says to a target that asks ASKED.
OF_A_SOURCE: tuple[m.Frame, ...] = (
    OFFER._replace(digests=OFFER.digests[:1]),
    m.DiskInfo(SIZE, m.View.MOVING),
    m.Same(0, CHUNK),
    m.Differ(CHUNK, CHUNK),
    m.Zero(2 * CHUNK, END),
    m.Alive(3 * CHUNK),
    _data(CHUNK, GRANULE),
    m.Zero(CHUNK + GRANULE, CHUNK - GRANULE),
    m.Same(0, GRANULE),
    _data(GRANULE, CHUNK - GRANULE),
    m.Recorded(0, SIZE, (DIGEST,) * 3),
    m.Root(DIGEST, 1, 2, 3, 4),
    m.DiskInfo(SIZE, m.View.STOPPED),
    m.Error("transient", "The disk is busy.", "Try again."),
)
# What a target says.
OF_A_TARGET: tuple[m.Frame, ...] = (
    OFFER,
    m.OpenDisk(DIGEST, "sda"),
    *ASKED,
    m.Alive(0),
    m.EndOfDisk(DIGEST),
    m.OpenDisk(DIGEST, "größe"),
    m.Goodbye(),
)


def seeds() -> dict[str, list[bytes]]:
    """Return the first inputs for each oracle."""
    manners = range(0, 256, 21)  # Both ways to read, and steps of many sizes.
    peer = [
        bytes([manner]) + _said(OF_A_SOURCE if manner & 1 else OF_A_TARGET) for manner in manners
    ]
    plain = b"a line of a log\n" * 4096
    length = (len(plain) - 1).to_bytes(3, "big")
    payload = [b"\0" + length + plain, b"\1" + length + zlib.compress(plain)]
    return {"peer": peer, "payload": payload}


def _said(frames: tuple[m.Frame, ...]) -> bytes:
    return b"".join(
        wire.pack(frame) + (PAYLOAD if isinstance(frame, m.Data) else b"") for frame in frames
    )
