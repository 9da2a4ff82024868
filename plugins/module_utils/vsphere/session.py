# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The session with one vCenter, or one ESXi host. PRIVATE to the collection.

Every call passes `Session.read` or `Session.change`: login, repeating and the translation of faults
happen there and nowhere else. A session that the vCenter forgot (it does after 30 idle minutes, or when
it restarts) is opened again, so one of these lives for hours.

    resource file -> read | change -> login if needed -> repeat on passing faults -> pyvmomi
                                   <- our error classes <-
"""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Callable, NamedTuple, Optional, Tuple, Type, TypeVar

from ..errors import TransientError
from ..waiting import SYSTEM_CLOCK, Clock
from . import faults
from .errors import BusyError, LoggedOutError, LoginError, LostAnswerError, UnreachableError
from .sdk import GetServiceVersions, SoapStubAdapter, need_library, versionIdMap, vim, vmodl

Answer = TypeVar("Answer")

# The API of vSphere 5.5 is the oldest that pyvmomi's own connections begin with; the first call, which
# asks for the newest that both know, is the same in all.
FIRST_VERSION = "vim.version.version9"

# A connection that a proxy or the vCenter dropped while idle costs a read one repetition; vCenter's
# own limit is known to be some minutes, so keep them for less.
IDLE_CONNECTION = 60


@dataclass(frozen=True)
class Endpoint:
    """Where the vCenter is, and whom to trust there. `timeout` in seconds is for each answer."""

    hostname: str
    trust: ssl.SSLContext
    port: int = 443
    timeout: float = 120
    proxy: Optional[Tuple[str, int]] = None

    def __str__(self) -> str:
        return f"{self.hostname}:{self.port}"

    def open_stub(self, version: str) -> Any:
        """Return pyvmomi's end of a connection that is made at the first call."""
        proxy = (
            {"httpProxyHost": self.proxy[0], "httpProxyPort": self.proxy[1]} if self.proxy else {}
        )
        return SoapStubAdapter(
            host=self.hostname,
            port=self.port,
            version=version,
            path="/sdk",
            sslContext=self.trust,
            httpConnectionTimeout=self.timeout,
            connectionPoolTimeout=IDLE_CONNECTION,
            **proxy,
        )


@dataclass(frozen=True)
class User:
    """A user's name and password."""

    name: str
    password: str = field(repr=False)


class Patience(NamedTuple):
    """How often, and after which pauses in seconds, a call is sent again.

    The defaults add up to about a minute: a vCenter behind a fail-over, not its restart (for that the
    waiting above the session is patient).
    """

    attempts: int = 7
    first_pause: float = 1.0
    longest_pause: float = 20.0


USUAL_PATIENCE = Patience()


