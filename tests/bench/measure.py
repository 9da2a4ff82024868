# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a copy costs at each end: processor time and memory of all processes that the end consists of.

An end is a control group (cgroup v2). All that starts in it stays in it, daemons too: so its processor
time is exact, whoever waits for whom, and at the end nothing is left that could not be found.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Iterator, Sequence

from tests.bench.errors import BenchError
from tests.bench.naming import is_orphan, own_name

# A process' high-water mark only rises, so that a look now and then finds all but the last moment's.
LOOK_INTERVAL = 0.025

PATIENCE = 10.0


class End:
    """One end of one copy: starts commands in its namespace and control group. Use `open_end`."""

    def __init__(self, group: Path, entry: Sequence[str], log: Path) -> None:
        self.log = log
        self._group = group
        self._entry = entry
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command whose output goes to the end's log."""
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                self._within(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._children.append(child)
        return child

    def run(self, command: Sequence[str], given: str) -> str:
        """Run a command to its end with `given` as its input; return what it says."""
        done = subprocess.run(
            self._within(command),
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BenchError(f"{' '.join(command)} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def processor_time(self) -> float:
        """Return the seconds that the end's processes used so far, those that ended too."""
        lines = (self._group / "cpu.stat").read_text().splitlines()
        counters = dict(line.split() for line in lines)
        return int(counters["usage_usec"]) / 1e6

    def memory(self) -> int:
        """Return the high-water marks of the processes that live now, added up, in bytes."""
        return sum(_high_water(int(pid)) for pid in self._processes())

    def _within(self, command: Sequence[str]) -> list[str]:
        """Return the command as one that moves itself into the group first: no moment is missed."""
        enter = ["sh", "-c", 'echo 0 > "$0" && exec "$@"', str(self._group / "cgroup.procs")]
        return [*enter, *self._entry, *command]

    def _processes(self) -> list[str]:
        return (self._group / "cgroup.procs").read_text().split()

    def close(self) -> None:
        """End all that is left and remove the group."""
        _remove_group(self._group)
        for child in self._children:
            child.wait()


@contextlib.contextmanager
def open_end(name: str, entry: Sequence[str], log: Path) -> Iterator[End]:
    """Lend an end that is empty; what runs in it is ended with it."""
    group = own_group() / own_name(name)
    group.mkdir()
    end = End(group, entry, log)
    try:
        yield end
    finally:
        end.close()


class PeakMemory:
    """Looks at the ends' memory while a copy runs; `peaks` are bytes, in the order of the ends."""

    def __init__(self, *ends: End) -> None:
        self.peaks = [0] * len(ends)
        self._ends = ends
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="peak-memory")

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(LOOK_INTERVAL):
            marks = [end.memory() for end in self._ends]
            self.peaks = [max(pair) for pair in zip(self.peaks, marks)]


def own_group() -> Path:
    """Return the folder of this process' own control group. Raises BenchError without cgroup v2."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    roots = [fields[1] for fields in mounts if fields[2] == "cgroup2"]
    groups = Path("/proc/self/cgroup").read_text().splitlines()
    own = [line[len("0::") :] for line in groups if line.startswith("0::")]
    if not roots or not own:
        raise BenchError("There is no cgroup v2 here, by which each end is measured.")
    return Path(roots[0]) / own[0].lstrip("/")


def remove_leftovers() -> None:
    """End what benchmarks that were killed left running, and remove its groups."""
    for group in own_group().iterdir():
        if is_orphan(group.name):
            _remove_group(group)


def _remove_group(group: Path) -> None:
    (group / "cgroup.kill").write_text("1")
    deadline = time.monotonic() + PATIENCE
    while (group / "cgroup.procs").read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    group.rmdir()


def _high_water(pid: int) -> int:
    """Return the most memory that the process ever had resident; 0 if it has just ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0
