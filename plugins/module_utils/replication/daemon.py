# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Processes that outlive the command that started them, and are found again. PRIVATE. Python 3.6.

A daemon holds a lock on a file in its directory; the file names its process. Whoever finds the lock
taken knows that the process lives, and that the number in the file is its own and not a later one's.
"""

import contextlib
import errno
import fcntl
import os
import signal
import time
import traceback
from typing import Callable, Optional, Sequence, Set

from ..errors import InputError, PermanentError

# From a polite signal to a hard one: a flush of a slow disk may take its time.
GRACE = 30.0

_POLL = 0.05

# Whoever looks for a holder has the lock for a moment; who wants to keep it tries for this long.
_LOOKING = 1.0


class RunLock:
    """The lock on a directory, held until the process and those it forked have ended."""

    def __init__(self, directory: str, descriptor: int) -> None:
        self.directory = directory
        self.descriptor = descriptor

    def name_holder(self, pid: int) -> None:
        """Write down who holds the lock."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, "{}\n".format(pid).encode(), 0)

    def close(self) -> None:
        """Let go of it in this process; a fork may go on holding it."""
        os.close(self.descriptor)


def take_lock(directory: str) -> RunLock:
    """Make the directory, for its owner only, and lock it. Raises InputError if another holds it."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    descriptor = os.open(_path(directory), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _LOOKING
    while not _try_lock(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            os.close(descriptor)
            raise InputError(
                "Process {} is at work in {} already.".format(find_holder(directory), directory),
                hint="Follow it, or stop it first.",
            )
        time.sleep(_POLL)
    # The number of an earlier holder may by now be another process's.
    os.ftruncate(descriptor, 0)
    return RunLock(directory, descriptor)


def find_holder(directory: str) -> Optional[int]:
    """Return the process that holds the directory's lock, or None; also where it is not named yet."""
    try:
        descriptor = os.open(_path(directory), os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if _try_lock(descriptor, fcntl.LOCK_SH):
            return None
        content = os.read(descriptor, 32).split()
        return int(content[0]) if content else None
    finally:
        os.close(descriptor)


def stop_holder(directory: str) -> bool:
    """End the process that holds the directory's lock; return whether there was one.

    Asks by SIGTERM, insists by SIGKILL after GRACE. Returns when the lock is free.
    """
    pid = find_holder(directory)
    if pid is None:
        return False
    for number in (signal.SIGTERM, signal.SIGKILL):
        _send(pid, number)
        if await_release(directory, pid):
            return True
    raise PermanentError("Process {} in {} cannot be ended.".format(pid, directory))


def await_release(directory: str, pid: int, ask: Callable[[], object] = lambda: None) -> bool:
    """Return whether the process lets go of the directory's lock within GRACE, and `ask` for it all the time."""
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline:
        ask()
        if find_holder(directory) != pid:
            return True
        time.sleep(_POLL)
    return False


def spawn(log_path: str, lock: RunLock, work: Callable[[], int], keep: Sequence[int] = ()) -> int:
    """Run `work` in a daemon and return its process id; its result is the daemon's exit code.

    The daemon has a session of its own, no terminal, the log for its standard streams, and of the
    caller's descriptors only those of `keep`: neither Ansible nor SSH waits for it. It begins only
    after the lock names it.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _become_daemon(log_path, lock, work, writer, keep)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    if not answer:
        raise PermanentError("The daemon in {} ended while it started.".format(lock.directory))
    return int(answer)


def _become_daemon(
    log_path: str, lock: RunLock, work: Callable[[], int], writer: int, keep: Sequence[int]
) -> None:
    """Fork again, so that nobody has to wait for the daemon; never returns."""
    code = 1
    try:
        os.setsid()
        if os.fork() == 0:
            _leave_terminal(log_path, {lock.descriptor, writer, *keep})
            lock.name_holder(os.getpid())
            os.write(writer, str(os.getpid()).encode())
            os.close(writer)
            code = work()
        else:
            code = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(code)  # Neither exit handlers nor the stack above belong to this process.


def _leave_terminal(log_path: str, keep: Set[int]) -> None:
    """Let go of all descriptors but those of `keep`.

    Whoever waits for a pipe of the caller to end would wait for us. They are pointed at /dev/null
    instead of closed: an object of the caller may close its number later, when that is a disk's.
    """
    os.chdir("/")
    os.umask(0o077)
    inherited = [int(name) for name in os.listdir("/proc/self/fd")]
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in inherited:
        if descriptor not in keep:
            os.dup2(nothing, descriptor)
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # It ended by itself meanwhile.
        os.kill(pid, number)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno == errno.EWOULDBLOCK:
            return False
        raise
    return True


def _path(directory: str) -> str:
    return os.path.join(directory, "lock")
