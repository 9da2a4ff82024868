# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders to a source, delivered and carried out for real on this machine, with a phony sender."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError, PermanentError
from ansible_collections.ferry.hvm.plugins.plugin_utils import on_source
from ansible_collections.ferry.hvm.plugins.plugin_utils.courier import Courier
from ansible_collections.ferry.hvm.plugins.plugin_utils.on_source.orders import plan_start
from ansible_collections.ferry.hvm.plugins.plugin_utils.on_source.sender import SourceError
from ansible_collections.ferry.hvm.plugins.plugin_utils.shell import Answer, Shell

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """The place of all exports; whatever process a test leaves there is ended."""
    folder = tmp_path / "ferry"
    yield folder
    for note in folder.glob("*/phony.json"):
        os.kill(json.loads(note.read_text())["pid"], signal.SIGKILL)


@pytest.fixture
def ask(shell: Shell, phony_sender: bytes, base: Path) -> Ask:
    courier = Courier(shell, sender=phony_sender, interpreter=sys.executable, host="web01")

    def ask_for(order: str, **other: Any) -> dict[str, Any]:
        return courier.ask(a_start(base, order=order, **other))

    return ask_for


def a_start(base: Path, **other: Any) -> dict[str, Any]:
    order = {
        "order": "started",
        "base": str(base),
        "check": False,
        "migration_id": "web01",
        "run": "run-1",
        "worker_certificate": "worker's",
        "port": 5994,
        "bind": "",
        "disks": [],
        "lease": 60,
        "source_view": "moving",
        "used_blocks": False,
        "bandwidth_limit": None,
        "total_bandwidth_limit": None,
        "gives_way": False,
        "target_index": None,
        "vm_snapshot": None,
        "shared": False,
        "key": "the private key",
        "certificate": "sender's",
    }
    return {**order, **other}


def is_alive(pid: int) -> bool:
    status = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False)
    return status.stdout.strip()[:1] not in (b"", b"Z")  # What follows tells a lower priority, too.


def test_started_serves_every_fixed_disk(ask: Ask) -> None:
    answer = ask("started")
    assert answer["changed"] is True
    assert [disk["name"] for disk in answer["export"]["disks"]] == ["sda", "sdb"]
    assert is_alive(answer["export"]["pid"])


def test_the_key_is_in_no_answer_and_no_record(ask: Ask, base: Path) -> None:
    answer = ask("started")
    assert "the private key" not in json.dumps(answer)
    assert "the private key" not in (base / "web01/export.json").read_text()


def test_the_key_is_in_no_command(ask: Ask, shell: Any) -> None:
    ask("started")
    assert all("the private key" not in command for command in shell.commands)


def test_started_again_for_the_same_run_changes_nothing(ask: Ask) -> None:
    first = ask("started")["export"]
    again = ask("started", key="another key", certificate="another certificate")
    assert again["changed"] is False
    assert (again["export"]["pid"], again["export"]["certificate"]) == (first["pid"], "sender's")


@pytest.mark.parametrize(
    "difference",
    [
        pytest.param({"run": "run-2"}, id="another run"),
        pytest.param({"worker_certificate": "of a worker that restarted"}, id="another worker"),
        pytest.param({"port": 5995}, id="another port"),
        pytest.param({"disks": ["sda"]}, id="other disks"),
        pytest.param({"shared": True}, id="shared"),
    ],
)
def test_an_export_that_differs_is_replaced_and_said(ask: Ask, difference: dict[str, Any]) -> None:
    old = ask("started")["export"]["pid"]
    answer = ask("started", **difference)
    assert answer["changed"] is True
    assert answer["replaced"]["pid"] == old
    assert answer["replaced"]["differs"] in (*difference, "names")
    assert not is_alive(old)
    assert is_alive(answer["export"]["pid"])


def test_a_sender_without_record_is_replaced(ask: Ask, base: Path) -> None:
    """The controller was killed after the sender started and before that was noted."""
    old = ask("started")["export"]["pid"]
    (base / "web01/export.json").unlink()
    assert ask("started")["replaced"]["pid"] == old
    assert not is_alive(old)


def test_the_port_of_another_migration_is_left_alone(ask: Ask) -> None:
    theirs = ask("started", migration_id="db01")["export"]["pid"]
    with pytest.raises(
        InputError, match=r"5994 is held by the sender of migration db01 \(run run-1"
    ):
        ask("started")
    assert is_alive(theirs)


def test_migrations_share_a_port_if_all_say_so(ask: Ask) -> None:
    ask("started", migration_id="db01", shared=True)
    with pytest.raises(InputError, match="or export both as shared"):
        ask("started")
    assert ask("started", shared=True)["changed"] is True


VM: dict[str, Any] = {
    "hostname": "vcenter",
    "password": "the vCenter's",
    "moid": "vm-42",
    "uuid": None,
    "name": None,
    "reader": "auto",
    "reads_all": False,
    "left_out_disks": [],
}


