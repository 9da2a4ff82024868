# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several runs behind one port: whom the server name lets in where, and what is bounded over all of them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import PermanentError, TransientError
from ansible_collections.ferry.hvm.plugins.module_utils.replication import registration, server
from ansible_collections.ferry.hvm.plugins.module_utils.replication.channel import dial
from ansible_collections.ferry.hvm.plugins.module_utils.replication.daemon import take_lock
from ansible_collections.ferry.hvm.plugins.module_utils.replication.dialer import Dialer
from ansible_collections.ferry.hvm.plugins.module_utils.replication.digests import (
    Algorithm,
    Hasher,
    calibrate,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.errors import (
    PeerRefusedError,
    StoppedError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.export import Export
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import (
    ALL_CONNECTIONS,
    CONNECTIONS,
    RUNS,
    SURE_CONNECTIONS,
    server_name,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.runs import (
    Lease,
    Run,
    Runs,
    SenderLeftError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.tls import (
    Identity,
    source_end,
    target_end,
)

from tests.unit.plugins.module_utils.replication.rig import DEADLINE, Papers, make_papers

SIZES = {"web01-7": 4096, "db01-1": 8192}


class Papered(NamedTuple):
    """A run's papers at both ends."""

    source: Papers
    target: Papers


@pytest.fixture(scope="module")
def papers() -> dict[str, Papered]:
    return {run: Papered(make_papers(run), make_papers(run)) for run in SIZES}


def make_run(name: str, papered: Papered, lease: Path, **how: Any) -> Run:
    """A run of one disk, sda, of its own size."""
    lease.touch()
    own = Identity(*papered.source, papered.target.certificate)
    disks = {"sda": lambda: MemoryDisk(bytes(SIZES[name]))}
    export = Export(disks, calibrate(), settle=lambda: None)
    return Run(source_end(name, own), export, Lease(str(lease), 60.0), **how)


@pytest.fixture
def port(papers: dict[str, Papered], tmp_path: Path) -> Iterator[int]:
    """Both runs are served here."""
    runs, listener = Runs(), server.listen("127.0.0.1", 0)
    for name, papered in papers.items():
        runs.add(make_run(name, papered, tmp_path / name))
    served = server.Server(listener, runs)
    thread = threading.Thread(target=served.serve)
    thread.start()
    yield listener.getsockname()[1]
    served.stop()
    thread.join(DEADLINE)
    assert not thread.is_alive()


def dialer(port: int, name: str, own: Papers, trusted: Papers) -> Dialer:
    end = target_end(name, Identity(*own, trusted.certificate))
    return Dialer(lambda: dial("127.0.0.1", port, DEADLINE), end, threading.Event())


@pytest.mark.parametrize("name", SIZES)
def test_the_server_name_leads_to_its_own_runs_disks(
    port: int, papers: dict[str, Papered], name: str
) -> None:
    dialling = dialer(port, name, papers[name].target, papers[name].source)
    channel = dialling.dial()
    assert dialling.open_disk(channel, bytes(16), "sda").size == SIZES[name]
    channel.close()


def test_another_runs_certificate_opens_nothing(port: int, papers: dict[str, Papered]) -> None:
    """Its owner knows the other run's name and certificate, and lacks only its key."""
    web, db = papers["web01-7"], papers["db01-1"]
    with pytest.raises(PeerRefusedError):
        dialer(port, "db01-1", own=web.target, trusted=db.source).dial()


def test_a_run_that_nobody_serves_is_refused_by_an_alert(
    port: int, papers: dict[str, Papered]
) -> None:
    web = papers["web01-7"]
    with pytest.raises(PeerRefusedError, match=r"(?i)unrecognized.name"):
        dialer(port, "mail01-1", own=web.target, trusted=web.source).dial()


def client_context(papers: dict[str, Papered], version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client of run web01-7 that trusts both runs' senders."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = version
    for papered in papers.values():
        context.load_verify_locations(cadata=papered.source.certificate)
    with tempfile.NamedTemporaryFile("w") as chain:
        chain.write(papers["web01-7"].target.certificate + papers["web01-7"].target.key)
        chain.flush()
        context.load_cert_chain(chain.name)
    return context


VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@VERSIONS
def test_a_client_that_names_no_run_sees_no_certificate(
    port: int, papers: dict[str, Papered], version: ssl.TLSVersion
) -> None:
    context = client_context(papers, version)
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as connected, pytest.raises(
        ssl.SSLError, match=r"(?i)unrecognized.name"
    ):
        context.wrap_socket(connected)


@VERSIONS
def test_a_session_of_one_run_is_not_resumed_for_the_other(
    port: int, papers: dict[str, Papered], version: ssl.TLSVersion
) -> None:
    context = client_context(papers, version)
    session = None
    for name in ("web01-7", "web01-7", "db01-1"):
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as connected:
            try:
                with context.wrap_socket(
                    connected, server_hostname=server_name(name), session=session
                ) as secured:
                    assert not secured.session_reused
                    said = _what_a_hello_is_answered(secured)
                    session = secured.session
            except ssl.SSLError:
                said = b""
        assert bool(said) is (name == "web01-7")


def _what_a_hello_is_answered(secured: ssl.SSLSocket) -> bytes:
    """A frame that is wrong gets an Error, from a sender that lets its peer in; an alert comes else."""
    secured.sendall(bytes(5))
    return secured.recv(1)


def test_a_run_that_has_just_ended_gets_no_session(
    papers: dict[str, Papered], tmp_path: Path
) -> None:
    runs, run = Runs(), make_run("web01-7", papers["web01-7"], tmp_path / "lease")
    runs.add(run)
    (tmp_path / "lease").unlink()
    ended = runs.take_ended() or runs.end_all()
    assert ended == [run]
    assert runs.find(server_name("web01-7")) is None
    with pytest.raises(TransientError, match="Run web01-7 has ended"):
        runs.begin_session(run.end, lambda: None)


def test_a_run_that_ends_first_stops_what_is_read_before_an_answer(
    papers: dict[str, Papered], tmp_path: Path
) -> None:
    """A sample of minutes would hold up the end; its connection is told later, and waits for it."""
    run = make_run("web01-7", papers["web01-7"], tmp_path / "lease")
    disk, hasher = MemoryDisk(bytes(4096)), Hasher(Algorithm.SHA256)
    stopped: list[bool] = []

    def stop() -> None:
        with pytest.raises(StoppedError):
            run.export.begin("sda", bytes(16), disk, hasher)
        stopped.append(True)

    session = threading.Thread(target=lambda: None)
    session.start()
    run.sessions[session] = stop
    run.close()
    assert stopped


def test_an_end_that_hangs_holds_up_no_other_run(
    papers: dict[str, Papered], tmp_path: Path
) -> None:
    """LVM waits for a disk that does not answer: the other run is served, and a third may come."""
    goes_on, begun = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        assert goes_on.wait(DEADLINE)

    runs = Runs(patience=0.0)
    hanging = make_run("web01-7", papers["web01-7"], tmp_path / "web", close=hang)
    runs.add(hanging)
    runs.add(make_run("db01-1", papers["db01-1"], tmp_path / "db"))
    (tmp_path / "web").unlink()
    assert runs.take_ended() == []
    assert begun.wait(DEADLINE)
    assert runs.take_ended() == []
    assert runs.names() == ["db01-1"]
    assert not runs.close_if_unneeded()
    goes_on.set()
    assert hanging in runs.end_all()


def test_a_sender_stays_for_a_run_on_its_way_and_leaves_after_its_refusal() -> None:
    runs = Runs(patience=0.0)
    with runs.expecting("web01-7", no_judge):
        assert not runs.close_if_unneeded()
    assert runs.close_if_unneeded()
    with pytest.raises(SenderLeftError), runs.expecting("web01-7", no_judge):
        pass


def no_judge(_others: list[str]) -> None:
    """Any run may come."""


def test_a_run_on_its_way_has_its_place_beside_those_that_are_served(
    papers: dict[str, Papered], tmp_path: Path
) -> None:
    """Opening disks takes its time: of two of one name the second is not opened too."""
    runs, told = Runs(), []
    runs.add(make_run("db01-1", papers["db01-1"], tmp_path / "db"))

    def refuse(others: list[str]) -> None:
        told.append(others)
        raise TransientError("Not now.")

    with runs.expecting("web01-7", no_judge):
        with pytest.raises(TransientError), runs.expecting("web01-7", refuse):
            pass
        runs.add(make_run("web01-7", papers["web01-7"], tmp_path / "web"))
    with pytest.raises(TransientError), runs.expecting("mail01-1", refuse):
        pass
    assert told == [["db01-1", "web01-7"], ["db01-1", "web01-7"]]


def test_a_sender_whose_first_run_is_refused_does_not_wait_for_another() -> None:
    runs = Runs(patience=DEADLINE)

    def refuse(_others: list[str]) -> None:
        raise TransientError("Not now.")

    with pytest.raises(TransientError), runs.expecting("web01-7", refuse):
        pass
    assert runs.close_if_unneeded()


def test_a_sender_waits_for_its_first_run() -> None:
    assert not Runs(patience=DEADLINE).close_if_unneeded()
    assert Runs(patience=0.0).close_if_unneeded()


def fill(runs: Runs, run: Run) -> int:
    """Count how many more connections the run gets."""
    for count in range(CONNECTIONS + 1):
        begin = threading.Thread(target=_try_session, args=(runs, run))
        before = len(run.sessions)
        begin.start()
        begin.join(DEADLINE)
        if len(run.sessions) == before:
            return count
    raise AssertionError("nothing bounds them")


def _try_session(runs: Runs, run: Run) -> None:
    try:
        runs.begin_session(run.end, lambda: None)
    except TransientError as error:
        assert "connections are open" in error.what  # noqa: PT017 - another thread's.


def test_connections_are_bounded_for_each_run_and_for_all_and_two_are_sure(
    papers: dict[str, Papered], tmp_path: Path
) -> None:
    runs, all_runs = Runs(), []
    for number in range(RUNS):
        run = make_run("web01-7", papers["web01-7"], tmp_path / f"lease-{number}")
        run.end = run.end._replace(run=f"web{number}")
        runs.add(run)
        all_runs.append(run)
    full = ALL_CONNECTIONS // CONNECTIONS
    counts = [fill(runs, run) for run in all_runs]
    assert counts == [CONNECTIONS] * full + [SURE_CONNECTIONS] * (RUNS - full)


def serve(
    reception: socket.socket,
    take: Callable[[Any], None],
    underway: registration.Underway | None = None,
) -> None:
    """Have `take` judge orders for as long as the tests last; who is taken is served on 5994."""

    def register(order: Any) -> dict[str, Any]:
        take(order)
        return {"port": 5994}

    arguments = (reception, register, underway or registration.Underway())
    threading.Thread(target=registration.receive, args=arguments, daemon=True).start()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_registers_nothing_even_through_an_open_socket(open_folder: Path) -> None:
    """The kernel is asked who connected; the modes of folder and socket are not all there is."""
    reception = registration.open_reception(str(open_folder))
    (open_folder / "register").chmod(0o666)
    taken: list[Any] = []
    with socket.socket(socket.AF_UNIX) as stranger:
        os.seteuid(65534)
        try:
            stranger.connect(str(open_folder / "register"))
        finally:
            os.seteuid(0)
        stranger.settimeout(DEADLINE)
        # Only now: who the sender is, is asked by a thread of this process.
        serve(reception, taken.append)
        answer = json.loads(stranger.makefile().readline())
    assert "User id 65534" in answer["error"]["what"]
    assert taken == []


def test_an_order_comes_whole_or_not_at_all(tmp_path: Path) -> None:
    reception = registration.open_reception(str(tmp_path))
    taken: list[Any] = []
    serve(reception, taken.append)
    with socket.socket(socket.AF_UNIX) as cut_off:
        cut_off.connect(str(tmp_path / "register"))
        cut_off.sendall(b'{"release": "0.1.0", "order": {"ru')
    assert registration.register_run(str(tmp_path), {"run": "web01-7"}) == {"port": 5994}
    assert taken == [{"run": "web01-7"}]


def test_a_refusal_keeps_its_kind_on_its_way(tmp_path: Path) -> None:
    reception = registration.open_reception(str(tmp_path))

    def refuse(_order: Any) -> None:
        raise TransientError("Not now.", hint="Later.")

    serve(reception, refuse)
    with pytest.raises(TransientError, match=r"Not now\. Later\."):
        registration.register_run(str(tmp_path), {})


def test_a_sender_leaves_only_when_the_last_refusal_is_said(tmp_path: Path) -> None:
    reception, underway = registration.open_reception(str(tmp_path)), registration.Underway()

    def refuse(_order: Any) -> None:
        raise TransientError("x" * (8 << 20))  # More than a socket holds for who does not listen.

    serve(reception, refuse, underway)
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(tmp_path / "register"))
        peer.sendall(b'{"release": "0.1.0", "order": {}}\n')
        peer.settimeout(DEADLINE)
        begun = peer.recv(1)
        assert not underway.await_none(0)
        rest = peer.makefile("rb").readline()
    assert json.loads(begun + rest)["error"]["kind"] == "transient"
    assert underway.await_none(DEADLINE)


def test_a_run_whose_disks_hang_is_named_and_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not taken for a sender that left: a second one would be started on the same port."""
    lock = take_lock(str(tmp_path))
    lock.name_holder(os.getpid())
    reception, goes_on = registration.open_reception(str(tmp_path)), threading.Event()
    underway = registration.Underway()

    def take(order: Any) -> None:
        assert order["run"] == "db01-1" or goes_on.wait(DEADLINE)

    serve(reception, take, underway)
    monkeypatch.setattr(registration, "ANSWER", 0.2)
    silence = rf"process {os.getpid()}\) has not answered .* log is {tmp_path}/sender.log"
    with pytest.raises(PermanentError, match=silence):
        registration.register_run(str(tmp_path), {"run": "web01-7"})
    monkeypatch.setattr(registration, "ANSWER", DEADLINE)
    assert registration.register_run(str(tmp_path), {"run": "db01-1"}) == {"port": 5994}
    assert not underway.await_none(0)
    goes_on.set()
    assert underway.await_none(DEADLINE)
    lock.close()


def test_a_sender_that_is_not_there_has_left(tmp_path: Path) -> None:
    with pytest.raises(SenderLeftError):
        registration.register_run(str(tmp_path), {})


def test_the_release_is_the_collections() -> None:
    galaxy = Path(__file__).parents[5] / "galaxy.yml"
    assert f"\nversion: {registration.RELEASE}\n" in galaxy.read_text()
