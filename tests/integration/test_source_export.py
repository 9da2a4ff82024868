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
    is_alive,
    make_disk,
    processes_of,
    started,
)

# The other file that needs the machine for itself may be at work first.
pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("alone")]

MIGRATION = "test-source-export"
INFO: dict[str, object] = {"ferry.hvm.source_info": {}}


# The keys of an SSH user who has to become root are the same; only become is set besides.
WAYS: dict[str, dict[str, object]] = {
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
    return {folder: set(os.listdir(folder)) for folder in ("/run", "/dev/shm")}


def test_an_export_lives_from_started_to_absent_and_leaves_nothing(
    playground: Playground, disk: Path, port: int, certificate: str
) -> None:
    before = traces()
    one = started(MIGRATION, "run-1", certificate, disks=[str(disk)], port=port)
    two = started(MIGRATION, "run-2", certificate, disks=[str(disk)], port=port)
    opening = playground.run(
        [
            {**INFO, "register": "before"},
            {**one, "register": "first"},
            {**one, "register": "again"},
            {**two, "register": "other"},
            {**INFO, "register": "after"},
        ],
        "-vvvvvv",
    )
    first, again, other = (opening.results[name] for name in ("first", "again", "other"))
    assert first["changed"] is True, opening.output
    assert first["export"]["disks"] == [
        {"name": "disk.img", "path": str(disk), "size": 8 * MIB},
    ]
    assert first["export"]["source_view"] == "moving"
    assert (again["changed"], again["export"]) == (False, first["export"])
    assert other["replaced"]["pid"] == first["export"]["pid"]
    assert other["replaced"]["differs"] == "run"
    assert not is_alive(first["export"]["pid"])
    assert listens(port)

    assert opening.results["before"]["source"]["exports"] == []
    told = opening.results["after"]["source"]
    assert told["exports"] == [
        {"migration_id": MIGRATION, "run": "run-2", "pid": other["export"]["pid"], "port": port}
    ]
    assert told["is_root"] is True
    assert keys_in(opening.output, pid=other["export"]["pid"]) == []

    closing = playground.run(
        [{**absent(MIGRATION), "register": "closed"}, {**absent(MIGRATION), "register": "again"}]
    )
    assert closing.results["closed"]["changed"] is True, closing.output
    assert closing.results["again"]["changed"] is False
    assert not is_alive(other["export"]["pid"])
    assert not listens(port)
    assert traces() == before


def test_the_limit_of_a_running_export_is_changed(
    here: Playground, disk: Path, port: int, certificate: str
) -> None:
    def limited(limit: int, name: str, **more: object) -> dict[str, object]:
        arguments = {"migration_id": MIGRATION, "state": "limited", "bandwidth_limit": limit}
        return {
            "ferry.hvm.source_export": arguments,
            "register": name,
            "ignore_errors": True,
            **more,
        }

    def limited_over_all(limit: int | None, name: str) -> dict[str, object]:
        named = {} if limit is None else {"total_bandwidth_limit": limit}
        arguments = {"migration_id": MIGRATION, "state": "limited", **named}
        return {
            "ferry.hvm.source_export": arguments,
            "register": name,
            "ignore_errors": True,
            "diff": True,
        }

    run = here.run(
        [
            started(MIGRATION, "run-1", certificate, disks=[str(disk)], port=port),
            limited(2 * MIB, "checked", check_mode=True, diff=True),
            limited(2 * MIB, "first"),
            limited(2 * MIB, "again"),
            limited(1, "refused"),
            limited_over_all(3 * MIB, "over_all"),
            limited_over_all(None, "nothing"),
            absent(MIGRATION),
            limited(2 * MIB, "gone"),
        ]
    )
    results = run.results
    changes = [results[name]["changed"] for name in ("checked", "first", "again")]
    assert changes == [True, True, False], run.output
    assert results["checked"]["diff"]["after"] == {"bandwidth_limit": 2 * MIB}
    assert "too low" in results["refused"]["msg"]
    assert results["over_all"]["diff"]["before"] == {"total_bandwidth_limit": 0}
    assert results["over_all"]["diff"]["after"] == {"total_bandwidth_limit": 3 * MIB}
    assert "any of the following are missing" in results["nothing"]["msg"]
    assert "No sender of migration" in results["gone"]["msg"]


def keys_in(output: str, *, pid: int) -> list[str]:
    """Return where a private key can be read: the output, the sender's folder, its process."""
    assert "BEGIN CERTIFICATE" in output
    folders = [RUNS / MIGRATION, *RUNS.glob(".sender-*")]
    files = [path for folder in folders for path in folder.iterdir() if path.is_file()]
    places = {str(path): read(path) for path in files}
    places |= {name: read(Path(f"/proc/{pid}/{name}")) for name in ("cmdline", "environ")}
    places["output"] = output
    return [place for place, text in places.items() if PRIVATE_KEY.search(text)]


def read(path: Path) -> str:
    return path.read_bytes().decode("latin-1")


def test_the_pattern_finds_a_key_in_each_of_its_forms() -> None:
    key = make_identity("run-1").key
    assert PRIVATE_KEY.search(key)
    assert PRIVATE_KEY.search(key.splitlines()[1])
    assert PRIVATE_KEY.search(make_identity("run-1").certificate) is None


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
    start = started(MIGRATION, "run-1", certificate, disks=[str(disk)], port=port)
    end = absent(MIGRATION)
    run = here.run(
        [
            {**start, "register": "start_planned", "check_mode": True},
            {**end, "register": "end_unneeded", "check_mode": True},
            {**start, "register": "start"},
            {**start, "register": "start_unneeded", "check_mode": True},
            {**end, "register": "end_planned", "check_mode": True},
            {**end, "register": "end"},
        ]
    )
    changed = {name: result["changed"] for name, result in run.results.items()}
    assert changed == {
        "start_planned": True,
        "end_unneeded": False,
        "start": True,
        "start_unneeded": False,
        "end_planned": True,
        "end": True,
    }
    planned = run.results["start_planned"]["export"]
    assert planned["disks"] == [{"name": "disk.img", "path": str(disk)}]
    assert (planned["pid"], planned["certificate"]) == (None, None)


def test_what_cannot_work_is_refused_by_name(
    here: Playground, disk: Path, port: int, certificate: str
) -> None:
    other = f"{MIGRATION}-other"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        cases: dict[str, tuple[dict[str, object], str]] = {
            "disk": ({"disks": ["sdz"]}, "This host has no disk sdz; it has"),
            "path": ({"disks": ["/no/such"]}, "The disk /no/such does not exist"),
            "run": ({"run": "Run 1"}, "run is 'Run 1'"),
            "folder": ({"migration_id": "../x"}, "migration_id is '../x'"),
            "certificate": ({"worker_certificate": "x"}, "no valid PEM"),
            "port": ({"port": taken}, str(taken)),
            "sender": ({"port": port}, f"held by the sender of migration {other} (run run-1"),
        }
        tasks = [
            {**started(MIGRATION, "run-2", certificate, disks=[str(disk)]), "register": name}
            for name in cases
        ]
        for task, (arguments, _complaint) in zip(tasks, cases.values()):
            task["ferry.hvm.source_export"].update(arguments)
        first = started(other, "run-1", certificate, disks=[str(disk)], port=port)
        run = here.run([first, *tasks, absent(other)])
    for name, (_arguments, complaint) in cases.items():
        result = run.results[name]
        assert result["failed"] is True, name
        assert complaint in result["msg"], name


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    task = {**INFO, "register": "observed", "ignore_errors": True}
    run = with_python(tmp_path, "/opt/no/python").run([task])
    assert "/opt/no/python on web01 is missing" in run.results["observed"]["msg"]
