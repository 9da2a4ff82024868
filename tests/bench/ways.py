# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all ways of copying have in common: two ends, an image, and a target that is to become it."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Sequence

from tests.bench.errors import BenchError
from tests.bench.measure import End
from tests.bench.papers import Papers

# A server that does not listen by then has failed.
PATIENCE = 20.0


@dataclass(frozen=True)
class Job:
    """One copy: from `image`, which the source end serves at `address`, to `target`."""

    image: Path
    target: Path
    size: int
    is_delta: bool  # The target holds an older state of the image; else it is a file of holes.
    address: str
    source_end: End
    target_end: End
    papers: Papers
    folder: Path  # Of this copy alone.


class Way(Protocol):
    """One way of copying. `family` is what limits compare with: the best of a family counts."""

    @property
    def name(self) -> str:
        """As the tables show it."""

    @property
    def family(self) -> str:
        """The program, whatever its settings."""

    def serve(self, job: Job) -> None:
        """Have the source end ready; not part of the time, but of the processor time."""

    def command(self, job: Job) -> Sequence[str]:
        """Return what the target end runs; its time is the copy's."""

    def finish(self, job: Job) -> str:
        """Return a remark for the table; the ends are closed afterwards."""


def await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until somebody listens on the port in the network namespace of the process."""
    deadline = time.monotonic() + PATIENCE
    while not listens(_tables(process.pid), port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"Nobody listens on port {port}: {log.read_text()}")
        time.sleep(0.01)


def listens(table: str, port: int) -> bool:
    """Tell whether the text of /proc/net/tcp has a listener on the port."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows if len(row) > 3)


def _tables(pid: int) -> str:
    return Path(f"/proc/{pid}/net/tcp").read_text()
