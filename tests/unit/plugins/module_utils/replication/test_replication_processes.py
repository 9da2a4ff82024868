# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sender and receiver as processes of their own: the zipapp on old and new Pythons, kills, leases."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.replication import receiver
from ansible_collections.ferry.hvm.plugins.module_utils.replication.daemon import (
    find_holder,
    stop_holder,
    take_lock,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.governor import LEAST
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK
from ansible_collections.ferry.hvm.plugins.module_utils.replication.package import (
    SENDER_FILES,
    build_sender,
)
from ansible_collections.ferry.hvm.plugins.module_utils.units import MIB

from tests.unit.plugins.module_utils.replication.processes import (
    PYTHONS,
    Answer,
    Sender,
    Stalled,
    kill,
    plan_of,
    stall,
    wait_for_end,
    wait_for_progress,
    wait_until_gone,
)
from tests.unit.plugins.module_utils.replication.rig import (
    Papers,
    Rig,
    noise,
    patched,
    reference_root,
)

pytestmark = pytest.mark.usefixtures("no_receiver_stays")


def test_the_same_files_make_the_same_bytes() -> None:
    assert build_sender() == build_sender()


def test_the_sender_holds_nothing_that_it_does_not_import(tmp_path: Path) -> None:
    archive = tmp_path / "sender.pyz"
    archive.write_bytes(build_sender())
    probe = (
        "import sys; sys.path.insert(0, sys.argv[1]); import ferry.replication.sender_main;"
        "print(*[n for n, m in sys.modules.items() if n.startswith('ferry.')])"
    )
    said = subprocess.run(
        [sys.executable, "-c", probe, str(archive)], capture_output=True, text=True, check=True
    )
    loaded = {name.replace("ferry.", "").replace(".", "/") + ".py" for name in said.stdout.split()}
    assert loaded - {"replication.py"} == set(SENDER_FILES)


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: f"sender on {Path(path).name}")
def test_a_server_crosses_between_two_processes(
    rig: Rig, sender: Sender, tmp_path: Path, python: str
) -> None:
    content = noise(3 * CHUNK + 1234) + bytes(9 * CHUNK)
    sender.disk.write_bytes(content)
    target = tmp_path / "target.raw"
    target.write_bytes(bytes(len(content) + CHUNK))
    sender.python = python
    started = sender.start()
    assert started["disks"] == [{"name": "sda", "path": str(sender.disk), "size": len(content)}]

    receiver.start_detached(plan_of(rig, started["port"], target, len(content), initial=True))
    assert wait_for_end(rig.directory)["state"] == "done"
    assert target.read_bytes() == content + bytes(CHUNK)

    changed = patched(content, (CHUNK, b"changed"))
    sender.disk.write_bytes(changed)
    assert not (rig.directory / "key.pem").exists()
    rig.put_key()
    receiver.start_detached(plan_of(rig, started["port"], target, len(content)))
    result = wait_for_end(rig.directory)
    assert target.read_bytes() == changed + bytes(CHUNK)
    assert result["disks"][0]["data"] == 64 * 1024
    assert result["disks"][0]["claim"]["target_read"] == "read_back"


def test_a_stopped_sender_leaves_nothing(sender: Sender) -> None:
    pid = sender.start()["pid"]
    assert sender.call("status", {"directory": str(sender.directory)})["pid"] == pid
    assert sender.stop() == {"running": False, "stopped": True}
    wait_until_gone(pid)
    assert not sender.directory.exists()
    assert sender.stop() == {"running": False, "stopped": False}


def test_no_file_and_no_argument_of_a_sender_holds_its_key(
    sender: Sender, source_papers: Papers
) -> None:
    pid = sender.start()["pid"]
    secret = source_papers.key.splitlines()[1]
    for path in sender.directory.iterdir():
        assert secret not in path.read_text()
    for path in (Path(f"/proc/{pid}/cmdline"), Path(f"/proc/{pid}/environ")):
        assert secret.encode() not in path.read_bytes()


def test_a_sender_whose_lease_ends_leaves_by_itself(sender: Sender) -> None:
    pid = sender.start(lease=0.1)["pid"]
    wait_until_gone(pid)
    assert not sender.directory.exists()


def test_asking_for_the_status_renews_the_lease_where_that_is_wanted(sender: Sender) -> None:
    sender.start()
    lease = sender.directory / "lease"
    # Half of it has passed; with all of it gone the sender might leave before it is asked.
    before = time.time() - 30
    os.utime(lease, (before, before))
    sender.call("status", {"directory": str(sender.directory)})
    assert lease.stat().st_mtime == before
    sender.call("status", {"directory": str(sender.directory), "renew": True})
    assert lease.stat().st_mtime > before


