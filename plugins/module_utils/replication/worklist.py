# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The chunks of one disk that are still to be asked for. PRIVATE to the collection.

    missing chunks   0 1 2 3 4 5 . . 8 9 . . . . 14
    spans            |----------|   |---|        |-|      each at most SPAN, handed out rising

Connections take spans as they get free, so that a slow one holds nobody up; a connection that is lost
gives back what it had not finished.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Iterable, Iterator

from ..units import MIB
from .limits import CHUNK

# Large enough that disks read on, small enough that connections end together: 1 s at 64 MiB/s.
SPAN = 64 * MIB


class WorkList:
    """Threads share it."""

    def __init__(self, chunks: Iterable[int]) -> None:
        self._spans = deque(_runs(chunks))
        self._lock = threading.Lock()

    def take(self) -> range:
        """Return the next chunks to work on, rising and without gaps; none when nothing is left."""
        with self._lock:
            return self._spans.popleft() if self._spans else range(0)

    def give_back(self, chunks: Iterable[int]) -> None:
        """Put chunks back at the head: they are to be asked again."""
        with self._lock:
            self._spans.extendleft(reversed(list(_runs(chunks))))

    @property
    def is_empty(self) -> bool:
        """Whether everything is handed out."""
        with self._lock:
            return not self._spans


def _runs(chunks: Iterable[int]) -> Iterator[range]:
    """Yield rising `chunks` as ranges of at most SPAN bytes."""
    run = range(0)
    for chunk in chunks:
        if run and chunk == run.stop and len(run) < SPAN // CHUNK:
            run = range(run.start, chunk + 1)
            continue
        if run:
            yield run
        run = range(chunk, chunk + 1)
    if run:
        yield run
