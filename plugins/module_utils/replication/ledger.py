# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The account of one disk in one sync: the digest of every chunk that is settled. PRIVATE.

Each end keeps one, shared by all its connections: the source notes what it answered, the target what
it has. So the two roots agree even where the source's disk changes while it is read: each chunk counts
as it was when it was answered. 16 bytes per chunk: 16 MiB for a disk of 1 TiB. Python 3.6.
"""

import threading
from typing import Iterator, List, Sequence, Tuple

from .digests import Hasher
from .geometry import Span, chunk_count, split
from .limits import CHUNK, DIGEST_SIZE

NOTHING = bytes(DIGEST_SIZE)

# What is looked through at a time. A list of all digests of 1 TiB would be 77 MiB of objects.
_LOOK = 4096 * CHUNK


class Ledger:
    """Chunk digests of a disk of `size` bytes. Threads may share it."""

    def __init__(self, size: int, hasher: Hasher) -> None:
        self.size = size
        self.hasher = hasher
        self.missing_count = chunk_count(size)
        self._digests = bytearray(self.missing_count * DIGEST_SIZE)
        self._lock = threading.Lock()

    def note(self, chunk: int, digest: bytes) -> None:
        """Account for a chunk; a later note replaces an earlier one."""
        place = slice(chunk * DIGEST_SIZE, (chunk + 1) * DIGEST_SIZE)
        with self._lock:
            self.missing_count += (digest == NOTHING) - (self._digests[place] == NOTHING)
            self._digests[place] = digest

    def note_granules(self, chunk: int, granules: Sequence[bytes]) -> None:
        """Account for a chunk by the digests of its granules."""
        self.note(chunk, self.hasher.chunk(granules))

    def forget(self, chunk: int) -> None:
        """Take a chunk out of the account: it must be asked again."""
        self.note(chunk, NOTHING)

    def digests(self, span: Span) -> List[bytes]:
        """Return the digests of the chunks of `span`; NOTHING where a chunk is not accounted for."""
        first, last = span.start // CHUNK, chunk_count(span.end)
        with self._lock:
            piece = bytes(self._digests[first * DIGEST_SIZE : last * DIGEST_SIZE])
        return [piece[at : at + DIGEST_SIZE] for at in range(0, len(piece), DIGEST_SIZE)]

    def missing(self) -> Iterator[int]:
        """Return the chunks that are not accounted for, rising; there are `missing_count`."""
        return (chunk for chunk, digest in self._all() if digest == NOTHING)

    def noted(self) -> Iterator[Tuple[int, bytes]]:
        """Return the chunks that are accounted for, rising, with their digests."""
        return (each for each in self._all() if each[1] != NOTHING)

    def _all(self) -> Iterator[Tuple[int, bytes]]:
        for part in split(Span(0, self.size), _LOOK):
            yield from enumerate(self.digests(part), part.start // CHUNK)

    def root(self) -> bytes:
        """Return the root; it means something only once nothing is missing."""
        with self._lock:
            return self.hasher.root(self.size, self._digests)
