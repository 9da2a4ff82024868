# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A first sync and a delta by real playbooks, source and worker on this machine; cmp judges the bytes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator, Mapping

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.worker.block_devices import is_claimed

from tests.integration.ansible_host import CHECKOUT, Playground, environment, free_port
from tests.integration.replication_ends import (
    MIB,
    PRIVATE_KEY,
    RUNS,
    Worker,
    absent,
    differs,
    is_alive,
    loop_device,
    make_disk,
    started,
    write_random,
)
from tests.support.awx import Job
from tests.support.events import DEADLINE, await_event

# The other file that needs the machine for itself may be at work first.
pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("alone")]

MIGRATION = "test-worker-replicate"
SIZE = 24 * MIB
# A volume is larger than its source's disk as a rule.
VOLUME_SIZE = 32 * MIB


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_disk(tmp_path / "source.img", SIZE, seed=1)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    return tmp_path / "volume.img"


@pytest.fixture
def device(volume: Path) -> Iterator[str]:
    with loop_device(volume, VOLUME_SIZE) as device:
        yield device


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.clean()


@pytest.fixture
def playground(tmp_path: Path) -> Iterator[Playground]:
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    playground = Playground(tmp_path, here)
    yield playground
    playground.run([absent(MIGRATION)])


def replicate(run: str, device: str, port: int, **other: Any) -> dict[str, Any]:
    """Return a task that syncs what the task `opened` exported to `device`."""
    arguments = {
        "migration_id": MIGRATION,
        "run": run,
        "address": "127.0.0.1",
        "port": port,
        "source_certificate": "{{ opened.export.certificate }}",
        "source_disks": "{{ opened.export.disks }}",
        "source_view": "{{ opened.export.source_view }}",
        "target_disks": [{"source": "source.img", "path": device}],
        **other,
    }
    return {"ferry.hvm.worker_replicate": arguments, "register": "synced", "ignore_errors": True}


def only_disk(results: Mapping[str, Any]) -> Mapping[str, Any]:
    (disk,) = results["synced"]["replication"]["disks"]
    return dict(disk)


def test_a_first_sync_and_a_delta_make_the_target_equal(
    playground: Playground, worker: Worker, source: Path, volume: Path, device: str
) -> None:
    write_random(volume, start=0, length=VOLUME_SIZE, seed=9)
    port = free_port()
    first = playground.run(
        [
            started(MIGRATION, "t-1", worker.certificate("t-1"), disks=[str(source)], port=port),
            replicate("t-1", device, port, initial=True),
            {**replicate("t-1", device, port, initial=True), "register": "again"},
        ],
        "-vvvv",
    )
    assert first.results["synced"]["changed"] is True, first.output
    assert differs(source, volume) == ""
    assert volume.read_bytes()[SIZE:] == bytes(VOLUME_SIZE - SIZE)
    assert PRIVATE_KEY.search(first.output) is None
    assert f"{MIGRATION}: " in first.output, "no progress was shown"
    again = first.results["again"]
    assert again["changed"] is False
    assert again["replication"]["disks"] == first.results["synced"]["replication"]["disks"]

    write_random(source, start=5 * MIB, length=128 * 1024, seed=3)
    second = playground.run(
        [
            started(MIGRATION, "t-2", worker.certificate("t-2"), disks=[str(source)], port=port),
            replicate("t-2", device, port),
        ]
    )
    disk = only_disk(second.results)
    assert differs(source, volume) == "", second.output
    assert disk["compared"] == SIZE
    assert 128 * 1024 <= disk["data"] <= 192 * 1024
    assert disk["sent"] < 256 * 1024
    assert (disk["target"], disk["found_by"]) == (device, "path")
    claim = disk["claim"]
    assert (claim["source_view"], claim["target_read"]) == ("moving", "read_back")
    assert len(claim["root"]) == 32
    assert second.results["opened"]["replaced"]["run"] == "t-1"


