# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels on real sockets: no dead wait with the smallest buffers, signs of life, wake-ups."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Iterator, NamedTuple

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import TransientError
from ansible_collections.ferry.hvm.plugins.module_utils.replication import channel as channel_file
from ansible_collections.ferry.hvm.plugins.module_utils.replication import messages as m
from ansible_collections.ferry.hvm.plugins.module_utils.replication.channel import Channel
from ansible_collections.ferry.hvm.plugins.module_utils.replication.connection import Connection
from ansible_collections.ferry.hvm.plugins.module_utils.replication.errors import (
    ConnectionLostError,
    LocalProtocolError,
    StoppedError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.state import Role
from ansible_collections.ferry.hvm.plugins.module_utils.replication.tls import (
    Identity,
    admit,
    secure,
    source_end,
    target_end,
)

from tests.unit.plugins.module_utils.replication.pair import CHOICE, OFFER, OPEN, D, equal
from tests.unit.plugins.module_utils.replication.rig import DEADLINE, RUN, Papers, Rig, noise


def small_socketpair() -> tuple[socket.socket, socket.socket]:
    """Return a TCP connection whose buffers are as small as Linux allows."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        one = socket.socket()
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            one.setsockopt(socket.SOL_SOCKET, option, 1)
        one.connect(listener.getsockname())
        other, _unused = listener.accept()
    for end in (one, other):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one, other


class Ends(NamedTuple):
    """Two channels that talk to each other, past Hello."""

    target: Channel
    source: Channel


@pytest.fixture
def ends(source_papers: Papers, target_papers: Papers) -> Iterator[Ends]:
    theirs, ours = small_socketpair()
    target = target_end(RUN, Identity(*target_papers, source_papers.certificate))
    source = source_end(RUN, Identity(*source_papers, target_papers.certificate))
    with ThreadPoolExecutor(1) as executor:
        accepted = executor.submit(admit, ours, lambda _name: source)
        dialled = secure(theirs, target)
        pair = Ends(
            Channel(dialled, Connection(Role.TARGET), RUN, threading.Event()),
            Channel(accepted.result(DEADLINE)[0], Connection(Role.SOURCE), RUN, threading.Event()),
        )
    pair.target.send(OFFER)
    assert equal(pair.source.receive(DEADLINE), OFFER)
    pair.source.send(CHOICE)
    assert equal(pair.target.receive(DEADLINE), CHOICE)
    yield pair
    pair.target.close()
    pair.source.close()


def open_disk(ends: Ends, size: int) -> None:
    ends.target.send(OPEN)
    ends.source.receive(DEADLINE)
    ends.source.send(m.DiskInfo(size, m.View.MOVING))
    ends.target.receive(DEADLINE)


def test_both_ends_may_be_sending_all_they_may_with_the_smallest_buffers(ends: Ends) -> None:
    """The target asks up to the bound while nobody reads; the source sends a chunk meanwhile."""
    size = 4096 * CHUNK
    open_disk(ends, size)
    ends.target.send(m.Fetch(0, CHUNK))
    ends.source.receive(DEADLINE)
    data = m.Data(0, CHUNK, CHUNK, m.Codec.STORED, D[:16])

    def ask() -> int:
        count = 0
        request = m.Compare(CHUNK, 64 * CHUNK, (D[:32] * 2))
        while ends.target.connection.may_ask(request):
            ends.target.send(request)
            count += 1
        assert equal(ends.target.receive(DEADLINE), data)
        payload = memoryview(bytearray(CHUNK))
        ends.target.read_payload(payload)
        assert bytes(payload) == noise(CHUNK)
        return count

    with ThreadPoolExecutor(1) as executor:
        asked = executor.submit(ask)
        ends.source.send(data, noise(CHUNK))
        count = asked.result(DEADLINE)
        assert count == 62
        for _unused in range(count):
            assert isinstance(ends.source.receive(DEADLINE), m.Compare)


def test_a_sync_with_the_smallest_buffers_ends(rig: Rig) -> None:
    new, old = noise(12 * CHUNK), noise(12 * CHUNK, seed=2)
    source, target = rig.source(MemoryDisk(new)), MemoryDisk(old)

    def connect() -> socket.socket:
        theirs, ours = small_socketpair()
        source.serve(ours)
        return theirs

    rig.connect = connect
    rig.sync(source, target)
    assert target.content == new


def test_a_wait_ends_when_somebody_wakes_it(ends: Ends) -> None:
    timer = threading.Timer(0.05, ends.target.wake)
    timer.start()
    assert ends.target.receive(DEADLINE) is None
    timer.join()


def test_a_wake_before_the_wait_is_not_lost(ends: Ends) -> None:
    ends.target.wake()
    assert ends.target.receive(DEADLINE) is None


def test_waking_a_closed_channel_touches_no_descriptor(ends: Ends) -> None:
    ends.target.close()
    reused = [socket.socketpair() for _unused in range(4)]  # Takes the closed channel's numbers.
    ends.target.wake()
    for one, other in reused:
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.recv(1)
        one.close()
        other.close()


def test_a_silent_end_says_that_it_is_alive(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_file, "ALIVE_INTERVAL", 0.0)
    before = ends.source.bytes_sent
    ends.source.tend()
    assert ends.source.bytes_sent > before
    ends.source.send(m.Goodbye())
    assert equal(ends.target.receive(DEADLINE), m.Goodbye())


def test_only_another_number_in_a_sign_of_life_says_that_the_peers_disk_moves(ends: Ends) -> None:
    moves: list[int] = []
    ends.target.peer_moved = lambda: moves.append(1)
    for headway, count in ((0, 0), (5, 1), (5, 1), (6, 2), (2, 3)):
        ends.source.send(m.Alive(headway))
        ends.source.send(m.Alive(headway))
        assert ends.target.receive(0.1) is None
        assert len(moves) == count


def test_a_sign_of_life_tells_the_headway_of_the_moment(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_file, "ALIVE_INTERVAL", 0.0)
    moved = threading.Event()
    ends.target.peer_moved = moved.set
    ends.source.tend()
    assert ends.target.receive(0.1) is None
    assert not moved.is_set()
    ends.source.headway = lambda: 7
    ends.source.tend()
    assert ends.target.receive(0.1) is None
    assert moved.is_set()


def test_a_peer_that_says_nothing_for_too_long_is_lost(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_file, "LOST_AFTER", 0.0)
    with pytest.raises(ConnectionLostError, match="Nothing was heard from the peer"):
        ends.target.receive(DEADLINE)


def test_a_peer_that_goes_without_a_word_is_lost(ends: Ends) -> None:
    ends.source.close()
    with pytest.raises(ConnectionLostError):
        ends.target.receive(DEADLINE)


def test_an_error_of_the_peer_is_raised_as_what_it_is(ends: Ends) -> None:
    ends.source.leave(m.Error("transient", "Disk sda is busy.", "Try again."))
    with pytest.raises(TransientError, match=r"source says: Disk sda is busy\. Try again\."):
        ends.target.receive(DEADLINE)


def test_saying_farewell_to_a_peer_that_left_is_no_error(ends: Ends) -> None:
    ends.target.close()
    ends.source.leave(m.Goodbye())
    assert ends.source.connection.state.name == "CLOSED"


def test_an_end_that_is_stopped_leaves_its_wait(ends: Ends) -> None:
    ends.target.stop.set()
    with pytest.raises(StoppedError, match="The target was stopped"):
        ends.target.receive(DEADLINE)


def test_an_end_that_is_stopped_in_the_middle_of_a_frame_says_no_more(ends: Ends) -> None:
    """A farewell behind half a frame would be taken for the rest of it."""
    open_disk(ends, CHUNK)
    ends.target.send(m.Fetch(0, CHUNK))
    ends.source.receive(DEADLINE)
    ends.source.stop.set()
    data = m.Data(0, CHUNK, CHUNK, m.Codec.STORED, D[:16])
    with pytest.raises(StoppedError):
        ends.source.send(data, noise(CHUNK))
    sent = ends.source.bytes_sent
    ends.source.leave(m.Goodbye())
    assert ends.source.bytes_sent == sent


def test_a_payload_of_another_length_than_its_frame_tells_is_not_sent(ends: Ends) -> None:
    open_disk(ends, CHUNK)
    ends.target.send(m.Fetch(0, CHUNK))
    ends.source.receive(DEADLINE)
    with pytest.raises(LocalProtocolError, match="payload"):
        ends.source.send(m.Data(0, CHUNK, CHUNK, m.Codec.STORED, D[:16]), b"short")


def test_the_round_trip_is_the_kernels_own(ends: Ends) -> None:
    assert 0 < ends.target.round_trip() < DEADLINE


def test_what_is_no_tcp_has_no_round_trip() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        secured: Any = ours
        channel = Channel(secured, Connection(Role.TARGET), RUN, threading.Event())
        assert channel.round_trip() == 0
        channel.close()
