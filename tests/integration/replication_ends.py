# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks and keys with which one machine is source and worker at once; what is left is told."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from ansible_collections.ferry.hvm.plugins.plugin_utils.identity import make_identity

RUNS = Path("/run/ferry")
MIB = 1 << 20
PRIVATE_KEY = re.compile(r"PRIVATE KEY|MIGHAgEA|MIGEAgEA|MC4CAQAw")


def write_random(path: Path, *, start: int, length: int, seed: int) -> None:
    """Put `length` reproducible random bytes at `start` of the file."""
    with path.open("r+b") as stream:
        stream.seek(start)
        stream.write(random.Random(seed).randbytes(length))


def make_disk(path: Path, size: int, *, seed: int) -> Path:
    """Make a sparse disk of `size` bytes with 4 MiB of data at its start and 1 MiB at its end."""
    path.touch()
    os.truncate(path, size)
    write_random(path, start=0, length=4 * MIB, seed=seed)
    write_random(path, start=size - MIB, length=MIB, seed=seed + 1)
    return path


@contextmanager
def loop_device(path: Path, size: int) -> Iterator[str]:
    """Have a sparse file of `size` bytes as a block device, as a worker has its volumes."""
    path.touch()
    os.truncate(path, size)
    command = ["losetup", "--find", "--show", str(path)]
    device = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def differs(source: Path, target: Path) -> str:
    """Return where the target differs from the source over the source's length, by cmp; "" nowhere."""
    command = ["cmp", "-n", str(source.stat().st_size), str(source), str(target)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


class Worker:
    """The worker's side of runs on this machine: the keys that `ferry-identity` would make."""

    def __init__(self) -> None:
        self._runs: list[str] = []

    def certificate(self, run: str) -> str:
        """Make the worker's key for `run`, and return the certificate."""
        self._runs.append(run)
        folder = RUNS / run
        folder.mkdir(parents=True, mode=0o700)
        identity = make_identity(run)
        (folder / "key.pem").write_text(identity.key)
        (folder / "cert.pem").write_text(identity.certificate)
        return identity.certificate

    def clean(self) -> None:
        """Remove the runs' folders, and the one above when it is empty."""
        for run in self._runs:
            shutil.rmtree(RUNS / run, ignore_errors=True)
        if RUNS.is_dir() and not list(RUNS.iterdir()):
            RUNS.rmdir()


def started(migration_id: str, run: str, worker_certificate: str, **other: Any) -> dict[str, Any]:
    """Return a task that exports disks."""
    arguments = {
        "migration_id": migration_id,
        "run": run,
        "worker_certificate": worker_certificate,
        "bind": "127.0.0.1",
        **other,
    }
    return {"ferry.hvm.source_export": arguments, "register": "opened", "ignore_errors": True}


def absent(migration_id: str) -> dict[str, Any]:
    """Return a task that ends an export."""
    arguments = {"migration_id": migration_id, "state": "absent"}
    return {"ferry.hvm.source_export": arguments, "register": "closed", "ignore_errors": True}


def processes_of(word: str) -> list[str]:
    """Return the command lines of all living processes that hold `word` in them."""
    found = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True, check=True)
    return [line for line in found.stdout.splitlines() if word in line]


def is_alive(pid: int) -> bool:
    """Whether the process is still at work; one that ended may wait for its parent to notice."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(") ")[2][0] != "Z"
