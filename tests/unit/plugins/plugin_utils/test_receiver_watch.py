# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver is followed to its end, whatever end that is. The shell is real, the receiver a folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import (
    InputError,
    RestartSyncError,
    TransientError,
)
from ansible_collections.ferry.hvm.plugins.plugin_utils.clock import Clock
from ansible_collections.ferry.hvm.plugins.plugin_utils.progress import Reporter
from ansible_collections.ferry.hvm.plugins.plugin_utils.receiver_watch import (
    INTERVAL,
    PATIENCE,
    Receiver,
    Watch,
)
from ansible_collections.ferry.hvm.plugins.plugin_utils.shell import (
    Answer,
    Shell,
    UnreachableError,
)


class World:
    """A clock whose pauses let things happen: each pause takes the next event."""

    def __init__(self, *events: Callable[[], Any]) -> None:
        self.time = 0.0
        self._events = list(events)

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        if self._events:
            self._events.pop(0)()

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.time, sleep=self.sleep)


class Cut:
    """A shell behind a network that is away at some looks (counted from 0)."""

    def __init__(self, shell: Shell, away: range) -> None:
        self._shell = shell
        self._away = away
        self._looks = -1

    def run(self, command: str, stdin: bytes = b"") -> Answer:
        self._looks += 1
        if self._looks in self._away:
            raise UnreachableError("ssh: connect to host 198.18.2.100 port 22: No route to host")
        return self._shell.run(command, stdin)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has its run's lock open, as the receiver does."""
    program = "import sys; lock = open(sys.argv[1] + '/lock', 'w'); print(); sys.stdin.read()"
    arguments = [sys.executable, "-u", "-c", program, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdin=pipe, stdout=pipe) as alive:
        assert alive.stdout is not None
        alive.stdout.readline()
        yield alive
        alive.kill()


@pytest.fixture
def shown() -> list[str]:
    return []


@pytest.fixture
def watch(
    shell: Shell, tmp_path: Path, process: subprocess.Popen[bytes], shown: list[str]
) -> Callable[..., Watch]:
    def make(world: World, pid: int = 0, away: range = range(0)) -> Watch:
        # Its clock goes a hundred times as fast: each look is more than a minute after the last.
        reporter = Reporter(
            "web01",
            show=lambda text, _newline: shown.append(text),
            now=lambda: 100 * world.time,
            width=None,
        )
        receiver = Receiver("web01", "198.18.2.100", str(tmp_path), pid or process.pid)
        return Watch(Cut(shell, away), receiver, reporter, world.clock)

    return make


def write_progress(folder: Path, done: int) -> None:
    disk = {"name": "sda", "size": 100, "done": done, "same": done, "zero": 0, "data": 0, "sent": 0}
    document = {"run": "r", "state": "running", "disks": [disk], "rate": 1.0, "eta": None}
    (folder / "progress.json").write_text(json.dumps(document))


def write_result(folder: Path, document: dict[str, Any]) -> None:
    (folder / "result.json").write_text(json.dumps(document))


def test_progress_is_shown_until_the_result_is_there(
    watch: Callable[..., Watch], tmp_path: Path, shown: list[str]
) -> None:
    world = World(
        lambda: write_progress(tmp_path, 10),
        lambda: write_progress(tmp_path, 60),
        lambda: write_result(tmp_path, {"seconds": 3.0}),
    )
    assert watch(world).follow() == {"seconds": 3.0}
    assert [line.split("%")[0] for line in shown] == ["web01:  10.0 ", "web01:  60.0 "]


def test_the_receivers_own_error_is_raised(watch: Callable[..., Watch], tmp_path: Path) -> None:
    error = {"kind": "input", "what": "Disk /dev/vdb is too small.", "hint": "Make it larger."}
    write_result(tmp_path, {"state": "failed", "error": error})
    with pytest.raises(InputError, match=r"too small\. Make it larger"):
        watch(World()).follow()


def test_a_receiver_that_died_without_a_result_is_noticed(
    watch: Callable[..., Watch], process: subprocess.Popen[bytes]
) -> None:
    def die() -> None:
        process.kill()
        process.wait()

    with pytest.raises(RestartSyncError, match=rf"is dead \(process {process.pid}\): it left no"):
        watch(World(die)).follow()


def test_another_process_with_the_same_id_is_not_the_receiver(
    watch: Callable[..., Watch],
) -> None:
    with pytest.raises(RestartSyncError, match="is dead"):
        watch(World(), pid=1).follow()


def test_a_result_counts_also_when_the_process_is_gone(
    watch: Callable[..., Watch], tmp_path: Path
) -> None:
    write_result(tmp_path, {"seconds": 1.0})
    assert watch(World(), pid=1).follow() == {"seconds": 1.0}


def test_a_run_directory_that_is_gone_is_said(watch: Callable[..., Watch], tmp_path: Path) -> None:
    with pytest.raises(RestartSyncError, match="its run directory is gone"):
        watch(World(lambda: tmp_path.rename(tmp_path.with_name("gone")))).follow()


def test_a_passing_failure_of_ssh_is_survived(
    watch: Callable[..., Watch], tmp_path: Path, shown: list[str]
) -> None:
    write_result(tmp_path, {"seconds": 1.0})
    assert watch(World(), away=range(3)).follow() == {"seconds": 1.0}
    assert "198.18.2.100 does not answer" in shown[0]


def test_an_absence_is_said_once(
    watch: Callable[..., Watch], tmp_path: Path, shown: list[str]
) -> None:
    write_result(tmp_path, {"seconds": 1.0})
    watch(World(), away=range(20)).follow()
    assert len(shown) == 1


def test_a_worker_that_stays_away_is_given_up(watch: Callable[..., Watch]) -> None:
    world = World()
    with pytest.raises(TransientError, match=r"198\.18\.2\.100 could not be reached for 5 min"):
        watch(world, away=range(10_000)).follow()
    assert PATIENCE < world.time <= PATIENCE + 2 * INTERVAL
