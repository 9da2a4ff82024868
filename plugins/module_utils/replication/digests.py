# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Digests, and the tree that binds the content of a disk into one root. PRIVATE to the collection.

    granule   digest of its plain bytes
    chunk     digest of CHUNK_TAG and the digests of its granules
    root      digest of ROOT_TAG, the disk's length and the digests of all its chunks

Every level's place in the tree follows from the disk's length, and the length is part of the root, so
that no granule can be passed off as a list of digests. A chunk's digest needs no second pass over the
bytes, and follows from an index of granule digests without reading at all. Python 3.6.
"""

import enum
import hashlib
import struct
import time
from typing import Callable, Dict, List, NamedTuple, Sequence, Tuple, Union

from ..units import KIB
from .accelerators import accelerator
from .limits import CHUNK, DIGEST_SIZE, GRANULE

CHUNK_TAG = b"ferry chunk 1\0"
ROOT_TAG = b"ferry root 1\0"

ZERO_CHUNK = bytes(CHUNK)

# Measurements of each algorithm; a slow processor needs a tenth of a second for one.
PASSES = 4

Buffer = Union[bytes, memoryview]


class Algorithm(enum.IntEnum):
    """Digest algorithms by their number on the wire."""

    BLAKE2B = 1
    SHA256 = 2
    BLAKE3 = 3


def _blake2b(data: Buffer) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_SIZE).digest()


def _sha256(data: Buffer) -> bytes:
    return hashlib.sha256(data).digest()[:DIGEST_SIZE]


def _blake3(data: Buffer) -> bytes:
    digest: bytes = _BLAKE3.blake3(data).digest(DIGEST_SIZE)
    return digest


_BLAKE3 = accelerator("blake3")

# What this end can compute.
FUNCTIONS: Dict[Algorithm, Callable[[Buffer], bytes]] = {
    Algorithm.BLAKE2B: _blake2b,
    Algorithm.SHA256: _sha256,
    **({Algorithm.BLAKE3: _blake3} if _BLAKE3 else {}),
}


class Offer(NamedTuple):
    """An algorithm and how fast this end computes it, in KiB/s."""

    algorithm: Algorithm
    rate: int


def calibrate() -> List[Offer]:
    """Return what this end can compute with measured rates; takes some milliseconds.

    Which of two is faster depends on the processor: sha256 took 4.1 ms for 1 MiB without and 0.6 ms
    with hardware support where blake2b took 1.3 ms (Python 3.11, OpenSSL 3.0); blake3, where it is
    installed, 0.3 ms with AVX-512.
    """
    return [Offer(algorithm, _rate(function)) for algorithm, function in FUNCTIONS.items()]


def _rate(function: Callable[[Buffer], bytes]) -> int:
    """The best of a few passes: whatever else a busy machine does only makes them slower.

    The first also warms caches and OpenSSL's lazy look-up of the implementation.
    """
    return max(1, int(CHUNK / KIB / min(_pass(function) for _unused in range(PASSES))))


def _pass(function: Callable[[Buffer], bytes]) -> float:
    begin = time.perf_counter()
    function(ZERO_CHUNK)
    return max(time.perf_counter() - begin, 1e-9)


def choose(ours: Sequence[Offer], theirs: Sequence[Offer]) -> Algorithm:
    """Return the algorithm whose slower end is the fastest. Raises ValueError if none is common."""
    rates = {offer.algorithm: offer.rate for offer in theirs}
    common = [
        (min(offer.rate, rates[offer.algorithm]), offer.algorithm)
        for offer in ours
        if offer.algorithm in rates
    ]
    return max(common)[1]


def is_zero(data: memoryview) -> bool:
    """Tell whether `data`, of at most a chunk, is all zeros.

    bytes.startswith is one memcmp that ends at the first difference: 40 GB/s over zeros. Comparing
    memoryviews goes element by element (0.2 GB/s), slicing a bytes object copies.
    """
    return ZERO_CHUNK.startswith(data)


class Hasher:
    """The digest tree of one algorithm. Has no state that changes: threads may share it."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        self._function = FUNCTIONS[algorithm]
        self.zero_granule = self._function(ZERO_CHUNK[:GRANULE])
        self.zero_granules = (self.zero_granule,) * (CHUNK // GRANULE)
        self.zero_chunk = self.chunk(self.zero_granules)

    def granule(self, data: memoryview) -> bytes:
        """Return the digest of one granule; zeros cost a comparison and no hashing."""
        if len(data) == GRANULE and is_zero(data):
            return self.zero_granule
        return self._function(data)

    def granules(self, data: memoryview) -> Tuple[bytes, ...]:
        """Return the digests of all granules of `data`, which starts on a granule's border."""
        if len(data) == CHUNK and is_zero(data):
            return self.zero_granules
        return tuple(self.granule(data[at : at + GRANULE]) for at in range(0, len(data), GRANULE))

    def zeros(self, length: int) -> Tuple[bytes, ...]:
        """Return the digests of the granules of `length` zero bytes, at most a chunk."""
        if length == CHUNK:
            return self.zero_granules
        return self.granules(memoryview(ZERO_CHUNK)[:length])

    def chunk(self, granules: Sequence[bytes]) -> bytes:
        """Return the digest of a chunk from the digests of its granules."""
        return self._function(CHUNK_TAG + b"".join(granules))

    def root(self, size: int, chunks: Union[bytes, bytearray]) -> bytes:
        """Return the root of a disk of `size` bytes from the joined digests of all its chunks."""
        return self._function(ROOT_TAG + struct.pack("!Q", size) + chunks)
