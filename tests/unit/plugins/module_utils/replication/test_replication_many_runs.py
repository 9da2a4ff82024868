# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One sender process, several runs: each ends, fails and is limited for itself, the last one ends the sender."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Iterator, NamedTuple

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.replication import (
    receiver,
    registration,
    sender_main,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.daemon import (
    find_holder,
    take_lock,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.governor import LEAST
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK
from ansible_collections.ferry.hvm.plugins.module_utils.units import MIB

from tests.unit.plugins.module_utils.replication.processes import (
    PYTHONS,
    Sender,
    Stalled,
    kill,
    plan_of,
    stall,
    wait_for_end,
    wait_for_progress,
    wait_until_gone,
)
from tests.unit.plugins.module_utils.replication.rig import DEADLINE, Rig, make_papers, noise

# This one, and the oldest that a sender runs on.
ENDS_OF_PYTHONS = sorted({sys.executable, *(path for path in PYTHONS if path.endswith("3.6"))})


class Side(NamedTuple):
    """One run: its sender's command, and its receiver's directory."""

    sender: Sender
    rig: Rig

    @property
    def is_served(self) -> bool:
        """Whether a sender serves the run."""
        return bool(self.sender.status()["running"])


class Pair(NamedTuple):
    """Two runs of one host."""

    web: Side
    db: Side
    folder: Path

    def start(self) -> tuple[int, int]:
        """Have one sender serve both; return its process id and port."""
        first = self.web.sender.start(shared=True)
        second = self.db.sender.start(shared=True, port=first["port"])
        assert (second["pid"], second["port"]) == (first["pid"], first["port"])
        return first["pid"], first["port"]

    @contextlib.contextmanager
    def stalled(self) -> Iterator[tuple[Stalled, Stalled]]:
        """Lend a sync of each, in the middle, through one sender."""
        with stall(self.web.rig, self.web.sender, self.folder, 8 * CHUNK, shared=True) as web:
            port = web.sender_port
            rig, sender = self.db.rig, self.db.sender
            with stall(rig, sender, self.folder, 8 * CHUNK, shared=True, port=port) as db:
                yield web, db


def make_side(place: Path, run: str, migration: str) -> Side:
    directory = place / f"receiver-{run}"
    directory.mkdir()
    source, target = make_papers(run), make_papers(run)
    sender = Sender(place, source, target, run=run, migration=migration)
    sender.disk.write_bytes(noise(CHUNK))
    return Side(sender, Rig(directory, source, target))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(
        make_side(tmp_path, "web01-7", "web01"), make_side(tmp_path, "db01-1", "db01"), tmp_path
    )
    yield pair
    for side in (pair.web, pair.db):
        receiver.stop(str(side.rig.directory))
        side.sender.stop()


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.mark.parametrize("python", ENDS_OF_PYTHONS, ids=lambda path: f"sender on {Path(path).name}")
def test_two_runs_cross_at_once_and_a_killed_target_is_its_own_runs_matter(
    pair: Pair, python: str
) -> None:
    pair.web.sender.python = pair.db.sender.python = python
    with pair.stalled() as (web, db):
        assert pair.web.sender.status()["pid"] == pair.db.sender.status()["pid"]
        kill(web.pid)
        db.relay.go_on()
        assert wait_for_end(pair.db.rig.directory)["state"] == "done"
        assert db.target.read_bytes() == db.content
        assert web.target.read_bytes() != web.content

        web.relay.go_on()
        pair.web.rig.put_key()
        receiver.start_detached(web.plan)
        assert wait_for_end(pair.web.rig.directory)["state"] == "done"
        assert web.target.read_bytes() == web.content
        assert db.content != web.content


def test_a_run_that_is_stopped_leaves_the_other_at_work_and_the_last_one_ends_the_sender(
    pair: Pair,
) -> None:
    with pair.stalled() as (web, db):
        pid = pair.db.sender.status()["pid"]
        assert pair.web.sender.stop() == {"running": False, "stopped": True}
        assert not pair.web.sender.directory.exists()
        web.relay.go_on()
        assert wait_for_end(pair.web.rig.directory)["state"] == "failed"

        assert pair.db.sender.status()["pid"] == pid
        db.relay.go_on()
        assert wait_for_end(pair.db.rig.directory)["state"] == "done"
        assert db.target.read_bytes() == db.content
    pair.db.sender.stop()
    assert list(pair.db.sender.directory.parent.iterdir()) == []
    wait_until_gone(pid)


def test_a_lease_that_ends_ends_its_own_run_only(pair: Pair) -> None:
    port = pair.db.sender.start(shared=True)["port"]
    pair.web.sender.start(shared=True, port=port, lease=0.1)
    wait_until(lambda: not pair.web.sender.directory.exists(), "the run stays")
    assert pair.db.is_served
    assert not pair.web.is_served


def test_a_run_whose_disk_is_not_there_harms_no_other(pair: Pair) -> None:
    port = pair.web.sender.start(shared=True)["port"]
    disks = [{"name": "sda", "path": "/dev/no-such-disk"}]
    refused = pair.db.sender.start(shared=True, port=port, disks=disks)["error"]
    assert "Disk /dev/no-such-disk cannot be used" in refused["what"]
    assert not pair.db.sender.directory.exists()
    assert pair.web.is_served
    assert pair.db.sender.start(shared=True, port=port)["port"] == port


def test_a_refused_run_alone_leaves_no_sender(pair: Pair) -> None:
    error = pair.web.sender.start(shared=True, view="frozen")["error"]
    assert "no source view 'frozen'" in error["what"]
    assert list(pair.web.sender.directory.parent.iterdir()) == []


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True)])
def test_runs_are_served_together_only_if_both_say_so(
    pair: Pair, first: bool, second: bool
) -> None:
    port = pair.web.sender.start(shared=first)["port"]
    error = pair.db.sender.start(shared=second, port=port)["error"]
    assert f"Port {port}/TCP belongs to the sender of run web01-7" in error["what"]
    assert pair.web.is_served


