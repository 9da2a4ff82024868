# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a journal on the worker's volume would save: `python -m tests.bench.resume [MiB]`.

A first sync is killed when half is written, and run again: as it is, and by a target for which reading what
was written before costs nothing. That is the best that any journal of digests could do. Disks are files in
memory that let so many bytes a second through; docs/decisions/0035-no-journal.md has the results.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from ansible_collections.ferry.hvm.plugins.module_utils.replication.disks import PathDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.receiver import run_sync
from ansible_collections.ferry.hvm.plugins.module_utils.replication.target_disks import (
    PathTargetDisk,
)
from ansible_collections.ferry.hvm.plugins.module_utils.units import MIB

from tests.unit.plugins.module_utils.replication.rig import Rig, make_papers

# MiB a second: reads of the source, reads of the target, writes of the target.
CASES = {
    "nothing is slow": (10_000, 10_000, 10_000),
    "the source reads slowest": (60, 120, 120),
    "both read alike": (60, 60, 120),
    "the target reads at half": (120, 60, 120),
    "the target reads at a quarter": (120, 30, 120),
}
ROUNDS = 3


class Pace:
    """Lets so many bytes a second through, all threads together."""

    def __init__(self, rate: float) -> None:
        self._rate = rate * MIB
        self._free = time.monotonic()
        self._lock = threading.Lock()

    def let_through(self, count: int) -> None:
        """Return when a device of this rate would have moved `count` bytes more."""
        with self._lock:
            self._free = max(self._free, time.monotonic()) + count / self._rate
            wait = self._free - time.monotonic()
        if wait > 0:
            time.sleep(wait)


class SlowDisk(PathDisk):
    """A source's disk; all connections share it."""

    def __init__(self, path: str, rate: float) -> None:
        self._pace = Pace(rate)
        super().__init__(path)

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        """See Disk."""
        self._pace.let_through(length)
        return super().read(start, length, buffer)

    def close(self) -> None:
        """See Disk. The process ends soon enough."""


class SlowTarget(PathTargetDisk):
    """A target's disk that knows what was written, and may kill its process in the middle."""

    def __init__(self, path: str, rates: tuple[int, int], journal: set[int], kill_at: int) -> None:
        self._reads, self._writes = Pace(rates[0]), Pace(rates[1])
        self._journal = journal
        self._left = kill_at
        self.bytes_read = 0
        super().__init__(path)

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        """See Disk. What is in the journal costs nothing."""
        if start // MIB not in self._journal:
            self._reads.let_through(length)
            self.bytes_read += length
        return super().read(start, length, buffer)

    def write(self, start: int, data: memoryview) -> None:
        """See TargetDisk."""
        self._writes.let_through(len(data))
        super().write(start, data)
        self._left -= len(data)
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Run(NamedTuple):
    """How a sync went: seconds, MiB that the target read, MiB that crossed."""

    seconds: float
    read: float
    sent: float


class Bench:
    """A source that serves and a target that is synced to, in a process of its own each time."""

    def __init__(self, place: Path, size: int, rates: tuple[int, int, int]) -> None:
        self.size = size
        self.source, self.target = place / "source", place / "target"
        self.source.write_bytes(os.urandom(size))
        self._rates = rates
        self._rig = Rig(place, make_papers(), make_papers())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._server = self._in_a_process(self._serve)

    def close(self) -> None:
        """End the source."""
        self._server.terminate()
        self._server.join()
        self._listener.close()

    def clear(self) -> None:
        """The target is a new volume."""
        self.target.write_bytes(b"")
        os.truncate(self.target, self.size)

    def sync(self, *, journal: frozenset[int] = frozenset(), kill_at: int = 1 << 62) -> Run | None:
        """Sync, and return how it went; None if it was killed."""
        self._rig.put_key()
        mine, theirs = multiprocessing.Pipe(duplex=False)
        process = self._in_a_process(self._sync, theirs, set(journal), kill_at)
        theirs.close()
        process.join()
        return Run(*mine.recv()) if process.exitcode == 0 else None

    def written(self) -> frozenset[int]:
        """The chunks that the target has as the source."""
        with self.source.open("rb") as ours, self.target.open("rb") as theirs:
            chunks = range(self.size // MIB)
            return frozenset(chunk for chunk in chunks if ours.read(MIB) == theirs.read(MIB))

    def _in_a_process(self, work: Callable[..., None], *arguments: Any) -> Any:
        process = multiprocessing.get_context("fork").Process(
            target=work, args=arguments, daemon=True
        )
        process.start()
        return process

    def _serve(self) -> None:
        disk = cast(MemoryDisk, SlowDisk(str(self.source), self._rates[0]))
        source = self._rig.source(disk)
        while True:
            source.serve(self._listener.accept()[0])

    def _sync(self, answer: Any, journal: set[int], kill_at: int) -> None:
        disk = SlowTarget(str(self.target), self._rates[1:], journal, kill_at)
        begin = time.monotonic()
        report = run_sync(
            self._rig.plan(self.size, initial=True),
            open_disk=lambda _path: disk,
            connect=lambda: socket.create_connection(self._listener.getsockname()),
        )
        seconds = time.monotonic() - begin
        answer.send((seconds, disk.bytes_read // MIB, report.disks[0].sent // MIB))


@contextlib.contextmanager
def lent_bench(size: int, rates: tuple[int, int, int]) -> Iterator[Bench]:
    """Lend a source that serves, and take all of it away."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        bench = Bench(Path(place), size, rates)
        try:
            yield bench
        finally:
            bench.close()


WAYS = ("unkilled", "as it is", "by a journal")


def measure(bench: Bench, way: str) -> Run:
    """Return how a first sync went: all of it, or what a kill in the middle had left."""
    bench.clear()
    journal: frozenset[int] = frozenset()
    if way != "unkilled":
        killed = bench.sync(kill_at=bench.size // 2)
        assert killed is None, "it ended before it was killed"
    if way == "by a journal":
        journal = bench.written()
    run = bench.sync(journal=journal)
    assert run is not None, "the receiver died"
    assert len(bench.written()) == bench.size // MIB, "the target is not equal"
    return run


def main(size: int) -> None:
    """Print a row of a table for each case: medians of `ROUNDS`."""
    for case, rates in CASES.items():
        with lent_bench(size, rates) as bench:
            rounds = [[measure(bench, way) for way in WAYS] for _unused in range(ROUNDS)]
        cells = [_median(runs) for runs in zip(*rounds)]
        print(f"| {case} ({', '.join(map(str, rates))}) | {' | '.join(cells)} |", flush=True)


def _median(runs: Sequence[Run]) -> str:
    middle = Run(*(statistics.median(values) for values in zip(*runs)))
    return f"{middle.seconds:.1f} s, {middle.read:.0f} read, {middle.sent:.0f} sent"


if __name__ == "__main__":
    main(int(sys.argv[1] if len(sys.argv) > 1 else "256") * MIB)
