# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk read by ranges of its flat file: in parallel, through faults, in a session that ends meanwhile."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import TransientError
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.datastore_disk import (
    DatastoreDisk,
    Patience,
    refusal_of,
)
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.flat_files import FlatFile
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.https import (
    HostLostError,
    HostRefusedError,
)

from tests.unit.plugins.module_utils.morpheus.conftest import Identity, make_identity
from tests.unit.plugins.module_utils.vsphere.web_host import FakeSession, Reply, Request, WebHost

MIB = 1 << 20
SIZE = 5 * MIB + 512
CONTENT = random.Random(3).randbytes(SIZE)
DEADLINE = 20.0
QUICK = Patience(attempts=4, first_pause=0.005, longest_pause=0.01)
FILE = FlatFile("Paris & Co/DC 1", "store 100%", "web 01/web 01-flat.vmdk")

Fault = Callable[[Reply], Reply]


class Datastore:
    """A host with one file. It knows one cookie, and gives each of `faults` to one request."""

    def __init__(self) -> None:
        self.cookie = "vmware_soap_session=0"
        self.faults: list[Fault] = []
        self.unquotes_twice = True
        self.content = CONTENT
        self.web: WebHost
        self.session = FakeSession()

    def answer(self, request: Request) -> Reply:
        if request.headers.get("Cookie") != self.cookie:
            return Reply(status=401)
        if self._named(request.target) != (FILE.path, FILE.datacenter, FILE.datastore):
            return Reply(status=404)
        reply = self._range(request.headers["Range"])
        return self.faults.pop(0)(reply) if self.faults else reply

    def _named(self, target: str) -> tuple[str, str, str]:
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        again = unquote if self.unquotes_twice else str
        path = unquote(parts.path.removeprefix("/folder/"))
        return path, again(query["dcPath"][0]), again(query["dsName"][0])

    def _range(self, wanted: str) -> Reply:
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
        assert match
        start, last = map(int, match.groups())
        return ranged(self.content[start : last + 1], f"{start}-{last}/{len(self.content)}")

    def open(self, *, patience: Patience = QUICK, timeout: float = 10) -> DatastoreDisk:
        host = self.web.host(timeout=timeout)
        return DatastoreDisk(FILE, SIZE, host=host, session=self.session, patience=patience)


def ranged(body: bytes, told: str) -> Reply:
    return Reply(status=206, body=body, headers={"Content-Range": f"bytes {told}"})


def status(number: int) -> Fault:
    return lambda _reply: Reply(status=number)


def cut(reply: Reply) -> Reply:
    return Reply(206, reply.body, reply.headers, cut=len(reply.body) // 2)


def reset(reply: Reply) -> Reply:
    return Reply(206, reply.body, reply.headers, cut=0)


def short(reply: Reply) -> Reply:
    return Reply(206, reply.body[:-1], reply.headers)


def long(reply: Reply) -> Reply:
    return Reply(206, reply.body + b"x", reply.headers)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


@pytest.fixture
def store(identity: Identity) -> Iterator[Datastore]:
    store = Datastore()
    with WebHost(identity, store.answer).running() as store.web:
        yield store


def read(disk: DatastoreDisk, start: int, length: int) -> bytes:
    return bytes(disk.read(start, length, memoryview(bytearray(MIB))))


def test_what_is_read_is_what_the_file_holds(store: Datastore) -> None:
    disk = store.open()
    for start in range(0, SIZE, MIB):
        length = min(MIB, SIZE - start)
        assert read(disk, start, length) == CONTENT[start : start + length]
    disk.close()
    assert len({request.connection for request in store.web.requests}) == 1


def test_threads_read_at_once_over_few_connections(store: Datastore) -> None:
    disk = store.open()
    starts = list(range(0, SIZE - MIB, 64 * 1024)) * 3
    random.Random(1).shuffle(starts)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda start: read(disk, start, MIB), starts)
        assert all(data == CONTENT[at : at + MIB] for at, data in zip(starts, found))
    disk.close()
    assert 1 < len({request.connection for request in store.web.requests}) <= 4


@pytest.mark.parametrize("unquotes_twice", [True, False], ids=["twice", "once"])
def test_a_file_is_found_however_often_the_host_unquotes(
    store: Datastore, unquotes_twice: bool
) -> None:
    store.unquotes_twice = unquotes_twice
    assert read(store.open(), 0, 10) == CONTENT[:10]


def test_a_session_that_ends_in_mid_copy_is_renewed_once(store: Datastore) -> None:
    disk = store.open()
    with ThreadPoolExecutor(4) as pool:
        first = [pool.submit(read, disk, start, MIB) for start in range(0, 4 * MIB, MIB)]
        store.cookie = "vmware_soap_session=1"
        rest = [pool.submit(read, disk, start, MIB) for start in range(0, 4 * MIB, MIB)]
        for number, each in enumerate(first + rest):
            start = number % 4 * MIB
            assert each.result(DEADLINE) == CONTENT[start : start + MIB]
    assert store.session.renewals == 1


def test_a_renewed_session_that_is_refused_again_is_an_error(store: Datastore) -> None:
    store.cookie = "nobody's"
    with pytest.raises(HostRefusedError, match="session that was just opened"):
        store.open()
    assert store.session.renewals == 1


