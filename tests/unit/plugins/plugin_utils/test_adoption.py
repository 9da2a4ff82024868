# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker is adopted under a key of its own, and no stranger is ever talked to."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import (
    InputError,
    PermanentError,
    TransientError,
)
from ansible_collections.ferry.hvm.plugins.plugin_utils.adoption import Adoption, Found
from ansible_collections.ferry.hvm.plugins.plugin_utils.clock import Clock
from ansible_collections.ferry.hvm.plugins.plugin_utils.host_keys import KnownHosts, parse_key
from ansible_collections.ferry.hvm.plugins.plugin_utils.shell import (
    Answer,
    Shell,
    UnreachableError,
)

BOOTSTRAP = "ssh-ed25519 AAAAbootstrap"
OWN = "ssh-ed25519 AAAAown"
STRANGE = "ssh-ed25519 AAAAstrange"

SILENT = "ssh: connect to host 198.18.2.100 port 22: Connection refused"
WRONG = "Host key verification failed."


class PhonyWorker:
    """A worker with the behaviour of OpenSSH: it judges by the known_hosts file, and a connection
    that is open answers whatever the file says. Time passes only when somebody waits."""

    address = "198.18.2.100"

    def __init__(self, known_hosts: Path, *, answers_after: float = 0.0, key: str = BOOTSTRAP):
        self.time = 0.0
        self.key = key
        self.complaint = ""
        self.commands: list[str] = []
        self.settles_after = 0.0
        self._committed_at: float | None = None
        self._old_key = key
        self._known_hosts = known_hosts
        self._answers_after = answers_after
        self._is_open = False

    @property
    def shell(self) -> Shell:
        return self

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.time, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def forget(self) -> None:
        self._is_open = False

    def run(self, command: str, stdin: bytes = b"") -> Answer:
        self._connect()
        self.commands.append(command)
        if command == "ferry-host-key new":
            return Answer(0, f"{OWN} root@worker\n", "")
        if command == "ferry-host-key commit":
            self._committed_at, self._old_key, self.key = self.time, self.key, OWN
        return Answer(0, "", "")

    def _connect(self) -> None:
        if self._is_open:
            return
        if self.complaint or self.time < self._answers_after:
            raise UnreachableError(self.complaint or SILENT)
        if f"ferry-worker-web01 {self._shown_key()}\n" != self._known_hosts.read_text():
            raise UnreachableError(WRONG)
        self._is_open = True

    def _shown_key(self) -> str:
        is_settled = self._committed_at is None or (
            self.time >= self._committed_at + self.settles_after
        )
        return self.key if is_settled else self._old_key


Adopt = Callable[..., Adoption]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "known_hosts"


@pytest.fixture
def worker(file: Path) -> PhonyWorker:
    return PhonyWorker(file)


@pytest.fixture
def adopt(file: Path) -> Adopt:
    def make(worker: PhonyWorker) -> Adoption:
        known_hosts = KnownHosts(str(file), "ferry-worker-web01")
        return Adoption(worker, known_hosts, timeout=60, clock=worker.clock)

    return make


def test_a_new_worker_answers_with_the_bootstrap_key(adopt: Adopt, worker: PhonyWorker) -> None:
    assert adopt(worker).find([BOOTSTRAP]) == Found(BOOTSTRAP, 0.0)


def test_a_worker_that_was_adopted_answers_with_its_own(
    adopt: Adopt, worker: PhonyWorker, file: Path
) -> None:
    worker.key = OWN
    assert adopt(worker).find([OWN, BOOTSTRAP]).key == OWN
    assert file.read_text() == f"ferry-worker-web01 {OWN}\n"


def test_recorded_but_not_committed_is_found_by_the_bootstrap_key(
    adopt: Adopt, worker: PhonyWorker
) -> None:
    """The controller was killed between the record and the commit."""
    assert adopt(worker).find([OWN, BOOTSTRAP]).key == BOOTSTRAP


def test_a_booting_worker_is_waited_for(adopt: Adopt, file: Path) -> None:
    found = adopt(PhonyWorker(file, answers_after=31.0)).find([BOOTSTRAP])
    assert found == Found(BOOTSTRAP, 32.0)


