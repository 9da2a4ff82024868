# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that outlive the one that started them, found again by their pid file.

A pid alone proves nothing: after a crash another process may have it. So a process counts as ours
only while the path of its pid file is among the words it was started with.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .errors import LabError

# How often to look for a file that a new process writes when it is ready, in seconds.
LOOK_INTERVAL = 0.02


def start_detached(
    command: Sequence[str], *, log: Path, directory: Path
) -> subprocess.Popen[bytes]:
    """The command runs in a session of its own, in the directory, with its words going to the log."""
    with log.open("ab") as words:
        return subprocess.Popen(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            start_new_session=True,
        )


def wait_for_line(
    path: Path, writer: subprocess.Popen[bytes], *, log: Path, deadline: float
) -> str:
    """Return the line that the new process writes to the file when it is ready.

    Raises LabError if the process ends first, or takes more than `deadline` seconds.
    """
    last = time.monotonic() + deadline
    while not path.exists() or not path.read_text().endswith("\n"):
        if writer.poll() is not None or time.monotonic() > last:
            raise LabError(f"{writer.args!s:.80} did not write {path}", f"See {log}.")
        time.sleep(LOOK_INTERVAL)
    return path.read_text().strip()


def find_pid(pid_file: Path) -> int | None:
    """The pid of the running process that was started with this pid file, or None."""
    try:
        pid = int(pid_file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    # A zombie has no command line left, so it is not found either.
    return pid if any(word.endswith(os.fsencode(pid_file)) for word in words) else None


async def wait_ended(pid_file: Path) -> None:
    """The process has ended (or was not there)."""
    with _ending(pid_file) as handle:
        if handle is None:
            return
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(handle, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(handle)


def end(pid_file: Path, *, deadline: float = 10) -> None:
    """The process has ended: asked by SIGTERM, killed after `deadline` seconds; its pid file is gone."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with _ending(pid_file) as handle:
            if handle is None:
                break
            signal.pidfd_send_signal(handle, number)
            select.select([handle], [], [], deadline)
    pid_file.unlink(missing_ok=True)


@contextmanager
def _ending(pid_file: Path) -> Iterator[int | None]:
    """A pidfd of the process, which becomes readable when it ends; None if it is not running."""
    pid = find_pid(pid_file)
    try:
        handle = None if pid is None else os.pidfd_open(pid)
    except ProcessLookupError:
        handle = None
    try:
        yield handle
    finally:
        if handle is not None:
            os.close(handle)
