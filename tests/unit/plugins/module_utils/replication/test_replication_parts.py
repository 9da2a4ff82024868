# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's small parts: geometry, digests, ledger, work list, codecs, settler."""

from __future__ import annotations

import contextlib
import tracemalloc

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication.codecs import (
    AVAILABLE,
    decode,
    encode,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.digests import (
    Algorithm,
    Hasher,
    Offer,
    calibrate,
    choose,
    is_zero,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.disks import aligned_buffer
from ansible_collections.ferry.hvm.plugins.module_utils.replication.errors import DamagedDataError
from ansible_collections.ferry.hvm.plugins.module_utils.replication.geometry import (
    Span,
    chunk_count,
    chunk_span,
    granule_count,
    merge,
    split,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.ledger import Ledger
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import (
    CHUNK,
    GRANULE,
    server_name,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.messages import Codec, View
from ansible_collections.ferry.hvm.plugins.module_utils.replication.plan import MOST_CONNECTIONS
from ansible_collections.ferry.hvm.plugins.module_utils.replication.settler import STEP, Settler
from ansible_collections.ferry.hvm.plugins.module_utils.replication.target import depth_of
from ansible_collections.ferry.hvm.plugins.module_utils.replication.worklist import SPAN, WorkList
from ansible_collections.ferry.hvm.plugins.module_utils.units import GIB, MIB
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.replication.rig import noise, patched, reference_root

HASHER = Hasher(Algorithm.BLAKE2B)


@given(st.integers(0, 10 * CHUNK), st.integers(1, 10 * CHUNK), st.sampled_from([GRANULE, CHUNK]))
def test_the_pieces_of_a_span_are_the_span_cut_at_the_borders(
    start: int, length: int, unit: int
) -> None:
    pieces = list(split(Span(start, length), unit))
    assert pieces[0].start == start
    assert pieces[-1].end == start + length
    for one, other in zip(pieces, pieces[1:]):
        assert one.end == other.start
        assert other.start % unit == 0
    assert all(0 < piece.length <= unit for piece in pieces)


@given(st.integers(1, 5 * CHUNK))
def test_chunks_cover_a_disk_once(size: int) -> None:
    spans = [chunk_span(chunk, size) for chunk in range(chunk_count(size))]
    assert sum(span.length for span in spans) == size
    assert spans == list(split(Span(0, size), CHUNK))
    assert granule_count(spans[-1].length) == len(list(split(spans[-1], GRANULE)))


@given(st.sets(st.integers(0, 200)), st.integers(1, 20))
def test_merged_spans_cover_the_same_bytes_and_are_few(numbers: set[int], most: int) -> None:
    spans = [Span(number * GRANULE, GRANULE) for number in sorted(numbers)]
    merged = list(merge(spans, most * GRANULE))
    assert [piece for span in merged for piece in split(span, GRANULE)] == spans
    for one, other in zip(merged, merged[1:]):
        assert one.end < other.start or one.length == most * GRANULE
    assert all(0 < span.length <= most * GRANULE for span in merged)


ROOTS = {
    "one byte": b"x",
    "a granule of zeros": bytes(GRANULE),
    "a short granule of zeros": bytes(GRANULE - 1),
    "zeros and data": bytes(CHUNK) + noise(CHUNK + 5),
}


@pytest.mark.parametrize("content", ROOTS.values(), ids=ROOTS.keys())
@pytest.mark.parametrize("algorithm", Algorithm, ids=lambda algorithm: algorithm.name)
def test_the_tree_is_that_of_the_protocol_document(content: bytes, algorithm: Algorithm) -> None:
    hasher = Hasher(algorithm)
    ledger = Ledger(len(content), hasher)
    for chunk in range(chunk_count(len(content))):
        span = chunk_span(chunk, len(content))
        data = memoryview(content)[span.start : span.end]
        ledger.note_granules(chunk, hasher.granules(data))
    assert ledger.root().hex() == reference_root(content, algorithm.name.lower())


def test_zeros_of_another_length_have_another_root() -> None:
    roots = {reference_root(bytes(size), "blake2b") for size in (1, 512, GRANULE, CHUNK, CHUNK + 1)}
    assert len(roots) == 5


@pytest.mark.parametrize("length", [1, GRANULE, GRANULE + 1, CHUNK])
def test_the_digests_of_zeros_are_known_for_any_length(length: int) -> None:
    assert HASHER.zeros(length) == HASHER.granules(memoryview(bytes(length)))
    assert len(HASHER.zeros(length)) == granule_count(length)


@pytest.mark.parametrize("at", [0, 1, 4095, GRANULE - 1], ids=lambda at: f"a bit at {at}")
def test_one_bit_is_enough_to_be_no_zeros(at: int) -> None:
    buffer = aligned_buffer()
    assert is_zero(buffer[:GRANULE])
    buffer[at] = 128
    assert not is_zero(buffer[:GRANULE])
    assert HASHER.granule(buffer[:GRANULE]) != HASHER.zero_granule


def test_this_machine_has_every_algorithm_with_a_rate() -> None:
    offers = calibrate()
    assert [offer.algorithm for offer in offers] == list(Algorithm)
    assert all(offer.rate > 1000 for offer in offers)


CHOICES = {
    "the best of both": ((900, 500), (300, 400), Algorithm.SHA256),
    "the one that the slow end can": ((900, 100), (900, 800), Algorithm.BLAKE2B),
}


@pytest.mark.parametrize(("ours", "theirs", "best"), CHOICES.values(), ids=CHOICES.keys())
def test_the_digest_is_the_one_whose_slower_end_is_fastest(
    ours: tuple[int, int], theirs: tuple[int, int], best: Algorithm
) -> None:
    def offers(rates: tuple[int, int]) -> list[Offer]:
        return [Offer(algorithm, rate) for algorithm, rate in zip(Algorithm, rates)]

    assert choose(offers(ours), offers(theirs)) is best


def test_ends_without_a_common_digest_cannot_choose() -> None:
    with pytest.raises(ValueError, match="empty"):
        choose([Offer(Algorithm.SHA256, 1)], [Offer(Algorithm.BLAKE2B, 1)])


def test_a_ledger_names_what_is_missing_until_it_is_noted() -> None:
    ledger = Ledger(3 * CHUNK + 1, HASHER)
    assert list(ledger.missing()) == [0, 1, 2, 3]
    for chunk in (0, 1, 3):
        ledger.note(chunk, bytes([chunk + 1]) * 16)
    assert list(ledger.missing()) == [2]
    assert ledger.missing_count == 1
    for _twice in range(2):
        ledger.forget(1)
    assert list(ledger.missing()) == [1, 2]
    assert ledger.missing_count == 2
    assert ledger.digests(Span(2 * CHUNK, CHUNK + 1)) == [bytes(16), b"\4" * 16]
    assert list(ledger.noted()) == [(0, b"\1" * 16), (3, b"\4" * 16)]


def test_what_is_missing_of_a_ledger_is_named_without_a_list_of_everything() -> None:
    """Of 1 TiB such a list was 93 MiB, at the source and at the target."""
    ledger = Ledger(64 * GIB, HASHER)
    tracemalloc.start()
    work = WorkList(ledger.missing())
    _held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(work.take()) == SPAN // CHUNK
    assert peak < MIB


@pytest.mark.parametrize("connections", range(1, MOST_CONNECTIONS + 1))
def test_the_buffers_of_all_connections_of_a_target_stay_within_32_mib(connections: int) -> None:
    depth = depth_of(connections)
    assert depth >= 2
    assert connections * (depth + depth) * CHUNK <= 32 * MIB


def test_an_empty_work_list_has_nothing_to_hand_out() -> None:
    work = WorkList([])
    assert work.is_empty
    assert not work.take()


def test_a_run_and_a_view_have_names_for_others() -> None:
    assert server_name("web01-7") == "web01-7.ferry.internal"
    assert View.LVM_SNAPSHOT.word == "lvm_snapshot"


def test_a_work_list_hands_out_runs_without_gaps() -> None:
    most = SPAN // CHUNK
    work = WorkList([0, 1, 2, 5, 6, *range(10, 10 + most + 3)])
    taken = [work.take() for _unused in range(5)]
    assert taken == [
        range(3),
        range(5, 7),
        range(10, 10 + most),
        range(10 + most, 13 + most),
        range(0),
    ]
    assert work.is_empty


def test_what_is_given_back_comes_first_and_in_order() -> None:
    work = WorkList(range(200))
    first = work.take()
    work.give_back([first[1], first[2], first[9]])
    assert [work.take(), work.take()] == [range(1, 3), range(9, 10)]
    assert work.take().start == SPAN // CHUNK


TEXT = memoryview(b"GET /index.html 200\n" * 5000)


@pytest.mark.parametrize("codec", AVAILABLE, ids=[codec.name for codec in AVAILABLE])
@given(data=st.binary(min_size=1, max_size=4096))
def test_what_is_encoded_decodes_to_itself(codec: Codec, data: bytes) -> None:
    encoded = encode(codec, memoryview(data))
    assert encoded.codec is codec
    assert bytes(decode(codec, memoryview(encoded.payload), len(data))) == data


PACKED = {codec: bytes(encode(codec, TEXT).payload) for codec in AVAILABLE if codec}
BOMB = memoryview(bytes(10**7))
WORDS = {
    Codec.ZLIB: {
        "nonsense": "cannot be decoded",
        "more than was told": "more than",
        "less than was told": "instead of",
        "a bomb": "more than 65536",
        "cut": "does not end",
        "without its last byte": "does not end",
        "something behind it": "does not end",
        "nothing": "does not end",
    },
    Codec.ZSTD: {
        "nonsense": "cannot be decoded",
        "more than was told": f"announces {len(TEXT)} bytes",
        "less than was told": f"announces {len(TEXT)} bytes",
        "a bomb": "announces 10000000 bytes instead of 65536",
        "cut": "cannot be decoded",
        "without its last byte": "cannot be decoded",
        "something behind it": "cannot be decoded",
        "nothing": "cannot be decoded",
    },
}
BROKEN_PAYLOADS = {
    "too short": (Codec.STORED, b"abc", 4, "3 bytes instead of 4"),
    "too long": (Codec.STORED, b"abcde", 4, "5 bytes instead of 4"),
    **{
        f"{codec.name}, {name}": (codec, payload, length, WORDS[codec][name])
        for codec, packed in PACKED.items()
        for name, payload, length in (
            ("nonsense", b"abcdefgh", 8),
            ("more than was told", packed, len(TEXT) - 1),
            ("less than was told", packed, len(TEXT) + 1),
            ("a bomb", bytes(encode(codec, BOMB).payload), GRANULE),
            ("cut", packed[:-20], len(TEXT)),
            ("without its last byte", packed[:-1], len(TEXT)),
            ("something behind it", packed + b"x", len(TEXT)),
            ("nothing", b"", len(TEXT)),
        )
    },
}


@pytest.mark.parametrize(
    ("codec", "payload", "length", "match"), BROKEN_PAYLOADS.values(), ids=BROKEN_PAYLOADS.keys()
)
def test_a_broken_payload_is_refused(codec: Codec, payload: bytes, length: int, match: str) -> None:
    with pytest.raises(DamagedDataError, match=match):
        decode(codec, memoryview(payload), length)


@pytest.mark.parametrize("codec", PACKED, ids=[codec.name for codec in PACKED])
def test_a_flipped_bit_of_a_payload_makes_an_error_or_bytes_of_the_told_length(
    codec: Codec,
) -> None:
    """What the codec does not find itself, the digests do; but nothing else escapes it."""
    packed = bytearray(PACKED[codec])
    for bit in range(8 * len(packed)):
        packed[bit // 8] ^= 1 << bit % 8
        with contextlib.suppress(DamagedDataError):
            assert len(decode(codec, memoryview(bytes(packed)), len(TEXT))) == len(TEXT)
        packed[bit // 8] ^= 1 << bit % 8


def settled(disk: MemoryDisk, *, read_back: bool = True) -> Settler:
    """Return a settler that was told that all of the disk's first chunk was written just so."""
    settler = Settler(disk, HASHER, read_back=read_back)
    settler.note(Span(0, CHUNK), HASHER.granules(memoryview(noise(CHUNK))))
    return settler


def test_what_is_as_it_was_written_settles() -> None:
    disk = MemoryDisk(noise(CHUNK))
    settler = settled(disk)
    assert settler.finish() == []
    assert (disk.flush_count, disk.bytes_read) == (1, CHUNK)
    settler.close()


def test_a_chunk_that_is_not_as_it_was_written_is_named_once() -> None:
    settler = settled(MemoryDisk(patched(noise(CHUNK), (70_000, b"?"))))
    assert settler.finish() == [0]
    assert settler.finish() == []
    settler.close()


def test_a_later_write_of_a_granule_counts_and_not_the_earlier_one() -> None:
    disk = MemoryDisk(patched(noise(CHUNK), (0, noise(GRANULE, seed=2))))
    settler = settled(disk)
    settler.note(Span(0, GRANULE), HASHER.granules(memoryview(noise(GRANULE, seed=2))))
    assert settler.finish() == []
    settler.close()


def test_without_reading_back_there_is_still_a_flush() -> None:
    disk = MemoryDisk(bytes(CHUNK))
    settler = settled(disk, read_back=False)
    assert settler.finish() == []
    assert (disk.flush_count, disk.bytes_read) == (1, 0)
    settler.close()


def test_a_step_is_due_after_so_many_bytes_and_begins_anew() -> None:
    settler = Settler(MemoryDisk(b"x"), HASHER, read_back=False)
    for number in range(STEP // CHUNK):
        assert not settler.is_due
        settler.note(Span(number * CHUNK, CHUNK), HASHER.zero_granules)
    assert settler.is_due
    settler.start().result()
    assert not settler.is_due
    settler.close()
