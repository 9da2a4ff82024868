# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Making written granules durable in steps, and reading them back. PRIVATE to the collection.

A flush at the very end would take minutes and prove nothing until then; so it comes every STEP bytes,
and what was written since the last one is read back past the cache and digested. That also bounds what
is remembered of written granules: 16 bytes for each of a few thousand.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Iterator, Sequence

from ..units import MIB
from .digests import Hasher
from .disks import aligned_buffer
from .geometry import Span, merge, split
from .limits import CHUNK, GRANULE
from .target_disks import TargetDisk

STEP = 256 * MIB


class Settler:
    """What was written to one disk and is not settled yet. Threads share it."""

    def __init__(self, disk: TargetDisk, hasher: Hasher, *, read_back: bool) -> None:
        self._disk = disk
        self._hasher = hasher
        self._read_back = read_back
        self._written: dict[Span, bytes] = {}
        self._bytes = 0
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(1, "ferry-settle")
        self._bad: set[int] = set()
        self.bytes_written = 0

    @property
    def is_due(self) -> bool:
        """Whether enough was written for a step."""
        with self._lock:
            return self._bytes >= STEP

    def note(self, span: Span, digests: Sequence[bytes]) -> None:
        """Note that these granules were written. A later write of a granule replaces an earlier one."""
        with self._lock:
            self._written.update(zip(split(span, GRANULE), digests))
            self._bytes += span.length
            self.bytes_written += span.length

    def start(self) -> Future[None]:
        """Begin a step in a thread of its own; one step runs at a time."""
        return self._executor.submit(self._settle)

    def finish(self) -> list[int]:
        """Settle everything; return the chunks that are not what was written, since the last call."""
        self.start().result()
        with self._lock:
            bad, self._bad = self._bad, set()
        return sorted(bad)

    def close(self) -> None:
        """End the thread."""
        self._executor.shutdown()

    def _settle(self) -> None:
        with self._lock:
            written, self._written = self._written, {}
            self._bytes = 0
        self._disk.flush()
        if not self._read_back or not written:
            return
        self._disk.refresh()
        wrong = [span for span, digest in self._reread(written) if digest != written[span]]
        with self._lock:
            # What was written anew meanwhile is read back by the next step.
            self._bad.update(span.start // CHUNK for span in wrong if span not in self._written)

    def _reread(self, written: dict[Span, bytes]) -> Iterator[tuple[Span, bytes]]:
        buffer = aligned_buffer()
        for run in merge(sorted(written), CHUNK):
            data = self._disk.read(run.start, run.length, buffer)
            yield from zip(split(run, GRANULE), self._hasher.granules(data))
