# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Adopting what the source vouches for, instead of reading it. PRIVATE to the collection; the worker's side.

    offered by the source -> a random sample is read and digested -> as offered: all of it is in the ledger
                                                                   | one chunk differs: nothing is

That the target holds it is the controller's word (it was reverted to a snapshot) and the appliance's (a revert
brings the very bytes back). The sample is what this end looks at itself.
"""

from __future__ import annotations

import logging
import random
import threading
from typing import Iterator

from .disks import aligned_buffer
from .errors import StoppedError
from .geometry import Span, chunk_count, chunk_span
from .ledger import Ledger
from .plan import TargetRead
from .progress import DiskProgress
from .readahead import read_chunk
from .target_disks import TargetDisk

log = logging.getLogger(__name__)

# Of the chunks that are offered one in so many is read, and at least so many: a disk of 256 MiB is read whole.
SAMPLE = 200
LEAST_SAMPLE = 256

# What the sample is must not be known to whoever writes to the disk.
_RANDOM = random.SystemRandom()


class Adoption:
    """One disk's offer, and what becomes of it. `try_out` is called once."""

    def __init__(self, offer: Ledger, disk: TargetDisk, progress: DiskProgress) -> None:
        """`offer` holds what the source accounts for before anything was compared."""
        self.offered = self.adopted = self.sampled = 0
        self._offer = offer
        self._disk = disk
        self._progress = progress

    def try_out(self, ledger: Ledger, stop: threading.Event) -> None:
        """Have what is offered in `ledger` if the sample is as offered, else nothing of it. Raises StoppedError."""
        self.offered = sum(self._span(chunk).length for chunk, _digest in self._offer.noted())
        if not self._is_as_offered(stop):
            return
        for chunk, digest in self._offer.noted():
            ledger.note(chunk, digest)
        self.adopted = self.offered
        self._progress.count(done=self.adopted, same=self.adopted)

    def as_read(self) -> TargetRead:
        """Return the figures, as of now."""
        return TargetRead(self.offered, self.adopted, self.sampled, self._progress.read)

    def _is_as_offered(self, stop: threading.Event) -> bool:
        buffer = aligned_buffer()
        for chunk, digest in self._sample():
            if stop.is_set():
                raise StoppedError("The target was stopped.")
            read = read_chunk(self._disk, self._offer.hasher, self._span(chunk), buffer)
            self.sampled += read.bytes_read
            self._progress.count(read=read.bytes_read)
            if self._offer.hasher.chunk(read.granules) != digest:
                log.warning("Comparing all: chunk %d is not what the target index says", chunk)
                return False
        return True

    def _sample(self) -> Iterator[tuple[int, bytes]]:
        """Yield offered chunks at random, rising, each once."""
        count = chunk_count(self._offer.size) - self._offer.missing_count
        wanted = min(count, max(LEAST_SAMPLE, count // SAMPLE))
        places = set(_RANDOM.sample(range(count), wanted))
        return (each for place, each in enumerate(self._offer.noted()) if place in places)

    def _span(self, chunk: int) -> Span:
        return chunk_span(chunk, self._offer.size)
