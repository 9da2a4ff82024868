# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A source's disks are opened and closed by real playbooks: on this machine, and through real SSH."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication.daemon import stop_holder
from ansible_collections.ferry.hvm.plugins.plugin_utils.identity import make_identity

from tests.integration.ansible_host import Playground, free_port, ssh_server
from tests.integration.replication_ends import (
    MIB,
    PRIVATE_KEY,
    RUNS,
    absent,
    make_disk,
    processes_of,
    started,
)

MIGRATION = "test-source-export"


# The keys of an SSH user who has to become root are the same; only become is set besides.
WAYS = {
    "local": {"ansible_connection": "local"},
    "ssh": {},
    "ssh and become": {"ansible_become": True, "ansible_become_method": "su"},
}


@pytest.fixture(params=list(WAYS))
def playground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Playground]:
    python = {"ansible_python_interpreter": sys.executable}
    with ssh_server(tmp_path / "sshd") as server:
        known_hosts = tmp_path / "known_hosts"
        known_hosts.write_text(f"ferry-test {server.host_key}\n")
        yield Playground(
            tmp_path, {**server.variables(known_hosts), **python, **WAYS[request.param]}
        )


@pytest.fixture
def here(tmp_path: Path) -> Playground:
    """This machine, with the Python that a source would be searched for."""
    return Playground(tmp_path, {"ansible_connection": "local"})


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return make_disk(tmp_path / "disk.img", 8 * MIB, seed=1)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def certificate() -> str:
    return make_identity("run-1").certificate


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Each test ends what it began; what it forgot is listed, and tidied away for the next one."""
    yield
    left = [*RUNS.glob(f"{MIGRATION}*"), *processes_of(MIGRATION)]
    for folder in RUNS.glob(f"{MIGRATION}*"):
        stop_holder(str(folder))
        shutil.rmtree(folder, ignore_errors=True)
    assert left == []


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def traces() -> dict[str, set[str]]:
    """Return the names in the places where a program might leave something behind."""
    folders = ["/run", "/dev/shm", str(Path.home() / ".ansible" / "tmp")]
    return {folder: set(os.listdir(folder)) for folder in folders if os.path.isdir(folder)}


def test_an_export_lives_from_started_to_absent(
    playground: Playground, disk: Path, port: int, certificate: str
) -> None:
    one = started(MIGRATION, "run-1", certificate, disks=[str(disk)], port=port)
    first = playground.run([one])
    assert first.results["opened"]["changed"] is True, first.output
    export = first.results["opened"]["export"]
    assert export["disks"] == [{"name": "disk.img", "path": str(disk), "size": 8 * MIB}]
    assert export["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert export["source_view"] == "moving"
    assert listens(port)

    again = playground.run([one]).results["opened"]
    assert (again["changed"], again["export"], again["replaced"]) == (False, export, None)

    other = started(MIGRATION, "run-2", certificate, disks=[str(disk)], port=port)
    replaced = playground.run([other]).results["opened"]
    assert replaced["replaced"]["pid"] == export["pid"]
    assert replaced["replaced"]["differs"] == "run"
    assert not Path(f"/proc/{export['pid']}").exists()

    closed = playground.run([absent(MIGRATION), absent(MIGRATION)])
    assert not listens(port), closed.output
    assert not Path(f"/proc/{replaced['export']['pid']}").exists()
    assert closed.results["closed"]["changed"] is False


def test_no_output_however_verbose_and_no_file_holds_the_key(
    playground: Playground, disk: Path, port: int, certificate: str
) -> None:
    task = started(MIGRATION, "run-1", certificate, disks=[str(disk)], port=port)
    opened = playground.run([task], "-vvvvvv")
    found = [path for path in (RUNS / MIGRATION).iterdir() if PRIVATE_KEY.search(read(path))]
    pid = opened.results["opened"]["export"]["pid"]
    seen_in_process = PRIVATE_KEY.search(
        read(Path(f"/proc/{pid}/cmdline")) + read(Path(f"/proc/{pid}/environ"))
    )
    playground.run([absent(MIGRATION)])
    assert "BEGIN CERTIFICATE" in opened.output
    assert PRIVATE_KEY.search(opened.output) is None
    assert (found, seen_in_process) == ([], None)


def read(path: Path) -> str:
    return path.read_bytes().decode("latin-1")


def test_the_pattern_finds_a_key_in_each_of_its_forms() -> None:
    key = make_identity("run-1").key
    assert PRIVATE_KEY.search(key)
    assert PRIVATE_KEY.search(key.splitlines()[1])
    assert PRIVATE_KEY.search(make_identity("run-1").certificate) is None


def test_source_info_changes_nothing_and_leaves_nothing(playground: Playground) -> None:
    # The first connection makes what Ansible itself needs.
    playground.run([{"ferry.hvm.source_info": {}, "register": "observed"}])
    before = traces()
    run = playground.run([{"ferry.hvm.source_info": {}, "register": "observed"}])
    assert traces() == before
    observed = run.results["observed"]
    assert observed["changed"] is False
    assert observed["source"]["hostname"] == socket.gethostname()
    assert observed["source"]["is_root"] is True
    assert observed["source"]["exports"] == []


def with_python(folder: Path, python: str) -> Playground:
    variables = {"ansible_connection": "local", "ansible_python_interpreter": python}
    return Playground(folder, variables)


def test_the_oldest_python_here_will_do(
    tmp_path: Path, disk: Path, port: int, certificate: str
) -> None:
    """The vendor's Python of an old source is 3.6; on this machine the oldest that there is."""
    homes = Path.home().glob(".pyenv/versions/3.*/bin/python3")
    oldest = min([*homes, Path("/usr/bin/python3")], key=version_of)
    run = with_python(tmp_path, str(oldest)).run(
        [
            {"ferry.hvm.source_info": {"port": port}, "register": "observed"},
            started(MIGRATION, "run-1", certificate, disks=[str(disk)], port=port),
            absent(MIGRATION),
        ]
    )
    told = run.results["observed"]["source"]["python"]
    assert [int(number) for number in told.split(".")] == version_of(oldest)
    assert run.results["opened"]["export"]["pid"] > 0
    assert run.results["closed"]["changed"] is True