def test_the_password_of_a_vcenter_is_in_no_answer_and_no_record(ask: Ask, base: Path) -> None:
    answer = ask("started", vm_snapshot=VM)
    assert answer["changed"] is True
    assert "the vCenter's" not in json.dumps(answer)
    assert "the vCenter's" not in (base / "web01/export.json").read_text()


def test_the_snapshot_of_another_vm_replaces_an_export(ask: Ask) -> None:
    ask("started", vm_snapshot=VM)
    assert ask("started", vm_snapshot={**VM, "password": "a new one"})["changed"] is False
    foreseen = ask("started", vm_snapshot={**VM, "moid": "vm-43"}, check=True)
    assert (foreseen["changed"], foreseen["replaced"]["differs"]) == (True, "vm")
    assert ask("started", vm_snapshot={**VM, "moid": "vm-43"})["replaced"]["differs"] == "vm"


def test_only_the_migrations_own_lease_is_renewed(ask: Ask, base: Path) -> None:
    """Another controller that looks at this host is no reason for a run to stay."""
    ask("started", migration_id="db01", port=5995)
    ask("started")
    ask("info")
    assert not list(base.glob("*/renewed"))
    ask("started", check=True)
    assert [path.parent.name for path in base.glob("*/renewed")] == ["web01"]


@pytest.mark.parametrize(
    ("limits", "before"),
    [
        ({"bandwidth_limit": 65536}, {"bandwidth_limit": 1}),
        ({"total_bandwidth_limit": 65536}, {"total_bandwidth_limit": 2}),
        ({"bandwidth_limit": 0, "total_bandwidth_limit": 0}, None),
    ],
    ids=["of the run", "over all runs", "both"],
)
def test_limited_sets_what_is_named_and_leaves_the_rest(
    ask: Ask, base: Path, limits: dict[str, int], before: dict[str, int] | None
) -> None:
    ask("started")
    answer = ask("limited", **limits)
    was = before or {"bandwidth_limit": 1, "total_bandwidth_limit": 2}
    assert answer == {"changed": True, "before": was, "after": limits}
    told = json.loads((base / "web01/limits.json").read_text())
    assert told == {"directory": str(base / "web01"), **limits}


def test_limited_as_it_is_changes_nothing(ask: Ask, base: Path) -> None:
    ask("started")
    assert ask("limited", bandwidth_limit=1)["changed"] is False
    assert ask("limited", bandwidth_limit=65536, check=True)["changed"] is True
    assert not (base / "web01/limits.json").exists()


def test_a_start_hands_on_the_limits_that_were_named(ask: Ask, base: Path) -> None:
    ask("started", total_bandwidth_limit=65536)
    told = json.loads((base / "web01/told.json").read_text())
    assert told["total_bandwidth_limit"] == 65536
    assert "bandwidth_limit" not in told


def test_a_run_that_is_followed_is_not_asked_again_what_its_target_is(ask: Ask, base: Path) -> None:
    """The controller that goes on with it has reverted nothing."""
    told = {"instance": "1002", "snapshot": "1044", "volumes": {"disk-2000": "1007"}}
    assert ask("started", vm_snapshot=VM, target_index=told)["changed"] is True
    assert json.loads((base / "web01/told.json").read_text())["target_index"] == told
    assert ask("started", vm_snapshot=VM)["changed"] is False


def test_what_a_target_holds_is_noted_and_a_doubt_is_told(ask: Ask, tmp_path: Path) -> None:
    noted = {
        "index_directory": str(tmp_path),
        "instance": "1002",
        "snapshot": "1044",
        "disks": [{"name": "disk-2000"}, {"name": "doubtful"}],
    }
    assert ask("noted", check=True, **noted) == {"changed": True, "doubts": {}}
    assert not (tmp_path / "noted.json").exists()
    assert ask("noted", **noted) == {"changed": True, "doubts": {"doubtful": "no index"}}
    told = json.loads((tmp_path / "noted.json").read_text())
    assert told == {**noted, "migration": "web01"}
    noted["disks"] = [{"name": "doubtful"}]
    assert ask("noted", **noted)["changed"] is False


def test_two_migrations_may_use_two_ports(ask: Ask) -> None:
    ask("started", migration_id="db01")
    assert ask("started", port=5995)["changed"] is True


def test_a_sender_that_cannot_start_leaves_nothing(ask: Ask, base: Path) -> None:
    with pytest.raises(InputError, match="Cannot listen on port 1"):
        ask("started", port=1)
    assert not base.exists()


