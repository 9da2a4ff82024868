# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The choice between plain and packed, on a clock, a link and a processor of known speeds."""

from __future__ import annotations

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication import compressor
from ansible_collections.ferry.hvm.plugins.module_utils.replication.codecs import (
    Encoded,
    decode,
    encode,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.compressor import Compressor
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK
from ansible_collections.ferry.hvm.plugins.module_utils.replication.messages import Codec

from tests.unit.plugins.module_utils.replication.rig import noise

MB = 10**6
TEXT = memoryview(b"GET /index.html 200\n" * CHUNK)[:CHUNK]
NOISE = memoryview(noise(CHUNK))
QUICK = 200 * MB
BOTH = (Codec.STORED, Codec.ZLIB)


class World:
    """Time passes by sending at the link's rate and by encoding at the processor's; bytes per second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, link: float, processor: float) -> None:
        self.now = 0.0
        self.link = link
        self.processor = processor
        self.sent: list[Encoded] = []
        monkeypatch.setattr(compressor, "encode", self._encode)
        monkeypatch.setattr(compressor, "is_quick", lambda _codec: processor > QUICK)

    def send(self, sender: Compressor, data: memoryview, count: int) -> float:
        """Send the data so many times; return how long that took."""
        begin = self.now
        for _unused in range(count):
            sender.send(data, self._transmit)
        return self.now - begin

    def share_packed(self, last: int) -> float:
        """The share of the last payloads that was packed."""
        return sum(each.codec is not Codec.STORED for each in self.sent[-last:]) / last

    def clock(self) -> float:
        return self.now

    def _encode(self, codec: Codec, data: memoryview) -> Encoded:
        self.now += len(data) / self.processor
        return encode(codec, data)

    def _transmit(self, encoded: Encoded) -> None:
        self.now += len(encoded.payload) / self.link
        self.sent.append(encoded)


def test_a_slow_link_gets_packed_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, link=12 * MB, processor=300 * MB)
    world.send(Compressor(BOTH, world.clock, world.clock), TEXT, 600)
    assert world.share_packed(500) > 0.85


@pytest.mark.parametrize(("link", "processor"), [(2000, 40), (200, 100), (200, 190)])
def test_a_link_faster_than_the_codec_is_hardly_slowed_down(
    monkeypatch: pytest.MonkeyPatch, link: float, processor: float
) -> None:
    world = World(monkeypatch, link=link * MB, processor=processor * MB)
    took = world.send(Compressor(BOTH, world.clock, world.clock), TEXT, 1000)
    assert world.share_packed(1000) < 0.06
    assert took < 1.06 * 1000 * CHUNK / world.link


def test_what_does_not_shrink_costs_samples_only(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, link=12 * MB, processor=300 * MB)
    took = world.send(Compressor(BOTH, world.clock, world.clock), NOISE, 200)
    assert world.share_packed(200) == 0
    assert took < 1.01 * 200 * CHUNK / world.link


def test_text_after_noise_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, link=12 * MB, processor=300 * MB)
    sender = Compressor(BOTH, world.clock, world.clock)
    world.send(sender, NOISE, 100)
    world.send(sender, TEXT, 100)
    assert world.share_packed(50) > 0.8


@pytest.mark.parametrize(("before", "after"), [(2000, 12), (12, 2000)])
def test_a_link_that_changes_is_followed(
    monkeypatch: pytest.MonkeyPatch, before: int, after: int
) -> None:
    world = World(monkeypatch, link=before * MB, processor=300 * MB)
    sender = Compressor(BOTH, world.clock, world.clock)
    world.send(sender, TEXT, 1000)
    world.link = after * MB
    world.send(sender, TEXT, 2000)
    assert (world.share_packed(500) > 0.8) is (after < before)


def test_one_slow_measurement_does_not_turn_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, link=2000 * MB, processor=300 * MB)
    sender = Compressor(BOTH, world.clock, world.clock)
    world.send(sender, TEXT, 200)
    world.link = 150 * MB
    world.send(sender, TEXT, compressor.WINDOW // CHUNK)
    world.link = 2000 * MB
    world.send(sender, TEXT, 100)
    assert world.share_packed(100) == 0


def test_a_peer_without_a_codec_gets_plain_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, link=1 * MB, processor=300 * MB)
    world.send(Compressor((Codec.STORED,), world.clock, world.clock), TEXT, 100)
    assert world.share_packed(100) == 0


def test_a_quick_codec_packs_from_the_first_payload(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, link=2000 * MB, processor=300 * MB)
    sender = Compressor(BOTH, world.clock, world.clock)
    world.send(sender, TEXT, compressor.WINDOW // CHUNK)
    assert world.share_packed(compressor.WINDOW // CHUNK) == 1
    world.send(sender, TEXT, 100)
    assert world.share_packed(50) < 0.2


def test_small_payloads_are_tried_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, link=12 * MB, processor=300 * MB)
    world.send(Compressor(BOTH, world.clock, world.clock), TEXT[:4096], 4000)
    assert world.share_packed(1000) > 0.8


def test_by_the_machines_own_clocks_what_is_sent_is_what_was_given() -> None:
    sender = Compressor(BOTH)
    sent: list[Encoded] = []
    for _payload in range(3 * compressor.WINDOW // CHUNK):
        sender.send(TEXT, sent.append)
    assert all(decode(each.codec, memoryview(each.payload), CHUNK) == TEXT for each in sent)
