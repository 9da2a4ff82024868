# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong on the way, at the disks and in the network, done by citizens with our interfaces."""

from __future__ import annotations

import itertools
from typing import Callable

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError, RestartSyncError
from ansible_collections.ferry.hvm.plugins.module_utils.replication import target as target_file
from ansible_collections.ferry.hvm.plugins.module_utils.replication.channel import Channel
from ansible_collections.ferry.hvm.plugins.module_utils.replication.errors import (
    ConnectionLostError,
    DamagedDataError,
    PeerRefusedError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK, GRANULE
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.messages import (
    Data,
    Differ,
    Frame,
)

from tests.unit.plugins.module_utils.replication.bad_line import BadLine
from tests.unit.plugins.module_utils.replication.rig import (
    Papers,
    Rig,
    make_papers,
    noise,
    patched,
    reference_root,
)


class Harm:
    """Counts over all connections of a source, so that harm is done at one place of a sync."""

    def __init__(self, at: int, count: int = 1) -> None:
        self._numbers = itertools.count()
        self._harmed = range(at, at + count)

    def is_now(self) -> bool:
        """Tell whether this is a place for harm."""
        return next(self._numbers) in self._harmed


def flipping(harm: Harm) -> Callable[..., Channel]:
    """Return channels that flip a bit of a payload after it was digested, before TLS."""

    class FlippingChannel(Channel):
        def send(self, frame: Frame, payload: bytes | memoryview = b"") -> None:
            if isinstance(frame, Data) and harm.is_now():
                payload = patched(bytes(payload), (17, bytes([payload[17] ^ 1])))
            super().send(frame, payload)

    return FlippingChannel


def dying(harm: Harm) -> Callable[..., Channel]:
    """Return channels whose connection breaks instead of sending a frame."""

    class DyingChannel(Channel):
        def send(self, frame: Frame, payload: bytes | memoryview = b"") -> None:
            if harm.is_now():
                self.close()
                raise ConnectionLostError("The cable was pulled.")
            super().send(frame, payload)

    return DyingChannel


class RottenDisk(MemoryDisk):
    """Loses a bit of what is written, a number of times."""

    def __init__(self, content: bytes, times: int) -> None:
        super().__init__(content)
        self._times = times

    def write(self, start: int, data: memoryview) -> None:
        """See TargetDisk."""
        super().write(start, data)
        if self._times:
            self._times -= 1
            self.content[start + len(data) // 2] ^= 4


PLAIN = noise(6 * CHUNK)
TEXT = b"".join(b"line %d of a log\n" % number for number in range(300_000))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(PLAIN, "is not what the source digested", id="stored"),
        pytest.param(TEXT, "A payload cannot be decoded", id="packed"),
    ],
)
def test_a_bit_that_flips_on_its_way_is_found_and_sent_again(
    rig: Rig, content: bytes, complaint: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = rig.source(MemoryDisk(content), channel_type=flipping(Harm(at=3)))
    target = MemoryDisk(bytes(len(content)))
    report = rig.sync(source, target, initial=True)
    assert target.content == content
    assert complaint in caplog.text
    assert report.disks[0].claim.root == reference_root(content, report.disks[0].claim.algorithm)


def test_damage_that_does_not_end_fails_the_sync_and_is_never_written(rig: Rig) -> None:
    source = rig.source(MemoryDisk(PLAIN), channel_type=flipping(Harm(at=0, count=10**6)))
    target = MemoryDisk(bytes(len(PLAIN)))
    with pytest.raises(DamagedDataError, match="is not what the source digested"):
        rig.sync(source, target)
    assert target.bytes_written == 0


def test_a_bit_that_the_target_loses_is_found_by_reading_back(rig: Rig) -> None:
    target = RottenDisk(bytes(len(PLAIN)), times=1)
    report = rig.sync(rig.source(MemoryDisk(PLAIN)), target)
    assert target.content == PLAIN
    assert report.disks[0].repaired == 1


def test_a_target_that_loses_bits_for_ever_fails_the_sync(rig: Rig) -> None:
    target = RottenDisk(bytes(len(PLAIN)), times=10**6)
    with pytest.raises(RestartSyncError, match="memory-sda differs from the source's sda"):
        rig.sync(rig.source(MemoryDisk(PLAIN)), target)


def test_what_a_first_sync_did_not_read_back_the_next_sync_finds(rig: Rig) -> None:
    target = RottenDisk(bytes(len(PLAIN)), times=1)
    first = rig.sync(rig.source(MemoryDisk(PLAIN)), target, initial=True)
    assert first.disks[0].claim.target_read == "before_write"
    second = rig.sync(rig.source(MemoryDisk(PLAIN)), target)
    assert target.content == PLAIN
    assert second.disks[0].data == GRANULE


# Old content, new content: same, zero, data and differences in one small disk.
OLD = noise(2 * CHUNK) + bytes(2 * CHUNK) + noise(CHUNK, seed=5) + noise(CHUNK + 99, seed=6)
NEW = patched(OLD, (GRANULE, b"new"), (2 * CHUNK, noise(CHUNK, seed=7)), (4 * CHUNK, bytes(CHUNK)))


@pytest.mark.parametrize("at", range(40), ids=lambda at: f"frame {at}")
def test_a_connection_that_breaks_at_any_frame_changes_nothing_of_the_end(
    rig: Rig, at: int
) -> None:
    source = rig.source(MemoryDisk(NEW), channel_type=dying(Harm(at)))
    target = MemoryDisk(OLD)
    if at == 0:  # What was never reached is not dialled again: more likely a wrong address.
        with pytest.raises(ConnectionLostError):
            rig.sync(source, target)
    report = rig.sync(source, target)
    assert target.content == NEW
    assert report.disks[0].claim.root == reference_root(NEW, report.disks[0].claim.algorithm)


def test_a_broken_connection_does_not_send_again_what_is_proven(rig: Rig) -> None:
    content = noise(40 * CHUNK)
    source = rig.source(MemoryDisk(content), channel_type=dying(Harm(at=30)))
    report = rig.sync(source, MemoryDisk(bytes(len(content))), initial=True, connections=1)
    # At most what was in flight is sent twice: a socket's buffer and the payloads in the reader's hands.
    assert source.connection_count > 2
    assert report.disks[0].sent < len(content) + 8 * CHUNK


def test_a_connection_that_carried_its_share_is_replaced(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_file, "CONNECTION_BYTES", 70 * CHUNK)
    monkeypatch.setattr(target_file, "MOST_OPEN", 16)
    content = noise(CHUNK) * 200
    source, target = rig.source(MemoryDisk(content)), MemoryDisk(bytes(len(content)))
    rig.sync(source, target, initial=True, connections=1)
    assert target.content == content
    # One looks at the disk, two carry 128 chunks each at most, one agrees on the root.
    assert source.connection_count == 4


def test_a_source_that_was_restarted_is_asked_for_everything_again(rig: Rig) -> None:
    source = rig.source(MemoryDisk(NEW))
    target = MemoryDisk(OLD)
    connect = source.connect

    def connect_to_a_new_process() -> object:
        if (
            source.connection_count == 3
        ):  # Two were opened and one had worked; now roots are asked for.
            source.restart()
        return connect()

    rig.connect = connect_to_a_new_process  # type: ignore[assignment]
    report = rig.sync(source, target, connections=1)
    assert target.content == NEW
    assert report.disks[0].claim.root == reference_root(NEW, report.disks[0].claim.algorithm)


@pytest.mark.parametrize("from_source", [True, False], ids=["source", "target"])
def test_a_line_that_damages_what_is_secured_is_a_lost_connection(
    rig: Rig, from_source: bool
) -> None:
    """TLS finds what one end says to be damaged; its alert is no refusal, a new connection carries on."""

    class ArmingChannel(Channel):
        def send(self, frame: Frame, payload: bytes | memoryview = b"") -> None:
            if isinstance(frame, Differ):  # Both ends have greeted, and will speak again.
                line.arm()
            super().send(frame, payload)

    source = rig.source(MemoryDisk(PLAIN), channel_type=ArmingChannel)
    line = BadLine(source.connect, from_source=from_source)
    rig.connect = line.connect
    target = MemoryDisk(noise(len(PLAIN), seed=2))
    rig.sync(source, target, connections=1)
    assert line.has_flipped
    assert target.content == PLAIN


def test_a_disk_that_is_another_after_a_lost_connection_is_refused(rig: Rig) -> None:
    disk = MemoryDisk(PLAIN)
    source = rig.source(disk, channel_type=dying(Harm(at=4)))
    connect = source.connect

    def connect_to_a_larger_disk() -> object:
        if source.connection_count >= 2:
            disk.size = len(PLAIN) + CHUNK
        return connect()

    rig.connect = connect_to_a_larger_disk  # type: ignore[assignment]
    target = MemoryDisk(bytes(len(PLAIN)))
    with pytest.raises(InputError, match="Plan the sync anew"):
        rig.sync(source, target, sizes=(len(PLAIN),), connections=1)


def test_a_source_that_cannot_be_reached_is_an_error_at_once(rig: Rig) -> None:
    def refuse() -> object:
        raise ConnectionLostError("Cannot reach the source at 198.18.1.11 port 5994/TCP: refused.")

    rig.connect = refuse  # type: ignore[assignment]
    with pytest.raises(ConnectionLostError, match="5994/TCP"):
        rig.sync(rig.source(MemoryDisk(PLAIN)), MemoryDisk(bytes(len(PLAIN))))


def test_a_source_that_stays_away_ends_the_sync_when_patience_ends(rig: Rig) -> None:
    source = rig.source(MemoryDisk(PLAIN), channel_type=dying(Harm(at=6, count=10**6)))
    with pytest.raises(ConnectionLostError):
        rig.sync(source, MemoryDisk(bytes(len(PLAIN))), patience=0.0)


def test_a_source_with_a_strangers_certificate_is_refused_by_the_target(
    rig: Rig, stranger_papers: Papers
) -> None:
    source = rig.source(MemoryDisk(PLAIN), own=stranger_papers)
    target = MemoryDisk(bytes(len(PLAIN)))
    with pytest.raises(PeerRefusedError, match="TLS for run web01-7 was refused"):
        rig.sync(source, target)
    assert target.bytes_written == 0


def test_a_target_with_a_strangers_certificate_is_refused_by_the_source(
    rig: Rig, stranger_papers: Papers
) -> None:
    disk = MemoryDisk(PLAIN)
    source = rig.source(disk, peer=stranger_papers.certificate)
    with pytest.raises(PeerRefusedError, match="TLS for run web01-7 was refused"):
        rig.sync(source, MemoryDisk(bytes(len(PLAIN))))
    assert disk.bytes_read == 0
    assert any(isinstance(error, PeerRefusedError) for error in source.errors)


def test_a_target_of_another_run_is_refused_by_its_name(rig: Rig) -> None:
    papers = make_papers("db01-1")
    source = rig.source(MemoryDisk(PLAIN), own=papers)
    rig.trusted = papers.certificate
    with pytest.raises(PeerRefusedError, match="TLS for run db01-1 was refused"):
        rig.sync(source, MemoryDisk(bytes(len(PLAIN))), run="db01-1")