@pytest.mark.parametrize(
    ("disks", "complaint"),
    [
        pytest.param(["sdx"], "no disk sdx; it has sda, sdb, sr0", id="unknown name"),
        pytest.param(["/no/such"], "The disk /no/such does not exist", id="unknown path"),
    ],
)
def test_an_unknown_disk_is_named(ask: Ask, disks: list[str], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        ask("started", disks=disks)


def test_a_disk_may_be_named_by_path(ask: Ask, tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    disk.write_bytes(bytes(4096))
    answer = ask("started", disks=[str(disk)])
    assert answer["export"]["disks"] == [{"name": "disk.img", "path": str(disk), "size": 4096}]


def test_absent_leaves_nothing(ask: Ask, base: Path) -> None:
    pid = ask("started")["export"]["pid"]
    assert ask("absent") == {"changed": True}
    assert not is_alive(pid)
    assert not base.exists()


def test_absent_tidies_after_a_sender_that_ended_by_itself(ask: Ask, base: Path) -> None:
    """A sender whose lease ended removes its own folder, but not the one above."""
    base.mkdir()
    assert ask("absent") == {"changed": False}
    assert not base.exists()


def test_absent_removes_snapshots_that_outlived_their_sender(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host was started anew: the export's folder is gone, the snapshots are not."""
    left = tmp_path / "snapshots"
    left.write_text(json.dumps([{"name": "vg/ferry_web01_0", "migration_id": "web01", "full": 1}]))
    monkeypatch.setenv("PHONY_SNAPSHOTS", str(left))
    assert ask("info")["snapshots"] == json.loads(left.read_text())
    assert ask("absent", migration_id="db01") == {"changed": False}
    assert ask("absent", check=True) == {"changed": True}
    assert ask("absent") == {"changed": True}
    assert ask("absent") == {"changed": False}


def test_absent_again_changes_nothing(ask: Ask) -> None:
    assert ask("absent") == {"changed": False}


def test_absent_keeps_other_migrations(ask: Ask, base: Path) -> None:
    theirs = ask("started", migration_id="db01", port=5995)["export"]["pid"]
    ask("started")
    ask("absent")
    assert is_alive(theirs)
    assert [path.name for path in base.iterdir()] == ["db01"]


def test_check_mode_starts_nothing(ask: Ask, base: Path) -> None:
    answer = ask("started", check=True)
    assert answer["changed"] is True
    assert [disk["name"] for disk in answer["export"]["disks"]] == ["sda", "sdb"]
    assert not base.exists()


def test_check_mode_knows_a_running_export(ask: Ask) -> None:
    pid = ask("started")["export"]["pid"]
    assert ask("started", check=True)["changed"] is False
    assert ask("absent", check=True) == {"changed": True}
    assert is_alive(pid)


def test_info_names_disks_facts_and_exports(ask: Ask) -> None:
    pid = ask("started")["export"]["pid"]
    told = ask("info")
    assert told["exports"] == [{"migration_id": "web01", "run": "run-1", "pid": pid, "port": 5994}]
    assert [disk["name"] for disk in told["disks"]] == ["sda", "sdb", "sr0"]
    assert told["memory"] > 0
    assert told["firmware"] in ("bios", "efi")


def test_info_tells_what_an_export_would_see(ask: Ask) -> None:
    assert ask("info")["view"] == {"view": "moving", "reason": ""}
    refused = ask("info", disks=["sdz"])["view"]
    assert refused["view"] is None
    assert "no disk sdz; it has sda, sdb" in refused["reason"]
    assert ask("started", check=True)["export"]["view"] == "moving"


def test_a_crash_on_the_source_is_told_with_its_last_words(ask: Ask) -> None:
    with pytest.raises(PermanentError, match="KeyError: 'dance'"):
        ask("dance")


def test_words_before_the_answer_do_no_harm(phony_sender: bytes) -> None:
    class Chatty:
        def run(self, command: str, stdin: bytes = b"") -> Answer:
            return Answer(0, 'Welcome to web01!\n{"changed": false}\n', "")

    courier = Courier(Chatty(), sender=phony_sender, interpreter="", host="web01")
    assert courier.ask({}) == {"changed": False}


def test_a_missing_python_is_told_with_what_was_tried(phony_sender: bytes) -> None:
    class Bare:
        def run(self, command: str, stdin: bytes = b"") -> Answer:
            return Answer(127, "", "")

    courier = Courier(Bare(), sender=phony_sender, interpreter="", host="198.18.1.11")
    with pytest.raises(InputError, match=r"No Python 3.6 or newer on 198.18.1.11"):
        courier.ask({})


def test_plan_names_every_difference(tmp_path: Path) -> None:
    running = {"migration_id": "web01", "pid": 7, "run": "old", "port": 5994}
    plan = plan_start(a_start(tmp_path), [running])
    assert plan.starts
    assert (
        plan.reason
        == "run, worker_certificate, bind, names, lease, source_view, used_blocks, gives_way, shared"
    )


def test_plan_refuses_the_port_of_a_nameless_run(tmp_path: Path) -> None:
    running = {"migration_id": "db01", "pid": 7, "port": 5994}
    with pytest.raises(SourceError, match=r"db01 \(run unknown, process 7\)"):
        plan_start(a_start(tmp_path), [running])


def test_programs_for_the_source_run_on_python_36() -> None:
    folder = Path(on_source.__file__ or "").parent
    files = [str(path) for path in folder.glob("*.py")]
    assert len(files) >= 5
    vermin = Path(sys.executable).with_name("vermin")
    options = ["--quiet", "--no-tips", "--eval-annotations", "--violations", "--target=3.6-"]
    done = subprocess.run([vermin, *options, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