def test_the_limit_of_a_sender_is_changed_while_it_runs(sender: Sender) -> None:
    where = {"directory": str(sender.directory)}
    refused = sender.call("limit", {**where, "bandwidth_limit": MIB})
    assert "No sender runs" in refused["error"]["what"]
    sender.start(bandwidth_limit=MIB)
    assert sender.call("status", where)["bandwidth_limit"] == MIB
    assert sender.call("limit", {**where, "bandwidth_limit": 2 * MIB}) == {
        "bandwidth_limit": 2 * MIB,
        "total_bandwidth_limit": 0,
    }
    assert sender.call("status", where)["bandwidth_limit"] == 2 * MIB
    assert "too low" in sender.call("limit", {**where, "bandwidth_limit": 1})["error"]["what"]
    sender.call("limit", {**where, "bandwidth_limit": 0, "total_bandwidth_limit": 3 * MIB})
    told = sender.call("status", where)
    assert (told["bandwidth_limit"], told["total_bandwidth_limit"]) == (0, 3 * MIB)


def test_a_limited_sync_takes_its_time_and_a_raised_limit_ends_it(
    sender: Sender, rig: Rig, tmp_path: Path
) -> None:
    content = noise(8 * CHUNK)
    sender.disk.write_bytes(content)
    where = {"directory": str(sender.directory)}
    port = sender.start(bandwidth_limit=4 * LEAST)["port"]
    target = tmp_path / "target.raw"
    target.write_bytes(bytes(len(content)))
    receiver.start_detached(plan_of(rig, port, target, len(content), connections=1))
    # At this limit a chunk takes seconds and the whole half a minute: that it is not done yet is sure.
    wait_for_progress(rig.directory)
    assert receiver.is_running(str(rig.directory))
    sender.call("limit", {**where, "bandwidth_limit": 0})
    assert wait_for_end(rig.directory)["state"] == "done"
    assert target.read_bytes() == content


def test_a_sender_tells_what_reads_as_zeros(sender: Sender) -> None:
    """Of a file nobody has mounted anything: it counts as stopped, and nothing of it as unused."""
    answer = sender.start(view="stopped", used_blocks=True)
    assert [disk["unused"] for disk in answer["disks"]] == [0]
    assert answer["file_systems"] == []


def test_a_sender_does_not_look_for_what_is_unused_unless_it_is_told(sender: Sender) -> None:
    assert "unused" not in sender.start(view="stopped")["disks"][0]


def test_what_is_unused_is_not_left_out_of_a_source_that_moves(sender: Sender) -> None:
    refused = sender.start(view="moving", used_blocks=True)["error"]["what"]
    assert refused == "Unused blocks can be left out only of a source that stands still."
    document = {**sender.order(), "view": "moving", "used_blocks": True}
    assert sender.call("view", document)["error"]["what"] == refused
    assert not sender.directory.exists()


def test_an_index_and_what_is_unused_exclude_each_other(sender: Sender) -> None:
    """A changed extent tells of the blocks that were written, not of those that came into use."""
    order = {"path": "x", "identity": {}, "generation": 1, "change_id": "1"}
    disks = [{**sender.order()["disks"][0], "index": order}]
    answer = sender.start(view="stopped", used_blocks=True, disks=disks)
    assert "exclude each other" in answer["error"]["what"]


def test_a_start_beside_a_run_at_work_opens_no_view(sender: Sender) -> None:
    """To open one removes the migration's snapshots, which the run at work reads: the lock comes first."""
    pid = sender.start()["pid"]
    error = sender.start(view="frozen")["error"]
    assert f"Process {pid} is at work in {sender.directory} already." in error["what"]


def test_a_second_run_on_a_port_hears_which_run_has_it(sender: Sender) -> None:
    first = sender.start()
    directory = sender.directory.parent / "db01-1"
    error = sender.start(run="db01-1", port=first["port"], directory=str(directory))["error"]
    assert error["kind"] == "input"
    assert f"belongs to the sender of run web01-7 (process {first['pid']})" in error["what"]
    assert not directory.exists()
    assert sender.status()["pid"] == first["pid"]


def test_a_run_that_is_started_twice_hears_of_its_first_sender(sender: Sender) -> None:
    pid = sender.start()["pid"]
    error = sender.start()["error"]
    assert f"Process {pid} is at work in {sender.directory} already." in error["what"]
    assert sender.call("status", {"directory": str(sender.directory)})["running"]


def test_a_port_of_another_program_is_a_clear_error(sender: Sender, tmp_path: Path) -> None:
    port = sender.start()["port"]
    elsewhere = tmp_path / "elsewhere" / "run"
    error = sender.start(port=port, directory=str(elsewhere))["error"]
    assert f"Cannot listen on 127.0.0.1 port {port}/TCP: Address already in use." in error["what"]
    assert not elsewhere.exists()


WRONG_ORDERS = {
    "a disk that is not there": (
        {"disks": [{"name": "sda", "path": "/dev/no-such-disk"}]},
        "Disk /dev/no-such-disk cannot be used",
    ),
    "no disks": ({"disks": []}, "lacks 'disks'"),
    "no key": ({"key": ""}, "lacks 'key'"),
    "a key that is none": ({"key": "secret"}, "no valid PEM"),
    "a certificate that is none": ({"peer_certificate": "x"}, "no valid PEM"),
    "a run that is no label": ({"run": "Web_01"}, "'Web_01' is no host name label"),
    "a view that nobody knows": ({"view": "frozen"}, "no source view 'frozen'"),
}