class Session:
    """One user at one vCenter; closing it logs out. Threads may share one.

    A wait for a task keeps it alive by asking; who makes no call for long, because only its cookie is in
    use, calls `keep_alive`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        user: User,
        *,
        clock: Clock = SYSTEM_CLOCK,
        patience: Patience = USUAL_PATIENCE,
    ) -> None:
        """Nothing is sent before the first call. Raises `MissingLibraryError`."""
        need_library()
        self._endpoint = endpoint
        self._user = user
        self._clock = clock
        self._patience = patience
        self._stub: Any = None
        self._content: Any = None
        self._is_logged_in = False
        self._logins = 0
        self._lock = threading.RLock()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __str__(self) -> str:
        return f"vCenter {self._endpoint}"

    @property
    def content(self) -> Any:
        """The service's content: its managers, and what it says about itself."""
        self._repeat(self._log_in, is_repeatable=True)
        return self._content

    def object(self, kind: Any, moid: str) -> Any:
        """Return the managed object with this reference; whether there is one shows at the first call."""
        self._repeat(self._log_in, is_repeatable=True)
        return kind(moid, self._stub)

    def read(self, what: str, ask: Callable[[], Answer]) -> Answer:
        """Return what `ask`, a call that changes nothing, returns; it is repeated on passing faults.

        `what` completes "no answer to ...". Raises the classes of `.errors`.
        """
        return self._repeat(lambda: self._ask_logged_in(what, ask), is_repeatable=True)

    def change(self, what: str, ask: Callable[[], Answer]) -> Answer:
        """Return what `ask`, a call that changes something, returns.

        It is repeated only when nothing of it was heard. Raises `LostAnswerError` where that is not
        known: the caller looks before it asks again.
        """
        self._repeat(self._log_in, is_repeatable=True)
        # A kept connection may have died unseen, and its fault would not tell whether the call was
        # heard. A new one that is refused does.
        self._stub.DropConnections()
        try:
            return self._repeat(lambda: self._ask_logged_in(what, ask), is_repeatable=False)
        except UnreachableError as error:
            if not error.sent:
                raise
            raise LostAnswerError(error.what, hint=error.hint) from error

    def cookie(self) -> str:
        """Return the session as a header `Cookie` for the vCenter's own web addresses; it is a secret."""
        self._repeat(self._log_in, is_repeatable=True)
        return str(self._stub.cookie).partition(";")[0]

    def renew(self) -> None:
        """Log in anew, because an address refused the cookie; `cookie` is another one afterwards."""
        self._forget(self._logins)
        self._repeat(self._log_in, is_repeatable=True)

    def keep_alive(self) -> None:
        """The session, whose cookie something else uses, is known for another half hour."""
        service = self.object(vim.ServiceInstance, "ServiceInstance")
        self.read("the time", service.CurrentTime)

    def close(self) -> None:
        """Log out, so that the vCenter has no session of ours left; one that is gone already is one."""
        if not self._is_logged_in:
            return
        self._is_logged_in = False
        try:
            self._translated("the logout", self._content.sessionManager.Logout)
        except (TransientError, LoginError):
            return
        finally:
            self._stub.DropConnections()

    def _ask_logged_in(self, what: str, ask: Callable[[], Answer]) -> Answer:
        login = self._log_in()
        try:
            return self._translated(what, ask)
        except LoggedOutError:
            self._forget(login)
        self._log_in()
        return self._translated(what, ask)

    def _log_in(self) -> int:
        """Return the number of the login that is in use, a new one if there is none."""
        with self._lock:
            if not self._is_logged_in:
                self._log_in_anew()
            return self._logins

    def _forget(self, login: int) -> None:
        """Let the next call log in, unless another thread has done so since this `login`."""
        with self._lock:
            self._is_logged_in = self._is_logged_in and self._logins != login

    def _log_in_anew(self) -> None:
        if self._stub is None:
            self._open()
        # A cookie of a session that is over only confuses the login.
        self._stub.SetSessionId(None)
        login = self._content.sessionManager.Login
        self._translated("the login", lambda: login(self._user.name, self._user.password, None))
        self._is_logged_in = True
        self._logins += 1

    def _open(self) -> None:
        about = self._contents_of(self._endpoint.open_stub(FIRST_VERSION)).about
        stub = self._endpoint.open_stub(best_version(about.apiVersion or ""))
        self._content = self._contents_of(stub)
        self._stub = stub

    def _contents_of(self, stub: Any) -> Any:
        service = vim.ServiceInstance("ServiceInstance", stub)
        return self._translated("the first question", service.RetrieveContent)

    def _translated(self, what: str, ask: Callable[[], Answer]) -> Answer:
        try:
            return ask()
        except faults.CONNECTION_FAULTS as error:
            raise faults.from_connection(error, peer=str(self), what=what) from error
        except vmodl.MethodFault as fault:
            raise faults.from_fault(fault, what=what) from None

    def _repeat(self, ask: Callable[[], Answer], *, is_repeatable: bool) -> Answer:
        pause = self._patience.first_pause
        for _attempt in range(self._patience.attempts - 1):
            try:
                return ask()
            except TransientError as fault:
                if not (is_repeatable or _was_not_heard(fault)):
                    raise
                self._clock.sleep(min(pause, self._patience.longest_pause))
                pause *= 2
        return ask()


def best_version(api_version: str) -> str:
    """Return pyvmomi's name of the newest API that is not newer than the vCenter's ("8.0.2.0")."""
    newest = _numbers(api_version)
    known = ((name, _numbers(versionIdMap[name])) for name in GetServiceVersions("vim25"))
    return next((name for name, numbers in known if () < numbers <= newest), FIRST_VERSION)


def _numbers(version: str) -> Tuple[int, ...]:
    parts = version.split(".")
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else ()


def _was_not_heard(fault: TransientError) -> bool:
    if isinstance(fault, UnreachableError):
        return not fault.sent
    return isinstance(fault, (BusyError, LoggedOutError))