def is_asked_to_end(pid: int) -> bool:
    """Return whether a stopped process has a SIGTERM waiting for it (proc(5), ShdPnd)."""
    status = Path(f"/proc/{pid}/status").read_text()
    (waiting,) = re.findall(r"^ShdPnd:\s+([0-9a-f]+)$", status, re.MULTILINE)
    return bool(int(waiting, 16) & (1 << (signal.SIGTERM - 1)))


def start(playground: Playground, tasks: list[dict[str, Any]]) -> subprocess.Popen[str]:
    """Start a play of `tasks` without waiting for it."""
    return subprocess.Popen(
        playground.command(tasks),
        cwd=CHECKOUT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def running(playground: Playground) -> list[dict[str, Any]]:
    """Return the receivers that the worker tells of."""
    look = {"ferry.hvm.worker_replicate_info": {"migration_id": MIGRATION}, "register": "looked"}
    found: list[dict[str, Any]] = playground.run([look]).results["looked"]["receivers"]
    return found


class Held:
    """A sync that cannot go on: its sender is stopped, its receiver was just started."""

    def __init__(self, playground: Playground, opened: dict[str, Any], sync: dict[str, Any]):
        self.playground = playground
        export = playground.run([opened]).results["opened"]["export"]
        self.sender = export["pid"]
        os.kill(self.sender, signal.SIGSTOP)
        # The export is the same, so a later play only finds it; here it is known already.
        known = {"opened": {"export": export}}
        self.sync = {**sync, "vars": known}
        self.run = sync["ferry.hvm.worker_replicate"]["run"]

    def begin(self) -> subprocess.Popen[str]:
        """Start the play that syncs; return when the receiver is at work."""
        play = start(self.playground, [self.sync])
        lock = RUNS / self.run / "lock"
        await_event("a receiver has the lock", lambda: lock.exists() and lock.read_text() != "")
        return play

    @property
    def receiver(self) -> int:
        return int((RUNS / self.run / "lock").read_text())

    def let_go(self) -> None:
        os.kill(self.sender, signal.SIGCONT)


@pytest.fixture
def held(playground: Playground, worker: Worker, source: Path, device: str) -> Iterator[Held]:
    port = free_port()
    opened = started(MIGRATION, "t-1", worker.certificate("t-1"), disks=[str(source)], port=port)
    held = Held(playground, opened, replicate("t-1", device, port))
    yield held
    if is_alive(held.sender):
        held.let_go()


def test_a_killed_controllers_sync_is_followed_by_the_next(
    held: Held, source: Path, volume: Path
) -> None:
    play = held.begin()
    receiver = held.receiver
    play.kill()
    play.communicate()
    (found,) = running(held.playground)
    assert found["run"] == "t-1"
    assert found["certificate"] == (RUNS / "t-1" / "cert.pem").read_text().strip()
    wanted = held.sync["ferry.hvm.worker_replicate"]["target_disks"]
    assert found["target_disks"] == [{**wanted[0], "serial": "", "size": 0, "unit": None}]
    held.let_go()
    run = held.playground.run([held.sync])
    assert running(held.playground) == []
    assert run.results["synced"]["replication"]["state"] == "done", run.output
    assert run.results["synced"]["replication"]["pid"] == receiver
    assert run.results["synced"]["changed"] is False
    assert differs(source, volume) == ""


def test_awx_gets_plain_lines_while_a_sync_runs(held: Held, source: Path, volume: Path) -> None:
    lines: list[str] = []

    def take(line: str) -> None:
        if line.startswith(MIGRATION):
            lines.append(line)
            held.let_go()  # Not before: did events come after the task, it would never end.

    _program, _option, inventory, playbook = held.playground.command([held.sync])
    job = Job(take)
    job.run(
        held.playground.folder / "awx",
        environment=environment(),
        inventory=inventory,
        playbook=playbook,
        timeout=int(DEADLINE),
    )
    assert job.status == "successful", job.output()
    assert [
        line for line in job.lines_during("ferry.hvm.worker_replicate") if line in lines
    ] == lines
    assert lines[0].startswith(f"{MIGRATION}:   0.0 %, 0 B of 24.0 MiB at 0 B/s; saved 0 B same")
    assert lines[-1].startswith(f"{MIGRATION}: 24.0 MiB in sync after ")
    # ansible-runner offers a terminal; nothing of what is written over may get into AWX's database.
    assert [line for line in lines if "\r" in line or "\x1b" in line] == []
    assert differs(source, volume) == ""


def test_another_run_of_the_migration_stops_the_first(
    held: Held, worker: Worker, source: Path, volume: Path, device: str
) -> None:
    first = held.begin()
    receiver = held.receiver
    os.kill(receiver, signal.SIGSTOP)
    first.kill()
    first.communicate()
    held.let_go()
    port = free_port()
    opened = started(MIGRATION, "t-2", worker.certificate("t-2"), disks=[str(source)], port=port)
    second = start(held.playground, [opened, replicate("t-2", device, port)])
    await_event("the first receiver is asked to end", lambda: is_asked_to_end(receiver))
    os.kill(receiver, signal.SIGCONT)
    output, _nothing = second.communicate(timeout=DEADLINE)
    results = json.loads((held.playground.folder / "results.json").read_text())
    assert results["synced"]["replication"]["replaced"] == ["t-1"], output
    assert not is_alive(receiver)
    assert differs(source, volume) == ""


def test_a_receiver_that_dies_fails_the_task(held: Held) -> None:
    play = held.begin()
    receiver = held.receiver
    os.kill(receiver, signal.SIGKILL)
    await_event("the receiver is gone", lambda: not is_alive(receiver))
    held.let_go()
    output, _nothing = play.communicate(timeout=DEADLINE)
    assert f"is dead (process {receiver}): it left no result" in " ".join(output.split())


def test_what_cannot_work_is_refused_by_name(
    playground: Playground, worker: Worker, source: Path, tmp_path: Path, device: str
) -> None:
    port = free_port()
    certificate = worker.certificate("t-1")
    worker.certificate("t-9")
    with loop_device(tmp_path / "small.img", SIZE - 512) as small:
        cases = {
            "planned": {**replicate("t-1", device, port), "check_mode": True},
            "keyless": replicate("t-0", device, port),
            "small": replicate("t-1", small, port),
            "missing": replicate("t-1", "/dev/loop99", port),
            "unpaired": replicate("t-1", device, port, target_disks=[{"source": "sdb"}]),
            "greedy": replicate("t-1", device, port, connections=99),
            "strange": replicate("t-9", device, port),
            "closed": replicate("t-1", device, free_port()),
        }
        tasks = [{**task, "register": name} for name, task in cases.items()]
        opened = started(MIGRATION, "t-1", certificate, disks=[str(source)], port=port)
        run = playground.run([opened, *tasks])
    said = {name: run.results[name].get("msg", "") for name in cases}
    planned = run.results["planned"]["replication"]
    assert (planned["state"], planned["disks"][0]["target"]) == ("planned", device)
    assert "This worker has no key for run t-0" in said["keyless"]
    assert f"{small} has 24.0 MiB (25165312), too small for source.img" in said["small"]
    assert "The worker has no disk /dev/loop99 for source.img" in said["missing"]
    assert "The source exports source.img; target_disks are for sdb" in said["unpaired"]
    assert "at most 8 connections, not 99" in said["greedy"]
    assert "Cannot reach the source at 127.0.0.1 port" in said["closed"]
    assert "TLS for run t-9 was refused" in said["strange"]
    assert "state" not in run.results["strange"]["replication"]
    assert not (RUNS / "t-0").exists()


def test_a_device_that_is_held_is_in_use(device: str) -> None:
    assert not is_claimed(device)
    holder = os.open(device, os.O_RDWR | os.O_EXCL)
    try:
        assert is_claimed(device)
    finally:
        os.close(holder)