def version_of(python: Path) -> list[int]:
    told = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout
    return [int(number) for number in re.findall(r"\d+", told)]


def test_check_mode_tells_the_truth(
    here: Playground, disk: Path, port: int, certificate: str
) -> None:
    task = started(MIGRATION, "run-1", certificate, disks=[str(disk)], port=port)
    planned = here.run([task, absent(MIGRATION)], "--check").results
    assert planned["opened"]["changed"] is True
    assert planned["opened"]["export"]["disks"] == [{"name": "disk.img", "path": str(disk)}]
    assert planned["closed"]["changed"] is False
    assert not listens(port)

    here.run([task])
    planned = here.run([task, absent(MIGRATION)], "--check").results
    assert (planned["opened"]["changed"], planned["closed"]["changed"]) == (False, True)
    assert listens(port)
    here.run([absent(MIGRATION)])


def test_the_port_of_another_migration_is_named(
    here: Playground, disk: Path, port: int, certificate: str
) -> None:
    other = f"{MIGRATION}-other"
    run = here.run(
        [
            started(other, "run-1", certificate, disks=[str(disk)], port=port),
            started(MIGRATION, "run-2", certificate, disks=[str(disk)], port=port),
            absent(other),
        ]
    )
    message = run.results["opened"]["msg"]
    assert f"Port {port} is held by the sender of migration {other} (run run-1" in message
    assert f"migration_id {other}" in message


def test_a_port_that_something_else_has_is_named(
    here: Playground, disk: Path, certificate: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        task = started(MIGRATION, "run-1", certificate, disks=[str(disk)], port=taken)
        opened = here.run([task]).results["opened"]
    assert opened["failed"] is True
    assert str(taken) in opened["msg"]


def test_stopped_is_refused_while_a_file_system_can_be_written(
    here: Playground, port: int, certificate: str
) -> None:
    task = started(MIGRATION, "run-1", certificate, source_view="stopped", port=port)
    opened = here.run([task]).results["opened"]
    assert opened["failed"] is True


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param({"disks": ["sdz"]}, "This host has no disk sdz", id="unknown disk"),
        pytest.param({"disks": ["/no/such"]}, "The disk /no/such does not", id="unknown path"),
        pytest.param({"run": "Run 1"}, "run is 'Run 1'", id="a run that is no name"),
        pytest.param({"migration_id": "../x"}, "migration_id is '../x'", id="a folder elsewhere"),
        pytest.param({"worker_certificate": "x"}, "no valid PEM", id="no certificate"),
    ],
)
def test_wrong_input_is_named(
    here: Playground,
    disk: Path,
    certificate: str,
    arguments: dict[str, object],
    complaint: str,
) -> None:
    wanted = {"migration_id": MIGRATION, "run": "run-1", "worker_certificate": certificate}
    task = {"ferry.hvm.source_export": {**wanted, "disks": [str(disk)], **arguments}}
    opened = here.run([{**task, "register": "opened", "ignore_errors": True}]).results["opened"]
    assert complaint in opened["msg"]
    assert opened["error"]["kind"] == "input"


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    task = {"ferry.hvm.source_info": {}, "register": "observed", "ignore_errors": True}
    run = with_python(tmp_path, "/opt/no/python").run([task])
    assert "/opt/no/python on web01 is missing" in run.results["observed"]["msg"]
