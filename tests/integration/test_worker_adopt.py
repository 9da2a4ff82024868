# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adopting a worker through real SSH: a real sshd plays the worker and changes its host key."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Iterator

import pytest

from tests.integration.ansible_host import Playground, SshServer, make_key, ssh_server

ALIAS = "ferry-worker-web01"

# The worker's command, by the same rules: one key per boot, and a commit that sshd hears of.
FERRY_HOST_KEY = """\
#!/bin/sh -eu
cd {folder}
case $1 in
    new) [ -e own ] || ssh-keygen -q -t ed25519 -N '' -C worker -f own; cat own.pub ;;
    commit) cp own shown; kill -HUP "$(cat sshd.pid)" ;;
esac
echo "$1" >> calls
"""


class Worker:
    """An SSH server that behaves as Ferry's worker does."""

    def __init__(self, server: SshServer) -> None:
        self.server = server
        self.bootstrap_key = server.host_key
        program = server.folder / "bin" / "ferry-host-key"
        program.parent.mkdir()
        program.write_text(FERRY_HOST_KEY.format(folder=server.folder))
        program.chmod(0o755)

    def boot(self, key: str = "host_key") -> None:
        """Start the worker anew; it shows the key of its seed."""
        folder = self.server.folder
        self.server.stop()
        shutil.copy(folder / key, folder / "shown")
        path = f"SetEnv PATH={folder}/bin:/usr/bin:/bin"
        self.server.start(host_key=folder / "shown", environment=path)

    @property
    def calls(self) -> list[str]:
        noted = self.server.folder / "calls"
        return noted.read_text().split() if noted.exists() else []


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with ssh_server(tmp_path / "sshd") as server:
        worker = Worker(server)
        worker.boot()
        yield worker


@pytest.fixture
def playground(worker: Worker, tmp_path: Path) -> Playground:
    return Playground(tmp_path, worker.server.variables(tmp_path / "known_hosts", ALIAS))


def adopt(register: str, tmp_path: Path, **arguments: Any) -> dict[str, Any]:
    known = {"known_hosts": str(tmp_path / "known_hosts"), "host_key_alias": ALIAS, "timeout": 30}
    return {
        "name": f"Adopt the worker ({register})",
        "ferry.hvm.worker_adopt": {**known, **arguments},
        "register": register,
        "ignore_errors": True,
    }


def test_a_worker_is_adopted_in_two_calls_and_stays_so(
    worker: Worker, playground: Playground, tmp_path: Path
) -> None:
    seed = worker.bootstrap_key
    own = "{{ first.host_key }}"
    run = playground.run(
        [
            adopt("first", tmp_path, bootstrap_key=seed),
            # Here a controller was killed after it had recorded the key; the next one knows both.
            adopt("again", tmp_path, bootstrap_key=seed, pinned_key=own),
            adopt("second", tmp_path, bootstrap_key=seed, host_key=own, commit=True),
            adopt("repeated", tmp_path, bootstrap_key=seed, host_key=own, commit=True),
            adopt("later", tmp_path, pinned_key=own),
            adopt("voided", tmp_path, bootstrap_key=seed),
        ]
    )
    results = run.results
    key = results["first"]["host_key"]
    assert key != seed
    assert (results["first"]["changed"], results["first"]["committed"]) == (True, False)
    assert (results["again"]["host_key"], results["again"]["committed"]) == (key, False)
    assert (results["second"]["changed"], results["second"]["committed"]) == (True, True)
    assert (results["repeated"]["changed"], results["repeated"]["committed"]) == (False, True)
    assert (results["later"]["changed"], results["later"]["host_key"]) == (False, key)
    assert "not this migration's worker's" in results["voided"]["msg"]
    assert worker.calls == ["new", "new", "new", "commit"]


def test_known_hosts_holds_only_the_committed_key(
    worker: Worker, playground: Playground, tmp_path: Path
) -> None:
    seed = worker.bootstrap_key
    run = playground.run(
        [
            adopt("first", tmp_path, bootstrap_key=seed),
            adopt(
                "second", tmp_path, host_key="{{ first.host_key }}", bootstrap_key=seed, commit=True
            ),
        ]
    )
    key = run.results["second"]["host_key"]
    assert (tmp_path / "known_hosts").read_text() == f"{ALIAS} {key}\n"


def test_check_mode_changes_nothing_on_the_worker(
    worker: Worker, playground: Playground, tmp_path: Path
) -> None:
    run = playground.run([adopt("first", tmp_path, bootstrap_key=worker.bootstrap_key)], "--check")
    assert (run.results["first"]["changed"], run.results["first"]["host_key"]) == (True, "")
    assert worker.calls == []


def test_a_stranger_at_the_address_is_refused_at_once(
    worker: Worker, playground: Playground, tmp_path: Path
) -> None:
    make_key(worker.server.folder / "strange")
    worker.boot("strange")
    keys = {"bootstrap_key": worker.bootstrap_key, "pinned_key": worker.bootstrap_key}
    result = playground.run([adopt("found", tmp_path, timeout=600, **keys)]).results["found"]
    assert result["msg"].startswith("The machine at 127.0.0.1 answers with an SSH host key")
    assert result["error"]["kind"] == "permanent"
    assert worker.calls == []


def test_a_worker_that_never_answers_is_named_with_where_to_look(
    worker: Worker, playground: Playground, tmp_path: Path
) -> None:
    worker.server.stop()
    arguments = {"bootstrap_key": worker.bootstrap_key, "timeout": 5}
    result = playground.run([adopt("found", tmp_path, **arguments)]).results["found"]
    assert "The worker at 127.0.0.1 did not answer by SSH within" in result["msg"]
    assert "console" in result["msg"]
    assert result["error"]["kind"] == "transient"


def test_a_worker_that_refuses_our_key_is_said(
    worker: Worker, playground: Playground, tmp_path: Path
) -> None:
    (worker.server.folder / "authorized_keys").write_text("")
    arguments = {"bootstrap_key": worker.bootstrap_key, "timeout": 600}
    result = playground.run([adopt("found", tmp_path, **arguments)]).results["found"]
    assert "does not let us in" in result["msg"]
    assert "authorized_key" in result["msg"]


def test_a_connection_that_would_not_check_the_key_is_refused(
    worker: Worker, playground: Playground, tmp_path: Path
) -> None:
    arguments = {"bootstrap_key": worker.bootstrap_key, "known_hosts": "/somewhere/else"}
    result = playground.run([adopt("found", tmp_path, **arguments)]).results["found"]
    assert "lacks UserKnownHostsFile=/somewhere/else" in result["msg"]
    assert worker.calls == []
