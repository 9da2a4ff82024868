# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of the frames: every frame there and back, cut everywhere, and what is refused."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication import messages as m
from ansible_collections.ferry.hvm.plugins.module_utils.replication import wire
from ansible_collections.ferry.hvm.plugins.module_utils.replication.connection import Connection
from ansible_collections.ferry.hvm.plugins.module_utils.replication.errors import (
    LocalProtocolError,
    RemoteProtocolError,
    VersionError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK, GRANULE
from ansible_collections.ferry.hvm.plugins.module_utils.replication.state import Role
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.replication.pair import (
    CONVERSATION,
    OFFER,
    PAYLOAD,
    ConnectionPair,
    D,
    equal,
)

ERRORS = (
    m.Error("permanent", "Disk sda cannot be read.", ""),
    m.Error("restart_sync", "what ä", "hint"),
)
FRAMES: dict[str, m.Frame] = {
    f"{type(frame).__name__} {number}": frame
    for number, frame in enumerate([frame for _unused, frame in CONVERSATION] + list(ERRORS))
}


def there_and_back(frame: m.Frame) -> m.Frame:
    data = wire.pack(frame)
    layout, length = wire.unpack_header(data[: wire.HEADER.size])
    assert length == len(data) - wire.HEADER.size
    return wire.unpack_body(layout, data[wire.HEADER.size :])


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
def test_every_frame_comes_back_as_it_went(frame: m.Frame) -> None:
    assert equal(there_and_back(frame), frame)


def test_a_sign_of_life_has_the_bytes_of_the_document() -> None:
    assert wire.pack(m.Alive(0x0102030405060708)) == bytes.fromhex("0f 00000008 0102030405060708")


def test_the_conversation_says_every_frame_there_is() -> None:
    said = {type(frame) for frame in FRAMES.values()}
    assert said == {layout.frame for layout in wire.LAYOUTS}


def test_both_ends_hear_the_conversation_as_it_was_said() -> None:
    pair = ConnectionPair()
    for speaker, frame in CONVERSATION:
        assert equal(pair.say(speaker, frame), frame)


@pytest.mark.parametrize("cut", range(1, 40), ids=lambda cut: f"in pieces of {cut} bytes")
def test_the_conversation_survives_any_cut(cut: int) -> None:
    pair = ConnectionPair()
    for speaker, frame in CONVERSATION:
        data = pair.ends[speaker].send(frame) + (PAYLOAD if isinstance(frame, m.Data) else b"")
        listener = pair.ends[pair.ends[speaker].peer]
        heard: list[m.Frame] = []
        payload = bytearray()
        for at in range(0, len(data), cut):
            listener.receive_data(data[at : at + cut])
            if not heard:
                arrived = listener.next_frame()
                heard += [] if arrived is None else [arrived]
            if heard:
                view = memoryview(bytearray(listener.payload_left))
                payload += view[: listener.take_payload(view)]
        assert len(heard) == 1
        assert equal(heard[0], frame)
        assert bytes(payload) == (PAYLOAD if isinstance(frame, m.Data) else b"")


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
def test_a_frame_is_not_heard_before_its_last_byte(frame: m.Frame) -> None:
    data = wire.pack(frame)
    listener = Connection(Role.TARGET)
    for at in range(len(data) - 1):
        wanted = listener.bytes_wanted
        assert 0 < wanted <= len(data) - at
        listener.receive_data(data[at : at + 1])
        assert listener.next_frame() is None


@pytest.mark.parametrize("layout", wire.LAYOUTS, ids=lambda layout: layout.frame.__name__)
def test_a_body_longer_than_its_frame_allows_is_refused_at_the_header(layout: wire.Layout) -> None:
    with pytest.raises(RemoteProtocolError, match=f"at most {layout.longest} are allowed"):
        wire.unpack_header(wire.HEADER.pack(layout.number, layout.longest + 1))


@pytest.mark.parametrize(
    "layout",
    [layout for layout in wire.LAYOUTS if layout.shortest],
    ids=lambda layout: layout.frame.__name__,
)
def test_a_body_shorter_than_its_frame_needs_is_refused_at_the_header(layout: wire.Layout) -> None:
    with pytest.raises(RemoteProtocolError, match=f"at least {layout.shortest}"):
        wire.unpack_header(wire.HEADER.pack(layout.number, layout.shortest - 1))


def test_no_body_may_be_longer_than_the_receive_buffer_holds() -> None:
    assert max(layout.longest for layout in wire.LAYOUTS) < 64 * 1024


BROKEN_BODIES = {
    "a frame of no known type": (99, b"", "unknown type 99"),
    "a view that nobody knows": (3, struct.pack("!QB", 1, 250), "DiskInfo makes no sense"),
    "a disk name that is not UTF-8": (2, bytes(16) + b"\xff", "OpenDisk makes no sense"),
    "a list that ends inside a digest": (4, bytes(16) + bytes(17), "ends inside"),
    "data with a digest too few": (
        11,
        struct.pack("!QIIB", 0, 2 * GRANULE, 9, 0) + D[0],
        "cannot be",
    ),
    "data of more than a chunk": (
        11,
        struct.pack("!QIIB", 0, CHUNK + 1, 9, 0) + b"".join(D[:16]),
        "cannot be",
    ),
    "a payload longer than its data": (11, struct.pack("!QIIB", 0, 9, 10, 0) + D[0], "cannot be"),
    "a payload of nothing": (11, struct.pack("!QIIB", 0, 9, 0, 0) + D[0], "cannot be"),
    "a codec that nobody knows": (11, struct.pack("!QIIB", 0, 9, 9, 77) + D[0], "no sense"),
    "an error that ends too early": (16, struct.pack("!BHH", 0, 9, 0) + b"12345678", "too early"),
    "an error with something left": (16, struct.pack("!BHH", 0, 1, 1) + b"123", "longer"),
    "another protocol": (1, b"HELLO" + bytes(13), "does not speak"),
    "a Hello that ends too early": (1, struct.pack("!5sHB", b"FERRY", 1, 0), "too early"),
}


@pytest.mark.parametrize(
    ("number", "body", "match"), BROKEN_BODIES.values(), ids=BROKEN_BODIES.keys()
)
def test_what_makes_no_sense_is_refused(number: int, body: bytes, match: str) -> None:
    def unpack() -> m.Frame:
        layout, _unused = wire.unpack_header(wire.HEADER.pack(number, len(body)))
        return wire.unpack_body(layout, body)

    with pytest.raises(RemoteProtocolError, match=match):
        unpack()


def test_another_version_is_refused_with_both_versions_named() -> None:
    body = struct.pack("!5sH", b"FERRY", 7) + b"whatever version 7 says here"
    layout, _unused = wire.unpack_header(wire.HEADER.pack(1, len(body)))
    with pytest.raises(VersionError, match=r"version 1 .* version 7"):
        wire.unpack_body(layout, body)


def test_offers_of_a_later_release_are_left_out() -> None:
    data = bytearray(wire.pack(OFFER))
    first_offer = wire.HEADER.size + 5 + 2 + 11
    data[first_offer] = 200  # A digest that this release does not know,
    data[-1] = 201  # and a codec.
    layout, _unused = wire.unpack_header(data[: wire.HEADER.size])
    hello = wire.unpack_body(layout, bytes(data[wire.HEADER.size :]))
    assert hello == OFFER._replace(digests=OFFER.digests[1:], codecs=OFFER.codecs[:1])


def test_an_error_of_a_later_kind_counts_as_permanent() -> None:
    layout, _unused = wire.unpack_header(wire.HEADER.pack(16, 5))
    assert wire.unpack_body(layout, struct.pack("!BHH", 9, 0, 0)) == m.Error("permanent", "", "")


def test_a_long_error_is_cut_and_not_refused() -> None:
    error = there_and_back(m.Error("input", "ä" * 5000, "h" * 5000))
    assert isinstance(error, m.Error)
    assert len(error.what) == 1024
    assert len(error.hint) == 2048


def test_we_ourselves_keep_to_the_bounds() -> None:
    with pytest.raises(LocalProtocolError, match="outside the protocol's bounds"):
        wire.pack(m.OpenDisk(bytes(16), "n" * 256))


@given(st.integers(0, 255), st.binary(max_size=300))
def test_no_body_makes_anything_but_a_frame_or_a_protocol_error(number: int, body: bytes) -> None:
    try:
        layout, _unused = wire.unpack_header(wire.HEADER.pack(number, len(body)))
        frame = wire.unpack_body(layout, body)
    except (RemoteProtocolError, VersionError):
        return
    assert isinstance(frame, layout.frame)