PASSING: dict[str, list[Fault]] = {
    "500, then 503": [status(500), status(503)],
    "too many requests": [status(429)],
    "bodies that are cut": [cut, cut, cut],
    "connections that close without an answer": [reset, reset],
    "bodies shorter than their range": [short],
    "bodies longer than their range": [long],
}


@pytest.mark.parametrize("faults", PASSING.values(), ids=list(PASSING))
def test_reads_get_over(store: Datastore, faults: list[Fault]) -> None:
    disk = store.open()
    store.faults = list(faults)
    del store.web.requests[:]
    assert read(disk, MIB, MIB) == CONTENT[MIB : 2 * MIB]
    assert len(store.web.requests) == len(faults) + 1


def test_a_kept_connection_that_the_host_closes_is_replaced(store: Datastore) -> None:
    disk = store.open()
    store.faults = [lambda reply: Reply(206, reply.body, {**reply.headers, "Connection": "close"})]
    assert read(disk, 0, 10) == CONTENT[:10]
    assert read(disk, 10, 10) == CONTENT[10:20]
    assert len({request.connection for request in store.web.requests}) == 2


def test_a_fault_replaces_all_kept_connections(store: Datastore) -> None:
    """Those that were idle as long may be as dead: each would cost an attempt."""
    disk = store.open()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda start: read(disk, start, MIB), [0, MIB, 2 * MIB, 3 * MIB] * 4))
    old = {request.connection for request in store.web.requests}
    store.faults = [reset]
    del store.web.requests[:]
    with ThreadPoolExecutor(1) as pool:
        list(pool.map(lambda start: read(disk, start, MIB), [0, MIB, 2 * MIB]))
    assert {request.connection for request in store.web.requests[1:]}.isdisjoint(old)


def test_faults_that_do_not_end_are_a_passing_error(store: Datastore) -> None:
    disk = store.open()
    store.faults = [status(503)] * 100
    before = len(store.web.requests)
    with pytest.raises(HostLostError, match="503"):
        read(disk, 0, MIB)
    assert len(store.web.requests) - before == QUICK.attempts


def test_a_host_that_says_nothing_is_a_passing_error(identity: Identity) -> None:
    store = Datastore()
    is_over = threading.Event()

    def hang(request: Request) -> Reply:
        is_over.wait(DEADLINE)
        return store.answer(request)

    with WebHost(identity, hang).running() as store.web:
        with pytest.raises(TransientError, match="no answer in time"):
            store.open(timeout=0.05, patience=Patience(2, 0.001, 0.001))
        is_over.set()


REFUSED: dict[str, tuple[Fault, str]] = {
    "another range": (lambda reply: ranged(reply.body, f"1-1048576/{SIZE}"), "was asked for"),
    "another length of the file": (lambda reply: ranged(reply.body, "0-1048575/9"), "the disk"),
    "no range": (lambda reply: Reply(206, reply.body), "was asked for"),
    "an unknown length of the file": (lambda r: ranged(r.body, "0-1048575/*"), "was asked for"),
    "the whole file": (lambda _reply: Reply(200, CONTENT), "answered 200"),
    "a redirect": (lambda _reply: Reply(302, headers={"Location": "https://x/"}), "answered 302"),
    "no permission": (status(403), "Datastore.Browse"),
    "no file": (status(404), "vSAN"),
}


@pytest.mark.parametrize(("fault", "words"), REFUSED.values(), ids=list(REFUSED))
def test_an_answer_is_refused_that_has(store: Datastore, fault: Fault, words: str) -> None:
    disk = store.open()
    store.faults = [fault]
    with pytest.raises(HostRefusedError, match=re.escape(words)):
        read(disk, 0, MIB)


def test_a_file_of_another_length_than_the_disk_is_refused_at_once(store: Datastore) -> None:
    store.content = CONTENT + bytes(512)
    with pytest.raises(HostRefusedError, match="not this snapshot's disk"):
        store.open()


def test_closing_wakes_a_read_that_waits(store: Datastore) -> None:
    disk = store.open(patience=Patience(2, 1000, 1000))
    was_asked = threading.Event()

    def fail(_reply: Reply) -> Reply:
        was_asked.set()
        return Reply(503)

    store.faults = [fail]
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read, disk, 0, MIB)
        assert was_asked.wait(DEADLINE)
        disk.close()
        with pytest.raises(HostLostError):
            reading.result(DEADLINE)


def refusal(store: Datastore) -> str:
    return refusal_of(FILE, SIZE, host=store.web.host(), session=store.session, patience=QUICK)


@pytest.mark.parametrize("number", [403, 404])
def test_what_the_host_refuses_is_told_before_a_disk_is_served(
    store: Datastore, number: int
) -> None:
    store.faults = [status(number)] * 2
    assert f"answered {number}" in refusal(store)


def test_a_file_of_another_length_is_told_too(store: Datastore) -> None:
    store.content = CONTENT[:-512]
    assert str(FILE) in refusal(store)


def test_a_file_that_is_there_is_not_refused(store: Datastore) -> None:
    assert refusal(store) == ""


def test_a_host_that_cannot_say_now_has_not_refused(store: Datastore) -> None:
    store.faults = [status(503)] * QUICK.attempts * 2
    assert refusal(store) == ""