def test_a_run_of_the_same_name_is_refused(pair: Pair) -> None:
    """The name is what a target is told apart by."""
    port = pair.web.sender.start(shared=True)["port"]
    error = pair.db.sender.start(shared=True, port=port, run="web01-7")["error"]
    assert error["what"] == "Run web01-7 is served already."


def test_a_run_for_another_address_is_refused(pair: Pair) -> None:
    port = pair.web.sender.start(shared=True)["port"]
    error = pair.db.sender.start(shared=True, port=port, bind="127.0.0.2")["error"]
    assert "listens on '127.0.0.1', run db01-1 is to be served on '127.0.0.2'" in error["what"]


def test_a_killed_senders_socket_is_in_nobodys_way(pair: Pair) -> None:
    pid, port = pair.start()
    kill(pid)
    stale = pair.web.sender.home(port) / "register"
    assert stale.is_socket()
    shutil.rmtree(pair.web.sender.directory)
    assert pair.web.sender.start(shared=True, port=port)["pid"] != pid
    assert stale.is_socket()
    assert pair.db.sender.start(shared=True, port=port)["port"] == port


def test_a_stop_tidies_after_a_sender_that_was_killed(pair: Pair) -> None:
    pid, port = pair.start()
    kill(pid)
    assert pair.web.sender.stop() == {"running": False, "stopped": False}
    assert not pair.web.sender.home(port).exists()
    assert pair.db.sender.directory.exists()


def test_a_sender_that_is_told_to_end_ends_all_its_runs(pair: Pair) -> None:
    pid, _port = pair.start()
    os.kill(pid, signal.SIGTERM)
    wait_until_gone(pid)
    assert list(pair.web.sender.directory.parent.iterdir()) == []