def test_a_worker_that_never_answers_is_named_with_the_time_and_where_to_look(
    adopt: Adopt, file: Path
) -> None:
    worker = PhonyWorker(file, answers_after=1000.0)
    with pytest.raises(TransientError, match=r"198\.18\.2\.100 .* within 1 min 00 s.*console"):
        adopt(worker).find([OWN, BOOTSTRAP])
    assert worker.time <= 60


def test_a_stranger_is_refused_at_once_and_told_nothing(adopt: Adopt, worker: PhonyWorker) -> None:
    worker.key = STRANGE
    with pytest.raises(PermanentError, match=r"198\.18\.2\.100 answers with an SSH host key"):
        adopt(worker).find([OWN, BOOTSTRAP])
    assert (worker.time, worker.commands) == (0.0, [])


def test_an_open_connection_does_not_answer_for_a_new_worker(
    adopt: Adopt, worker: PhonyWorker
) -> None:
    """A shared connection to an earlier worker of this address would take any key."""
    adoption = adopt(worker)
    adoption.find([BOOTSTRAP])
    worker.key = STRANGE
    with pytest.raises(PermanentError):
        adoption.find([BOOTSTRAP])


def test_a_worker_that_refuses_our_key_is_said_at_once(adopt: Adopt, worker: PhonyWorker) -> None:
    worker.complaint = "root@198.18.2.100: Permission denied (publickey)."
    with pytest.raises(PermanentError, match=r"does not let us in.*authorized_key"):
        adopt(worker).find([BOOTSTRAP])
    assert worker.time == 0.0


def test_commit_leaves_only_the_new_key(adopt: Adopt, worker: PhonyWorker, file: Path) -> None:
    adoption = adopt(worker)
    adoption.find([BOOTSTRAP])
    adoption.commit(adoption.new_key())
    assert worker.key == OWN
    assert file.read_text() == f"ferry-worker-web01 {OWN}\n"


def test_commit_waits_for_the_old_server_to_go(adopt: Adopt, worker: PhonyWorker) -> None:
    worker.settles_after = 5.0
    adoption = adopt(worker)
    adoption.find([BOOTSTRAP])
    adoption.commit(OWN)
    assert worker.time == 6.0


def test_a_commit_that_does_not_take_is_an_error(adopt: Adopt, worker: PhonyWorker) -> None:
    worker.settles_after = 1000.0
    adoption = adopt(worker)
    adoption.find([BOOTSTRAP])
    with pytest.raises(PermanentError, match="answers with an SSH host key"):
        adoption.commit(OWN)


def test_a_key_that_was_not_recorded_is_never_committed(adopt: Adopt, worker: PhonyWorker) -> None:
    adoption = adopt(worker)
    adoption.find([BOOTSTRAP])
    with pytest.raises(PermanentError, match="restarted in between"):
        adoption.commit("ssh-ed25519 AAAAofAnEarlierBoot")
    assert worker.key == BOOTSTRAP


def test_a_machine_without_our_command_is_named(adopt: Adopt, worker: PhonyWorker) -> None:
    class Plain(PhonyWorker):
        def run(self, command: str, stdin: bytes = b"") -> Answer:
            return Answer(127, "", "sh: ferry-host-key: not found")

    with pytest.raises(PermanentError, match=r"status 127: sh: ferry-host-key: not found"):
        adopt(Plain(Path("unused"))).new_key()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param("", "", id="none"),
        pytest.param(f" {OWN} root@worker\n", OWN, id="comment and line end go"),
        pytest.param("ecdsa-sha2-nistp256 AAAA+/==", "ecdsa-sha2-nistp256 AAAA+/==", id="ecdsa"),
    ],
)
def test_parse_key(text: str, key: str) -> None:
    assert parse_key(text, option="pinned_key") == key


def test_what_is_no_key_is_refused_by_its_option() -> None:
    with pytest.raises(InputError, match="pinned_key is no SSH public key: 'SHA256:abc'"):
        parse_key("SHA256:abc", option="pinned_key")
