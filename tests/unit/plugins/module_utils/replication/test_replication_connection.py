# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection's rules: who may say what when, how answers fit requests, payloads, bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication import messages as m
from ansible_collections.ferry.hvm.plugins.module_utils.replication import state, wire
from ansible_collections.ferry.hvm.plugins.module_utils.replication.connection import Connection
from ansible_collections.ferry.hvm.plugins.module_utils.replication.digests import Algorithm, Offer
from ansible_collections.ferry.hvm.plugins.module_utils.replication.errors import (
    LocalProtocolError,
    RemoteProtocolError,
    VersionError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import (
    CHUNK,
    DISK_SIZE,
    GRANULE,
    RECEIVE_BUFFER,
    UNANSWERED,
    VERSION,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.state import Role, State
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.replication.pair import (
    CHOICE,
    COMPARE,
    CONVERSATION,
    DATA,
    FETCH,
    GRANULES,
    INFO,
    OFFER,
    OPEN,
    PAYLOAD,
    RECALL,
    SIZE,
    ConnectionPair,
    D,
    S,
    T,
    equal,
    opened,
)

# Where each state is reached in the conversation, and one frame of each kind.
REACHED_BY: dict[State, m.Frame | None] = {
    State.START: None,
    State.GREETED: OFFER,
    State.READY: CHOICE,
    State.OPENING: OPEN,
    State.OPEN: INFO,
    State.ENDING: m.EndOfDisk(D[0]),
    State.CLOSED: m.Goodbye(),
}
ONE_OF_EACH: tuple[m.Frame, ...] = (
    *{type(frame): frame for _unused, frame in CONVERSATION}.values(),
    m.Error("input", "", ""),
)


def pair_in(wanted: State) -> ConnectionPair:
    pair = ConnectionPair()
    frame = REACHED_BY[wanted]
    if frame is not None:
        pair.say_all(frame)
    assert {end.state for end in pair.ends.values()} == {wanted}
    return pair


def forbidden() -> Iterable[tuple[State, Role, m.Frame]]:
    """Yield all that the table does not permit, in every state, from both ends."""
    for where in State:
        for role in Role:
            for frame in ONE_OF_EACH:
                try:
                    state.next_state(where, role, frame)
                except KeyError:
                    yield where, role, frame


@pytest.mark.parametrize(
    ("where", "role", "frame"),
    list(forbidden()),
    ids=lambda value: value.name if isinstance(value, (Role, State)) else type(value).__name__,
)
def test_what_the_table_does_not_permit_is_neither_said_nor_heard(
    where: State, role: Role, frame: m.Frame
) -> None:
    pair = pair_in(where)
    speaker, listener = pair.ends[role], pair.ends[pair.ends[role].peer]
    with pytest.raises(LocalProtocolError, match="not after"):
        speaker.send(frame)
    listener.receive_data(wire.pack(frame))
    with pytest.raises(RemoteProtocolError, match="not after"):
        listener.next_frame()
    assert listener.state is where


def test_the_table_permits_no_more_than_the_protocol_needs() -> None:
    count = len(State) * len(Role) * len(ONE_OF_EACH)
    permitted = count - len(list(forbidden()))
    # 6 open states x 2 ends x (Alive, Error, Goodbye), Hello twice, OpenDisk twice, DiskInfo, EndOfDisk,
    # Root, 4 requests, 5 answers.
    assert permitted == 6 * 2 * 3 + 2 + 2 + 1 + 1 + 1 + 4 + 5


UNFIT_REQUESTS: dict[str, tuple[m.Request, str]] = {
    "a comparison off the border": (m.Compare(GRANULE, CHUNK, D[:1]), "whole chunks"),
    "a comparison past the end": (m.Compare(0, SIZE + 1, D[:3]), "whole chunks"),
    "a comparison that ends inside a chunk": (m.Compare(0, CHUNK + 1, D[:2]), "whole chunks"),
    "a fetch of nothing": (m.Fetch(0, 0), "whole chunks"),
    "a fetch from the other end of time": (m.Fetch(2**64 - CHUNK, CHUNK), "whole chunks"),
    "a chunk digest too few": (m.Compare(0, SIZE, D[:2]), "2 digests"),
    "a chunk digest too many": (m.Compare(0, SIZE, D[:4]), "4 digests"),
    "a granule digest too few": (m.CompareGranules(0, CHUNK, D[:15]), "15 digests"),
    "a recall off the border": (m.Recall(1, CHUNK), "whole chunks"),
}


@pytest.mark.parametrize(("request_", "match"), UNFIT_REQUESTS.values(), ids=UNFIT_REQUESTS.keys())
def test_a_request_that_does_not_fit_the_disk_is_refused(request_: m.Request, match: str) -> None:
    pair = opened()
    with pytest.raises(LocalProtocolError, match=match):
        pair.ends[T].send(request_)
    pair.ends[S].receive_data(wire.pack(request_))
    with pytest.raises(RemoteProtocolError, match=match):
        pair.ends[S].next_frame()


UNFIT_ANSWERS: dict[str, tuple[m.Request, m.Answer, str]] = {
    "data for chunk digests": (COMPARE, DATA, "no answer to Compare"),
    "a second difference": (GRANULES, m.Differ(CHUNK, CHUNK), "no answer to CompareGranules"),
    "the same as zeros": (FETCH, m.Same(0, CHUNK), "no answer to Fetch"),
    "digests that were not recalled": (FETCH, m.Recorded(0, CHUNK, D[:1]), "no answer"),
    "zeros for a recall": (RECALL, m.Zero(0, CHUNK), "no answer to Recall"),
    "an answer that begins too late": (COMPARE, m.Same(CHUNK, CHUNK), "0 to 2197152"),
    "an answer that goes too far": (FETCH, m.Zero(0, 2 * CHUNK), "0 to 1048576"),
    "an answer for nothing": (COMPARE, m.Same(0, 0), "whole units"),
    "an answer for a part of a chunk": (COMPARE, m.Zero(0, GRANULE), "whole units of 1048576"),
    "an answer for a part of a granule": (FETCH, m.Zero(0, 512), "whole units of 65536"),
    "data across a chunk's border": (
        GRANULES._replace(start=0, length=2 * CHUNK, digests=D[:32]),
        DATA._replace(start=CHUNK - GRANULE, length=2 * GRANULE, digests=D[:2]),
        "within one chunk",
    ),
    "too few recorded digests": (RECALL, m.Recorded(0, SIZE, D[:2]), "2 digests"),
}


@pytest.mark.parametrize(
    ("asked", "answer", "match"), UNFIT_ANSWERS.values(), ids=UNFIT_ANSWERS.keys()
)
def test_an_answer_that_does_not_fit_its_request_is_refused(
    asked: m.Request, answer: m.Answer, match: str
) -> None:
    pair = opened()
    pair.say(T, asked)
    if match == "within one chunk":
        pair.say(S, m.Same(0, CHUNK - GRANULE))
    with pytest.raises(LocalProtocolError, match=match):
        pair.ends[S].send(answer)
    pair.ends[T].receive_data(wire.pack(answer))
    with pytest.raises(RemoteProtocolError, match=match):
        pair.ends[T].next_frame()


def test_an_answer_without_a_request_is_refused() -> None:
    pair = opened()
    pair.ends[T].receive_data(wire.pack(m.Same(0, CHUNK)))
    with pytest.raises(RemoteProtocolError, match="nothing was asked"):
        pair.ends[T].next_frame()


@pytest.mark.parametrize("frame", [OPEN, m.EndOfDisk(D[0])], ids=lambda frame: type(frame).__name__)
def test_a_disk_is_not_left_while_a_request_is_unanswered(frame: m.Frame) -> None:
    pair = opened()
    pair.say(T, FETCH)
    with pytest.raises(LocalProtocolError, match="1 requests are unanswered"):
        pair.ends[T].send(frame)
    pair.say(S, m.Zero(0, CHUNK))
    assert equal(pair.say(T, frame), frame)


def test_one_frame_says_that_the_rest_of_a_huge_disk_is_zero() -> None:
    pair = ConnectionPair()
    pair.say_all(OPEN)
    size = 40 * 1024**3
    pair.say(S, m.DiskInfo(size, m.View.MOVING))
    pair.say(T, m.Fetch(0, size))
    assert equal(pair.say(S, m.Zero(0, size)), m.Zero(0, size))
    assert not pair.ends[T].unanswered


def test_requests_up_to_the_bound_may_be_unanswered_and_no_more() -> None:
    pair = opened()
    asked = 0
    while pair.ends[T].may_ask(FETCH):
        pair.say(T, FETCH)
        asked += 1
    frame_size = wire.HEADER.size + 16
    assert asked == UNANSWERED // frame_size
    with pytest.raises(LocalProtocolError, match="more than 65536 bytes"):
        pair.ends[T].send(FETCH)
    pair.ends[S].receive_data(wire.pack(FETCH))
    with pytest.raises(RemoteProtocolError, match="more than 65536 bytes"):
        pair.ends[S].next_frame()


def test_an_answered_request_makes_room_for_another() -> None:
    pair = opened()
    while pair.ends[T].may_ask(FETCH):
        pair.say(T, FETCH)
    pair.say(S, m.Zero(0, GRANULE))
    assert not pair.ends[T].may_ask(FETCH)
    pair.say(S, m.Zero(GRANULE, CHUNK - GRANULE))
    assert equal(pair.say(T, FETCH), FETCH)


def test_all_unanswered_requests_and_as_much_again_fit_the_receive_buffer() -> None:
    connection = opened().ends[S]
    connection.receive_data(bytes(UNANSWERED))
    assert connection.receive_room == RECEIVE_BUFFER - UNANSWERED
    with pytest.raises(LocalProtocolError, match="More was read"):
        connection.receive_data(bytes(connection.receive_room + 1))


def test_a_payload_goes_past_the_connection_into_the_drivers_buffer() -> None:
    pair = opened()
    pair.say(T, FETCH)
    target = pair.ends[T]
    data = pair.ends[S].send(DATA)
    target.receive_data(data)
    assert target.bytes_wanted == 0
    assert target.next_frame() == DATA
    assert target.payload_left == len(PAYLOAD)
    target.payload_passed(3)
    target.payload_passed(2)
    assert target.payload_left == 0
    assert target.next_frame() is None


def test_a_payload_that_was_read_too_early_is_handed_out_first() -> None:
    pair = opened()
    pair.say(T, FETCH)
    pair.ends[T].receive_data(pair.ends[S].send(DATA) + PAYLOAD[:2])
    pair.ends[T].next_frame()
    view = memoryview(bytearray(5))
    assert pair.ends[T].take_payload(view) == 2
    assert bytes(view[:2]) == PAYLOAD[:2]
    assert pair.ends[T].payload_left == 3


def test_a_driver_that_forgets_a_payload_is_told_so() -> None:
    pair = opened()
    pair.say(T, FETCH)
    pair.ends[T].receive_data(pair.ends[S].send(DATA) + PAYLOAD[:2])
    pair.ends[T].next_frame()
    with pytest.raises(LocalProtocolError, match="not taken"):
        pair.ends[T].next_frame()
    with pytest.raises(LocalProtocolError, match="past the connection's buffer"):
        pair.ends[T].payload_passed(3)


def test_a_driver_that_reads_more_than_the_payload_is_told_so() -> None:
    pair = opened()
    pair.say(T, FETCH)
    pair.ends[T].receive_data(pair.ends[S].send(DATA))
    pair.ends[T].next_frame()
    with pytest.raises(LocalProtocolError, match="past the connection's buffer"):
        pair.ends[T].payload_passed(6)


UNFIT_CHOICES: dict[str, tuple[m.Hello, str]] = {
    "no digest": (CHOICE._replace(digests=()), "choose one digest"),
    "two digests": (OFFER, "choose one digest"),
    "a codec that was not offered": (CHOICE._replace(codecs=(m.Codec.ZLIB,)), "codec"),
    "a digest that was not offered": (
        CHOICE._replace(digests=(Offer(Algorithm.SHA256, 1),)),
        "SHA256 was not offered",
    ),
    "chunks of another size": (CHOICE._replace(chunk=CHUNK * 2), "are not ours"),
}


@pytest.mark.parametrize(("choice", "match"), UNFIT_CHOICES.values(), ids=UNFIT_CHOICES.keys())
def test_a_choice_outside_of_the_offer_is_refused(choice: m.Hello, match: str) -> None:
    pair = ConnectionPair()
    pair.say(T, OFFER._replace(digests=OFFER.digests[:1], codecs=(m.Codec.STORED,)))
    pair.ends[T].receive_data(wire.pack(choice))
    with pytest.raises(RemoteProtocolError, match=match):
        pair.ends[T].next_frame()


def test_a_codec_that_was_not_agreed_is_refused() -> None:
    pair = ConnectionPair()
    pair.say(T, OFFER)
    pair.say(S, CHOICE._replace(codecs=(m.Codec.STORED,)))
    pair.say(T, OPEN)
    pair.say(S, INFO)
    pair.say(T, FETCH)
    with pytest.raises(LocalProtocolError, match="ZLIB was not agreed"):
        pair.ends[S].send(DATA._replace(codec=m.Codec.ZLIB))


@pytest.mark.parametrize("size", [0, DISK_SIZE + 1], ids=["nothing", "beyond the limit"])
def test_a_disk_of_an_impossible_size_is_refused(size: int) -> None:
    pair = ConnectionPair()
    pair.say_all(OPEN)
    pair.ends[T].receive_data(wire.pack(m.DiskInfo(size, m.View.MOVING)))
    with pytest.raises(RemoteProtocolError, match="cannot be"):
        pair.ends[T].next_frame()


def test_an_end_of_another_version_hears_both_versions() -> None:
    source = Connection(Role.SOURCE)
    source.receive_data(wire.pack(OFFER._replace(version=VERSION + 1)))
    with pytest.raises(VersionError, match=r"version 1 .* version 2"):
        source.next_frame()
    farewell = source.send(m.Error("permanent", "versions differ", ""))
    target = Connection(Role.TARGET)
    target.send(OFFER)
    target.receive_data(farewell)
    assert isinstance(target.next_frame(), m.Error)


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=20), st.sampled_from(list(Role)))
def test_no_bytes_of_a_peer_lead_to_anything_but_frames_and_protocol_errors(
    pieces: list[bytes], role: Role
) -> None:
    connection = opened().ends[role]
    try:
        for piece in pieces:
            connection.receive_data(piece)
            while connection.next_frame() is not None:
                assert connection.payload_left <= CHUNK
                connection.take_payload(memoryview(bytearray(connection.payload_left)))
                if connection.payload_left:
                    break
            if connection.payload_left:
                break
    except (RemoteProtocolError, VersionError):
        return
    assert connection.receive_room > 0


def test_the_protocol_document_shows_the_table_as_it_is() -> None:
    page = (Path(__file__).parents[5] / "docs" / "protocol.md").read_text(encoding="utf-8")
    shown = page.split("<!-- states -->")[1].split("<!-- end of states -->")[0]
    lines = [
        f"    {where.name:<8} {role.value:<6} {frame.__name__:<16} {then.name}"
        for where, speeches in state.TRANSITIONS.items()
        for (role, frame), then in sorted(
            speeches.items(), key=lambda item: (item[0][0] is S, item[0][1].__name__)
        )
    ]
    assert shown.strip("\n").splitlines() == lines


def test_the_protocol_document_numbers_the_frames_as_they_are() -> None:
    page = (Path(__file__).parents[5] / "docs" / "protocol.md").read_text(encoding="utf-8")
    for layout in wire.LAYOUTS:
        assert f"| {layout.number} | {layout.frame.__name__} |" in page