def test_a_start_that_meets_a_leaving_sender_starts_another(pair: Pair) -> None:
    """The last run ended between the look and the registration: the socket takes the order, no answer comes."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    home = pair.web.sender.home(port)
    lock = take_lock(str(home))
    lock.name_holder(os.getpid())
    with registration.open_reception(str(home)) as leaving:
        order = {**pair.web.sender.order(), "port": port}
        command = [sys.executable, str(pair.web.sender.archive), "start"]
        with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as starting:
            assert starting.stdin
            json.dump(order, starting.stdin)
            starting.stdin.close()
            leaving.settimeout(DEADLINE)
            leaving.accept()[0].close()
            lock.close()
            assert starting.stdout
            answer = json.loads(starting.stdout.read())
    assert answer["port"] == port
    assert answer["pid"] == find_holder(str(home)) != os.getpid()


def test_a_run_of_another_release_is_refused_with_both_named(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = pair.web.sender.start(shared=True)["port"]
    ours = registration.RELEASE
    monkeypatch.setattr(registration, "RELEASE", "0.0.9")
    with pytest.raises(InputError, match=f"is of Ferry {ours}, the run comes from Ferry 0.0.9"):
        sender_main.start({**pair.db.sender.order(), "shared": True, "port": port})
    assert pair.web.is_served


def test_nobody_but_the_senders_user_can_open_its_socket(pair: Pair) -> None:
    _pid, port = pair.start()
    home = pair.web.sender.home(port)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "register").stat().st_mode) == 0o600


def test_no_file_of_a_sender_holds_a_runs_key(pair: Pair) -> None:
    pid, port = pair.start()
    secrets = [side.sender.order()["key"].splitlines()[1] for side in (pair.web, pair.db)]
    home = pair.web.sender.home(port)
    files = [path for path in home.iterdir() if path.is_file()]
    assert {path.name for path in files} >= {"lock", "sender.log", "limit"}
    for path in (*files, Path(f"/proc/{pid}/cmdline"), Path(f"/proc/{pid}/environ")):
        assert not any(secret.encode() in path.read_bytes() for secret in secrets)


def test_the_limit_over_all_runs_is_set_by_any_of_them(pair: Pair) -> None:
    port = pair.web.sender.start(shared=True, total_bandwidth_limit=MIB)["port"]
    pair.db.sender.start(shared=True, port=port, bandwidth_limit=3 * MIB)
    assert pair.db.sender.status()["total_bandwidth_limit"] == MIB
    where = {"directory": str(pair.db.sender.directory)}
    told = pair.db.sender.call("limit", {**where, "total_bandwidth_limit": 2 * MIB})
    assert told == {"bandwidth_limit": 3 * MIB, "total_bandwidth_limit": 2 * MIB}
    web = pair.web.sender.status()
    assert (web["bandwidth_limit"], web["total_bandwidth_limit"]) == (0, 2 * MIB)
    error = pair.db.sender.call("limit", {**where, "total_bandwidth_limit": 1})["error"]
    assert "too low" in error["what"]


def test_two_syncs_under_one_limit_both_move_and_a_raised_limit_ends_them(pair: Pair) -> None:
    port = pair.web.sender.start(shared=True, total_bandwidth_limit=4 * LEAST)["port"]
    pair.db.sender.start(shared=True, port=port)
    targets = []
    for side in (pair.web, pair.db):
        side.sender.disk.write_bytes(noise(8 * CHUNK))
        targets.append(pair.folder / f"{side.sender.run}-target.raw")
        targets[-1].write_bytes(bytes(8 * CHUNK))
        run = {"run": side.sender.run, "connections": 1}
        receiver.start_detached(plan_of(side.rig, port, targets[-1], 8 * CHUNK, **run))
    for side in (pair.web, pair.db):
        wait_for_progress(side.rig.directory)
    # At this limit both together take a minute: that none is done yet is sure.
    assert all(receiver.is_running(str(side.rig.directory)) for side in (pair.web, pair.db))
    where = {"directory": str(pair.web.sender.directory)}
    pair.web.sender.call("limit", {**where, "total_bandwidth_limit": 0})
    for side, target in zip((pair.web, pair.db), targets):
        assert wait_for_end(side.rig.directory)["state"] == "done"
        assert target.read_bytes() == side.sender.disk.read_bytes()


def test_a_run_that_gives_way_lowers_the_priority_of_its_own_threads(pair: Pair) -> None:
    with stall(pair.web.rig, pair.web.sender, pair.folder, 8 * CHUNK, gives_way=True) as halted:
        pid = pair.web.sender.status()["pid"]
        assert halted.relay.stalled.is_set()
        polite = [task for task in tasks_of(pid) if os.getpriority(os.PRIO_PROCESS, task) == 19]
        assert pid in tasks_of(pid)
        assert pid not in polite
        shown = [
            subprocess.run(["ionice", "-p", str(task)], capture_output=True, text=True, check=True)
            for task in polite
        ]
    assert len(polite) >= 2  # A connection's and its reader's.
    assert {each.stdout.strip() for each in shown} == {"best-effort: prio 7"}


def tasks_of(pid: int) -> list[int]:
    """Return the threads of a process."""
    return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
