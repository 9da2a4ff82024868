# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""How much is read at once of each ESXi host and datastore, over all migrations of a source worker. PRIVATE.

Part of the source worker's sender. A host shares some 48 MB of buffers among all who read disks from it by
NFC, backups too, and a read of VDDK may take 2 MB of them (VMware's "Virtual Disk Programming Guide"); what
is beyond is refused or starves the others.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import Iterator, NamedTuple, Tuple

# Two thirds of a host's buffers, and half the usual queue of a LUN.
READS_PER_HOST = 16
READS_PER_DATASTORE = 16


class Place(NamedTuple):
    """Where a disk lies: the reference of the host that reads it, and its datastore's name; "" is unknown."""

    host: str
    datastore: str


class LoadLimits:
    """Lends turns to read. Threads of any migration share it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._reading: "Counter[Tuple[str, str]]" = Counter()
        self._limits = {"host": READS_PER_HOST, "datastore": READS_PER_DATASTORE}

    def set(self, *, per_host: int, per_datastore: int) -> None:
        """From now on this many reads at once; each at least 1. Reads at work are not ended."""
        with self._changed:
            self._limits = {"host": max(1, per_host), "datastore": max(1, per_datastore)}
            self._changed.notify_all()

    @contextmanager
    def turn(self, place: Place) -> Iterator[None]:
        """Wait until the place's host and datastore may be read once more; they count as read in the block."""
        wanted = list(place._asdict().items())
        with self._changed:
            self._changed.wait_for(lambda: all(map(self._is_free, wanted)))
            self._reading.update(wanted)
        try:
            yield
        finally:
            with self._changed:
                self._reading.subtract(wanted)
                self._changed.notify_all()

    def _is_free(self, one: Tuple[str, str]) -> bool:
        kind, name = one
        return not name or self._reading[one] < self._limits[kind]
