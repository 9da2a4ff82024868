# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One session over hours: login, repeating what may be repeated, and what becomes of each fault."""

from __future__ import annotations

import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException, RemoteDisconnected
from threading import get_ident
from typing import Any, List, Set, Type

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import FerryError
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.errors import (
    BusyError,
    CertificateError,
    GoneError,
    LoginError,
    LostAnswerError,
    NoPrivilegeError,
    QuiesceError,
    RefusedError,
    UnreachableError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.session import (
    Patience,
    Session,
    User,
    best_version,
)
from pyVmomi import vim, vmodl

from tests.unit.plugins.module_utils.conftest import FakeTime
from tests.unit.plugins.module_utils.vsphere.fake_vcenter import FakeVcenter

FORGOTTEN = vim.fault.NotAuthenticated
OPENING = ["RetrieveServiceContent", "RetrieveServiceContent", "Login"]


@pytest.fixture
def vcenter() -> FakeVcenter:
    return FakeVcenter()


@pytest.fixture
def session(vcenter: FakeVcenter, fake_time: FakeTime) -> Session:
    user = User("operator@vsphere.local", "p!w d")
    return Session(vcenter, user, clock=fake_time.clock, patience=Patience(attempts=3))


def read(session: Session, vcenter: FakeVcenter, *answers: Any) -> Any:
    vcenter.answers["CurrentTime"] = list(answers)
    service = session.object(vim.ServiceInstance, "ServiceInstance")
    return session.read("the time", service.CurrentTime)


def change(session: Session, vcenter: FakeVcenter, *answers: Any) -> Any:
    vcenter.answers["RemoveSnapshot_Task"] = list(answers)
    taken = session.object(vim.vm.Snapshot, "snapshot-1")
    return session.change("the removal", lambda: taken.RemoveSnapshot_Task(False, True))


def test_nothing_is_sent_before_the_first_call(session: Session, vcenter: FakeVcenter) -> None:
    session.close()
    assert vcenter.asked == []


def test_login_happens_once(session: Session, vcenter: FakeVcenter) -> None:
    assert read(session, vcenter, "now") == "now"
    assert read(session, vcenter, "later") == "later"
    assert vcenter.asked == [*OPENING, "CurrentTime", "CurrentTime"]


def test_session_is_logged_out_at_its_end(session: Session, vcenter: FakeVcenter) -> None:
    # A vCenter has room for some hundred sessions, and keeps each for half an hour.
    with session:
        read(session, vcenter, "now")
    assert vcenter.asked[-1] == "Logout"


@pytest.mark.parametrize("fault", [FORGOTTEN(), RemoteDisconnected("gone")], ids=["gone", "lost"])
def test_logout_that_fails_hides_nothing(
    session: Session, vcenter: FakeVcenter, fault: Exception
) -> None:
    vcenter.answers["Logout"] = [fault]
    with session:
        assert read(session, vcenter, "now") == "now"


def test_session_that_was_forgotten_is_opened_again(session: Session, vcenter: FakeVcenter) -> None:
    assert read(session, vcenter, FORGOTTEN(), "now") == "now"
    assert vcenter.asked == [*OPENING, "CurrentTime", "Login", "CurrentTime"]


def test_change_that_met_a_forgotten_session_is_made_once(
    session: Session, vcenter: FakeVcenter
) -> None:
    assert change(session, vcenter, FORGOTTEN(), "task-1") == "task-1"
    assert vcenter.asked[-3:] == ["RemoveSnapshot_Task", "Login", "RemoveSnapshot_Task"]


def test_renewed_session_has_another_cookie(session: Session, vcenter: FakeVcenter) -> None:
    first = session.cookie()
    assert session.cookie() == first
    session.renew()
    assert session.cookie() != first
    assert vcenter.asked == [*OPENING, "Login"]


def test_threads_that_share_a_forgotten_session_log_in_once(
    session: Session, vcenter: FakeVcenter
) -> None:
    """Each of them is told that the session is gone; only the first one opens another."""
    read(session, vcenter, "now")
    both_were_told = threading.Barrier(2, timeout=60)

    def ask() -> str:
        if get_ident() in told:
            return "now"
        told.add(get_ident())
        both_were_told.wait()
        raise FORGOTTEN

    told: Set[int] = set()
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(session.read, "the time", ask) for _unused in range(2)]
    assert [each.result() for each in answers] == ["now", "now"]
    assert vcenter.asked.count("Login") == 2


def test_session_is_kept_alive_by_a_call(session: Session, vcenter: FakeVcenter) -> None:
    vcenter.answers["CurrentTime"] = ["now"]
    session.keep_alive()
    assert vcenter.asked[-1] == "CurrentTime"


