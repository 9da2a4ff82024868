# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""How far a sync is: counters that all threads add to, and the file that others read. PRIVATE."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

log = logging.getLogger(__name__)

# The rate is a mean over about this time: long enough to be steady, short enough to be true.
RATE_WINDOW = 10.0


@dataclass
class DiskProgress:
    """One disk's counters, in bytes. `done` is what is accounted for; it never runs ahead of the disk."""

    name: str
    size: int
    done: int = 0
    same: int = 0
    zero: int = 0
    data: int = 0
    sent: int = 0
    asked: int = 0
    read: int = 0  # Of the target's disk, to be compared.
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, **amounts: int) -> None:
        """Add to counters by name."""
        with self.lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)

    def as_dict(self) -> dict[str, Any]:
        """Return the counters as plain data."""
        names = ("name", "size", "done", "same", "zero", "data", "sent")
        with self.lock:
            return {name: getattr(self, name) for name in names}


class Progress:
    """The progress of one sync, written to a file that is whole at any time."""

    def __init__(self, run: str, path: str, disks: Sequence[DiskProgress]) -> None:
        self._run = run
        self._path = path
        self._disks = disks
        self._rate = 0.0
        self._last = (time.monotonic(), self._done())

    def write(self, state: str) -> None:
        """Write the file anew: `running`, `done` or `failed`. A sync goes on where it cannot be."""
        self._measure()
        left = sum(disk.size for disk in self._disks) - self._done()
        content = {
            "run": self._run,
            "state": state,
            "disks": [disk.as_dict() for disk in self._disks],
            "rate": round(self._rate),
            "eta": round(left / self._rate) if self._rate else None,
        }
        try:
            write_json(self._path, content)
        except OSError as error:
            log.warning("The progress cannot be written: %s", error)

    def _done(self) -> int:
        return sum(disk.done for disk in self._disks)

    def _measure(self) -> None:
        """Follow the rate at which bytes are accounted for, in bytes per second."""
        now, done = time.monotonic(), self._done()
        then, before = self._last
        elapsed = max(now - then, 1e-3)
        weight = min(1.0, elapsed / RATE_WINDOW) if self._rate else 1.0
        self._rate += weight * ((done - before) / elapsed - self._rate)
        self._last = (now, done)


def write_json(path: str, content: Mapping[str, Any]) -> None:
    """Write `content` so that a reader sees the old file or the new one, never a part."""
    aside = f"{path}.new"
    with open(aside, "w", encoding="utf-8") as stream:
        json.dump(content, stream)
        stream.write("\n")
    os.replace(aside, path)
