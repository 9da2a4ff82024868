# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sender's server on real sockets: strangers, too many connections, a machine short of descriptors."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import TransientError
from ansible_collections.ferry.hvm.plugins.module_utils.replication import runs, server
from ansible_collections.ferry.hvm.plugins.module_utils.replication.channel import dial
from ansible_collections.ferry.hvm.plugins.module_utils.replication.dialer import Dialer
from ansible_collections.ferry.hvm.plugins.module_utils.replication.digests import calibrate
from ansible_collections.ferry.hvm.plugins.module_utils.replication.export import Export
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.tls import (
    Identity,
    source_end,
    target_end,
)

from tests.unit.plugins.module_utils.replication.rig import RUN, Papers

DEADLINE = 30.0


class Scarce:
    """A listener that fails as often as told before it accepts."""

    def __init__(self, listener: socket.socket, failures: int) -> None:
        self._listener = listener
        self.failures = failures

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._listener.accept()

    def close(self) -> None:
        self._listener.close()


Serving = Callable[[object], AbstractContextManager[None]]


@pytest.fixture
def serving(source_papers: Papers, target_papers: Papers, tmp_path: Path) -> Serving:
    """A server of one small disk serves on a listener for as long as the block runs."""

    @contextlib.contextmanager
    def serve(listener: object) -> Iterator[None]:
        lease = runs.Lease(str(tmp_path / "lease"), 60.0)
        Path(lease.path).touch()
        export = Export({"sda": lambda: MemoryDisk(bytes(4096))}, calibrate(), settle=lambda: None)
        own = Identity(source_papers.certificate, source_papers.key, target_papers.certificate)
        all_runs = runs.Runs()
        all_runs.add(runs.Run(source_end(RUN, own), export, lease))
        served = server.Server(listener, all_runs)  # type: ignore[arg-type]
        thread = threading.Thread(target=served.serve)
        thread.start()
        try:
            yield
        finally:
            served.stop()
            thread.join(DEADLINE)
            assert not thread.is_alive()

    return serve


@pytest.fixture
def listener() -> socket.socket:
    return server.listen("", 0)


@pytest.fixture
def dialer(listener: socket.socket, source_papers: Papers, target_papers: Papers) -> Dialer:
    """Dials the server as the run's own target."""
    own = Identity(target_papers.certificate, target_papers.key, source_papers.certificate)
    port = listener.getsockname()[1]
    return Dialer(
        lambda: dial("127.0.0.1", port, DEADLINE), target_end(RUN, own), threading.Event()
    )


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_both_families_of_addresses_are_listened_on(listener: socket.socket, address: str) -> None:
    with listener, socket.create_connection((address, listener.getsockname()[1]), DEADLINE):
        pass


def test_strangers_who_say_nothing_keep_nobody_out(
    listener: socket.socket,
    dialer: Dialer,
    serving: Serving,
) -> None:
    here = ("127.0.0.1", listener.getsockname()[1])
    with contextlib.ExitStack() as stack:
        stack.enter_context(serving(listener))
        strangers = [
            stack.enter_context(socket.create_connection(here, DEADLINE))
            for _number in range(server.STRANGERS + 20)
        ]
        dialer.dial().close()
        # The oldest are let go; the wait is for the server's word, not for time.
        assert [stranger.recv(1) for stranger in strangers[:5]] == [b""] * 5


def test_a_stranger_who_takes_too_long_is_let_go(
    listener: socket.socket,
    serving: Serving,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "DIAL_TIMEOUT", 0.0)
    here = ("127.0.0.1", listener.getsockname()[1])
    served = serving(listener)
    with served, socket.create_connection(here, DEADLINE) as stranger:
        assert stranger.recv(1) == b""


def test_one_connection_too_many_hears_why(
    listener: socket.socket,
    dialer: Dialer,
    serving: Serving,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs, "CONNECTIONS", 1)
    with serving(listener):
        first = dialer.dial()
        with pytest.raises(TransientError, match="1 connections are open"):
            dialer.dial()
        first.close()


def test_a_machine_short_of_descriptors_is_outlived(
    listener: socket.socket,
    dialer: Dialer,
    serving: Serving,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "TICK", 0.01)
    scarce = Scarce(listener, failures=3)
    with serving(scarce):
        dialer.dial().close()
    assert scarce.failures == 0
