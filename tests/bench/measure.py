# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a copy costs: time by the wall, CPU and memory of each end, bytes on the wire.

Each end's processes live in a control group of their own, so that daemons and what SSH starts are
counted like everything else. Of control groups only version 2's accounting of CPU is used, which needs
no controller and is there on hybrid hosts too.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import BenchError

# Between two looks at the memory of an end's processes, in seconds.
LOOK = 0.05
# How long the processes of an end may take to go away, in seconds.
GONE = 20.0

_numbers = itertools.count()


@dataclass(frozen=True)
class Usage:
    """One copy. Seconds, seconds of CPU of both ends, bytes."""

    wall: float
    cpu: float
    source_peak: int
    target_peak: int
    wire: int


class End:
    """One end's processes, wherever they were started from."""

    def __init__(self, name: str) -> None:
        self._group = _groups() / f"ferry-bench-{os.getpid()}-{next(_numbers)}-{name}"
        self._group.mkdir()
        self.peak = 0

    def command(self, words: Sequence[str]) -> list[str]:
        """Return the command that runs `words` as a process of this end."""
        enter = 'echo $$ > "$0" && exec "$@"'
        return ["sh", "-c", enter, str(self._group / "cgroup.procs"), *words]

    @property
    def cpu(self) -> float:
        """The seconds of CPU that all its processes took so far, those that ended too."""
        lines = (self._group / "cpu.stat").read_text().splitlines()
        return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6

    def look(self) -> None:
        """Remember the most memory that its processes held together at any look."""
        self.peak = max(self.peak, sum(_resident(pid) for pid in self._pids()))

    def close(self) -> None:
        """Wait until its processes have ended, and forget it. Raises BenchError."""
        last = time.monotonic() + GONE
        while self._pids():
            if time.monotonic() > last:
                raise BenchError(f"processes {self._pids()} do not end")
            time.sleep(LOOK)
        self._group.rmdir()

    def _pids(self) -> list[int]:
        return [int(word) for word in (self._group / "cgroup.procs").read_text().split()]


@contextmanager
def both_ends() -> Iterator[tuple[End, End]]:
    """Lend the ends of one copy, source and target; their processes have ended afterwards."""
    ends = End("source"), End("target")
    try:
        yield ends
    finally:
        for end in ends:
            end.close()


def measure(
    command: Sequence[str], ends: tuple[End, End], wire: Callable[[], int], *, text: str = ""
) -> Usage:
    """Run the command that makes the copy, to its end; `text` is its standard input."""
    sent, done = wire(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(ends, done))
    watcher.start()
    cpu, begin = sum(end.cpu for end in ends), time.monotonic()
    try:
        run(command, text=text)
        wall = time.monotonic() - begin
    finally:
        done.set()
        watcher.join()
    spent = sum(end.cpu for end in ends) - cpu
    return Usage(wall, spent, ends[0].peak, ends[1].peak, wire() - sent)


def run(command: Sequence[str], *, text: str = "") -> str:
    """Run a command and return what it says. Raises BenchError if it fails."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(command)} failed: {done.stderr.strip() or done.stdout}")
    return done.stdout


def _watch(ends: tuple[End, End], done: threading.Event) -> None:
    while not done.wait(LOOK):
        for end in ends:
            end.look()


def _resident(pid: int) -> int:
    """Return the memory of a process that no file lies behind, in bytes; 0 for one that ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    fields = dict(line.split(":", 1) for line in status.splitlines())
    kib = [fields.get(name, "0 kB").split()[0] for name in ("RssAnon", "RssShmem")]
    return sum(map(int, kib)) << 10


def _groups() -> Path:
    """Return where version 2's control groups are mounted."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _device, place, kind, *_rest = line.split()
        if kind == "cgroup2":
            return Path(place)
    raise BenchError("no cgroup2 is mounted, CPU of both ends cannot be counted")