@pytest.mark.parametrize(
    "fault",
    [
        RemoteDisconnected("Remote end closed connection"),
        socket.timeout("timed out"),
        ConnectionRefusedError(111, "Connection refused"),
        HTTPException("503 Service Unavailable"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_read_is_repeated_within_its_budget(
    session: Session, vcenter: FakeVcenter, fake_time: FakeTime, fault: Exception
) -> None:
    assert read(session, vcenter, fault, fault, "now") == "now"
    assert fake_time.slept == [1, 2]
    with pytest.raises(UnreachableError, match="gave no answer to the time"):
        read(session, vcenter, fault)
    assert vcenter.asked.count("CurrentTime") == 6


def test_change_whose_answer_is_lost_is_not_repeated(
    session: Session, vcenter: FakeVcenter
) -> None:
    with pytest.raises(LostAnswerError):
        change(session, vcenter, RemoteDisconnected("gone"), "task-1")
    assert vcenter.asked.count("RemoveSnapshot_Task") == 1


@pytest.mark.parametrize(
    "fault",
    [
        ConnectionRefusedError(111, "Connection refused"),
        socket.gaierror(-3, "Temporary failure in name resolution"),
        vim.fault.TaskInProgress(),
        vim.fault.ConcurrentAccess(),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_change_that_was_not_heard_is_repeated(
    session: Session, vcenter: FakeVcenter, fault: Exception
) -> None:
    assert change(session, vcenter, fault, "task-1") == "task-1"


def test_login_that_is_refused_is_not_repeated_and_tells_no_password(
    session: Session, vcenter: FakeVcenter
) -> None:
    # Some directories lock a user out after three.
    vcenter.answers["Login"] = [vim.fault.InvalidLogin(msg="Cannot complete login")]
    with pytest.raises(LoginError, match="Cannot complete login") as caught:
        read(session, vcenter, "now")
    assert vcenter.asked.count("Login") == 1
    assert "p!w d" not in f"{caught.value} {caught.value.as_dict()} {session.__dict__}"


def no_permission() -> Any:
    machine = vim.VirtualMachine("vm-42")
    return vim.fault.NoPermission(object=machine, privilegeId="VirtualMachine.State.CreateSnapshot")


@pytest.mark.parametrize(
    ("fault", "error", "told"),
    [
        pytest.param(
            no_permission(),
            NoPrivilegeError,
            "privilege VirtualMachine.State.CreateSnapshot on VirtualMachine vm-42",
            id="no privilege",
        ),
        pytest.param(
            vmodl.fault.ManagedObjectNotFound(obj=vim.vm.Snapshot("snapshot-1")),
            GoneError,
            "no Snapshot snapshot-1",
            id="gone",
        ),
        pytest.param(
            vim.fault.FileFault(file="[a] x-ctk.vmdk", msg="Error caused by file."),
            RefusedError,
            r"FileFault, Error caused by file, \[a\] x-ctk.vmdk",
            id="file fault",
        ),
        pytest.param(
            vim.fault.ApplicationQuiesceFault(),
            QuiesceError,
            "ApplicationQuiesceFault",
            id="quiesce",
        ),
        pytest.param(
            vim.fault.GenericVmConfigFault(
                reason="x",
                faultMessage=[vmodl.LocalizableMessage(key="msg.snapshot.error-QUIESCINGERROR")],
            ),
            QuiesceError,
            "GenericVmConfigFault",
            id="quiesce by another name",
        ),
        pytest.param(vim.fault.TaskInProgress(), BusyError, "TaskInProgress", id="busy"),
        pytest.param(
            ssl.SSLCertVerificationError("self-signed certificate"),
            CertificateError,
            "is not trusted",
            id="certificate",
        ),
    ],
)
def test_fault_becomes_an_error_that_says_what_to_do(
    session: Session, vcenter: FakeVcenter, fault: Exception, error: Type[FerryError], told: str
) -> None:
    if isinstance(fault, ssl.SSLCertVerificationError):
        fault.verify_message = "self-signed certificate"
    with pytest.raises(error, match=told):
        change(session, vcenter, fault)


@pytest.mark.parametrize(
    ("api", "expected"),
    [
        ("8.0.2.0", "vim.version.v8_0_2_0"),
        ("6.7.3", "vim.version.version15"),
        ("6.5", "vim.version.version11"),
        ("6.6", "vim.version.version11"),
        ("", "vim.version.version9"),
        ("x", "vim.version.version9"),
    ],
)
def test_newest_version_that_both_know_is_spoken(api: str, expected: str) -> None:
    assert best_version(api) == expected


def test_vcenter_of_the_future_is_spoken_to_in_the_newest_we_know(fake_time: FakeTime) -> None:
    vcenter = FakeVcenter("99.0")
    read(Session(vcenter, User("u", "p"), clock=fake_time.clock), vcenter, "now")
    versions: List[str] = vcenter.versions
    assert versions == ["vim.version.version9", best_version("99.0")]
    assert best_version("99.0") != "vim.version.version9"
