# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sender and receiver as processes of their own, for the tests that start, follow and kill them."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator, NamedTuple

from ansible_collections.ferry.hvm.plugins.module_utils.replication import receiver
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK
from ansible_collections.ferry.hvm.plugins.module_utils.replication.package import build_sender
from ansible_collections.ferry.hvm.plugins.module_utils.replication.plan import SyncPlan

from tests.unit.plugins.module_utils.replication.relay import Relay
from tests.unit.plugins.module_utils.replication.rig import DEADLINE, RUN, Papers, Rig, noise

# Every Python of this machine that a source may have, pyenv's among them; 3.6 is the oldest.
PYTHONS = [
    sys.executable,
    *sorted(
        path
        for digits in ("[6-9]", "[0-9][0-9]")
        for path in glob.glob(f"/root/.pyenv/versions/3.*/bin/python3.{digits}")
    ),
]

Answer = dict[str, Any]


class Sender:
    """The zipapp on a disk, and one run in a folder beside others."""

    def __init__(
        self,
        place: Path,
        source: Papers,
        target: Papers,
        *,
        run: str = RUN,
        migration: str = "web01",
    ) -> None:
        self.archive = place / "sender.pyz"
        self.archive.write_bytes(build_sender())
        self.run = run
        self.directory = place / "runs" / run
        self.disk = place / f"{run}.raw"
        self.python = sys.executable
        self._migration = migration
        self._source = source
        self._target = target

    def call(self, command: str, document: Answer | None = None) -> Answer:
        """Run a sub-command and return its answer; its exit code must fit."""
        done = subprocess.run(
            [self.python, str(self.archive), command],
            input=json.dumps(document or {}),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.stderr == ""
        answer: Answer = json.loads(done.stdout)
        assert done.returncode == (1 if "error" in answer else 0)
        return answer

    def start(self, **changes: Any) -> Answer:
        """Have the run served, on a free port."""
        return self.call("start", {**self.order(), **changes})

    def order(self) -> Answer:
        """What the sender is started with."""
        return {
            "run": self.run,
            "migration": self._migration,
            "bind": "127.0.0.1",
            "port": 0,
            "directory": str(self.directory),
            "key": self._source.key,
            "certificate": self._source.certificate,
            "peer_certificate": self._target.certificate,
            "disks": [{"name": "sda", "path": str(self.disk)}],
            "lease": 60,
        }

    def stop(self) -> Answer:
        """End the run."""
        return self.call("stop", {"directory": str(self.directory), "migration": self._migration})

    def status(self) -> Answer:
        """Whether the run is served, by whom, and its limits."""
        return self.call("status", {"directory": str(self.directory)})

    def home(self, port: int) -> Path:
        """Where the sender of a port has its own files."""
        return self.directory.parent / f".sender-{port}"


def wait_until_gone(pid: int) -> None:
    """Wait for a process that is not our child."""
    deadline = time.monotonic() + DEADLINE
    while os.path.exists(f"/proc/{pid}"):
        assert time.monotonic() < deadline, f"process {pid} stays"
        time.sleep(0.02)


def wait_for_end(directory: Path) -> Answer:
    """Return the result of the receiver in a directory."""
    deadline = time.monotonic() + DEADLINE
    while receiver.is_running(str(directory)):
        assert time.monotonic() < deadline, "the receiver does not end"
        time.sleep(0.02)
    result: Answer = json.loads((directory / "result.json").read_text())
    return result


def plan_of(rig: Rig, port: int, target: Path, size: int, **fields: Any) -> SyncPlan:
    """Return the plan of one disk; `pair` is what it says of that besides."""
    fields.setdefault("run", RUN)
    pair = fields.pop("pair", {})
    return receiver.plan_sync(
        address="127.0.0.1",
        port=port,
        directory=str(rig.directory),
        peer_certificate=rig.trusted,
        disks=[{"source": "sda", "target": str(target), "size": size, **pair}],
        **fields,
    )


def kill(pid: int) -> None:
    """End a process as the power cut does."""
    os.kill(pid, signal.SIGKILL)
    wait_until_gone(pid)


def wait_for_progress(directory: Path) -> None:
    """Wait until the sync has accounted for something."""
    deadline = time.monotonic() + DEADLINE
    while not any(disk["done"] for disk in read_progress(directory)):
        assert time.monotonic() < deadline, "nothing arrives"
        time.sleep(0.1)


def read_progress(directory: Path) -> list[Answer]:
    """Return what the sync in a directory tells of its disks; nothing before it begins."""
    try:
        return list(json.loads((directory / "progress.json").read_text())["disks"])
    except FileNotFoundError:
        return []


class Stalled(NamedTuple):
    """A sync in the middle, whose network carries nothing for now."""

    plan: SyncPlan
    pid: int
    relay: Relay
    target: Path
    content: bytes
    sender_port: int


@contextlib.contextmanager
def stall(rig: Rig, sender: Sender, folder: Path, most: int, **changes: Any) -> Iterator[Stalled]:
    """Lend a sync whose network carried `most` bytes of the source's; `changes` are the order's."""
    content = noise(24 * CHUNK, seed=len(sender.run))
    sender.disk.write_bytes(content)
    target = folder / f"{sender.run}-target.raw"
    target.write_bytes(noise(len(content), seed=2))
    port = sender.start(**changes)["port"]
    relay = Relay(port, most=most)
    half_way = plan_of(rig, relay.port, target, len(content), run=sender.run)
    pid = receiver.start_detached(half_way)
    try:
        assert relay.stalled.wait(DEADLINE)
        yield Stalled(half_way, pid, relay, target, content, port)
    finally:
        relay.close()