@pytest.mark.parametrize(("changes", "match"), WRONG_ORDERS.values(), ids=WRONG_ORDERS.keys())
def test_a_wrong_order_starts_nothing(sender: Sender, changes: Answer, match: str) -> None:
    error = sender.start(**changes)["error"]
    assert error["kind"] == "input"
    assert match in error["what"]
    assert "secret" not in json.dumps(error)
    assert not sender.directory.exists()


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: f"sender on {Path(path).name}")
def test_the_list_names_this_machines_disks(sender: Sender, python: str) -> None:
    sender.python = python
    answer = sender.call("list")
    root = subprocess.run(
        ["lsblk", "-bdnro", "NAME,SIZE", "--include", "8,254,259"],
        capture_output=True,
        text=True,
        check=True,
    )
    listed = {disk["name"]: disk["size"] for disk in answer["disks"]}
    assert listed == {name: int(size) for name, size in map(str.split, root.stdout.splitlines())}
    assert all(disk["path"] == f"/dev/{disk['name']}" for disk in answer["disks"])


def test_a_wrong_command_is_a_clear_error(sender: Sender) -> None:
    assert (
        "Usage: sender.pyz start|list|view|status|stop|limit" in sender.call("run")["error"]["what"]
    )


@pytest.fixture
def stalled(rig: Rig, sender: Sender, tmp_path: Path) -> Iterator[Stalled]:
    with stall(rig, sender, tmp_path, most=8 * CHUNK) as halted:
        yield halted


@pytest.mark.soak
@pytest.mark.parametrize("moment", range(50))
def test_a_kill_at_any_moment_costs_no_byte(
    rig: Rig, sender: Sender, tmp_path: Path, moment: int
) -> None:
    most = random.Random(moment).randrange(24 * CHUNK)
    with stall(rig, sender, tmp_path, most) as halted:
        if moment % 2:
            kill(halted.pid)
            rig.put_key()
            receiver.start_detached(halted.plan)
        else:
            kill(sender.call("status", {"directory": str(sender.directory)})["pid"])
            sender.start(port=halted.sender_port)
        halted.relay.go_on()
        if wait_for_end(rig.directory)["state"] != "done":  # It had not reached the source yet.
            rig.put_key()
            receiver.start_detached(halted.plan)
        result = wait_for_end(rig.directory)
    assert result["state"] == "done"
    assert halted.target.read_bytes() == halted.content
    claim = result["disks"][0]["claim"]
    assert claim["root"] == reference_root(halted.content, claim["algorithm"])


def test_a_receiver_that_is_killed_leaves_a_disk_that_the_next_one_mends(
    rig: Rig, stalled: Stalled
) -> None:
    kill(stalled.pid)
    assert not (rig.directory / "result.json").exists()
    stalled.relay.go_on()
    receiver.start_detached(stalled.plan)
    result = wait_for_end(rig.directory)
    assert result["state"] == "done"
    assert result["disks"][0]["data"] < 24 * CHUNK
    assert stalled.target.read_bytes() == stalled.content


def test_a_receiver_that_is_stopped_says_so(rig: Rig, stalled: Stalled) -> None:
    assert receiver.stop(str(rig.directory))
    result = json.loads((rig.directory / "result.json").read_text())
    assert result["state"] == "failed"
    assert result["error"]["kind"] == "restart_sync"
    assert result["error"]["what"] == "The target was stopped."
    assert not receiver.stop(str(rig.directory))


def test_a_sender_that_is_killed_loses_its_connections_and_a_new_one_goes_on(
    rig: Rig, sender: Sender, stalled: Stalled
) -> None:
    kill(sender.call("status", {"directory": str(sender.directory)})["pid"])
    assert sender.start(port=stalled.sender_port)["port"] == stalled.sender_port
    stalled.relay.go_on()
    assert wait_for_end(rig.directory)["state"] == "done"
    assert stalled.target.read_bytes() == stalled.content


def test_one_receiver_at_a_time_works_in_a_directory(stalled: Stalled) -> None:
    with pytest.raises(InputError, match=f"Process {stalled.pid} is at work"):
        receiver.start_detached(stalled.plan)


def test_a_closed_port_is_named_with_what_to_look_at(rig: Rig, tmp_path: Path) -> None:
    target = tmp_path / "target.raw"
    target.write_bytes(bytes(CHUNK))
    receiver.start_detached(plan_of(rig, 1, target, CHUNK))
    error = wait_for_end(rig.directory)["error"]
    assert error["what"].startswith("Cannot reach the source at 127.0.0.1 port 1/TCP:")
    assert "firewall" in error["hint"]


def test_the_number_of_an_earlier_holder_is_not_believed(tmp_path: Path) -> None:
    """It may be another process's by now, which must not be ended."""
    take_lock(str(tmp_path)).close()
    (tmp_path / "lock").write_text(f"{os.getpid()}\n")
    lock = take_lock(str(tmp_path))
    try:
        assert find_holder(str(tmp_path)) is None
        assert not stop_holder(str(tmp_path))
    finally:
        lock.close()
