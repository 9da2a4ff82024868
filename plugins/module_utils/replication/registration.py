# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""How a run comes to the sender of its host: over a Unix socket of root's. PRIVATE. Python 3.6.

    command `start`                      sender
    {"release", "order"} and a newline -->   judges the order, opens the disks
                                         <-- the answer, or {"error"}, and a newline

The order holds the run's key, so it crosses in memory only. Who may connect: the socket is its owner's alone,
in a folder that is its owner's alone, and the kernel is asked who the peer is.
"""

import contextlib
import json
import logging
import os
import socket
import struct
import threading
from typing import Any, Callable, Dict, Iterator, Mapping, Optional

from ..errors import FerryError, InputError, PermanentError, from_dict
from .daemon import find_holder
from .runs import SenderLeftError

log = logging.getLogger(__name__)

# The collection's version, as in galaxy.yml. A sender is older than the command where the collection was
# replaced while it ran; what the two mean by an order is only sure within one release.
RELEASE = "0.1.0"

_SOCKET = "register"

# What the sender says to nobody else, in its folder.
LOG_FILE = "sender.log"

# An order with every changed extent of its disks; a million of them.
_MOST = 32 * 1024 * 1024

# For a peer of ours that says an order, or hears the answer; it is on the same host.
_TIMEOUT = 30.0

# How long a run's disks may take to be opened: LVM waits 120 s for each of its programs, a vCenter for an export
# of each disk. A disk that hangs is never opened.
ANSWER = 900.0

# struct ucred: process, user and group id (unix(7)).
_PEER = struct.Struct("3i")

Document = Mapping[str, Any]


def open_reception(home: str) -> socket.socket:
    """Return a listening socket in the sender's folder; one that a killed sender left is removed."""
    path = os.path.join(home, _SOCKET)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    reception = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    reception.bind(path)
    os.chmod(path, 0o600)  # Before `listen`: until then nobody can connect.
    reception.listen(1)
    return reception


class Underway:
    """The answers that are not said yet. Threads share it."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def answer(self) -> Iterator[None]:
        """Count one that is said, or has failed, at the end."""
        self._add(1)
        try:
            yield
        finally:
            self._add(-1)

    def await_none(self, timeout: Optional[float] = None) -> bool:
        """Wait until none is left, for so many seconds at most; return whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._count, timeout)

    def _add(self, count: int) -> None:
        with self._changed:
            self._count += count
            self._changed.notify_all()


def receive(
    reception: socket.socket, register: Callable[[Document], Document], underway: Underway
) -> None:
    """Have `register` judge the orders that come, each in a thread of its own, until the process ends.

    One whose disks hang holds up no other. Whoever ends the process waits for `underway`, and cuts off no answer.
    """

    def meet(connected: socket.socket) -> None:
        with connected, underway.answer():
            try:
                _answer(connected, register)
            except OSError as error:
                log.warning("Losing a registration: %s", error)

    while True:
        connected, _unused = reception.accept()
        threading.Thread(target=meet, args=(connected,), name="ferry-order", daemon=True).start()


def _answer(connected: socket.socket, register: Callable[[Document], Document]) -> None:
    connected.settimeout(_TIMEOUT)
    try:
        _refuse_strangers(connected)
        answer = register(_read_order(connected))
    except SenderLeftError:
        return  # No answer tells it.
    except FerryError as error:
        log.warning("Refusing a run: %s", error)
        answer = {"error": error.as_dict()}
    _say(connected, answer)


def _refuse_strangers(connected: socket.socket) -> None:
    peer = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    pid, user, _group = _PEER.unpack(peer)
    if user != os.geteuid():
        raise InputError(
            "User id {} (process {}) may register no run.".format(user, pid),
            hint="Runs are registered by the user that the sender runs as, which is root.",
        )


def _read_order(connected: socket.socket) -> Dict[str, Any]:
    told = _hear(connected)
    if told.get("release") != RELEASE:
        raise InputError(
            "The sender that runs on this host is of Ferry {}, the run comes from Ferry {}.".format(
                RELEASE, told.get("release")
            ),
            hint="Let its runs end or stop them, then repeat; or use the same release on all controllers.",
        )
    return dict(told["order"])


def register_run(home: str, order: Document) -> Dict[str, Any]:
    """Have the sender of the folder `home` serve a run; return its answer.

    Raises what it raised, SenderLeftError when it left before it took the run: start another one. PermanentError
    when it answers nothing: it is there, and another one would find the port taken.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connected:
        try:
            connected.connect(os.path.join(home, _SOCKET))
            connected.settimeout(ANSWER)
            with contextlib.suppress(BrokenPipeError):  # It refused us unheard, and has said why.
                _say(connected, {"release": RELEASE, "order": order})
            answer = _hear(connected)
        except socket.timeout as error:
            raise _silent(home) from error
        except OSError as error:
            raise SenderLeftError("The sender in {} left: {}.".format(home, error)) from error
    if not answer:
        raise SenderLeftError("The sender in {} left without an answer.".format(home))
    if "error" in answer:
        raise from_dict(answer["error"])
    return answer


def _silent(home: str) -> PermanentError:
    return PermanentError(
        "The sender (process {}) has not answered for {:.0f} s: it hangs, probably in opening a disk of the "
        "run. Its log is {}.".format(find_holder(home), ANSWER, os.path.join(home, LOG_FILE)),
        hint="The log and the kernel's (dmesg) tell of what. Stop the run (source_export, state absent) before "
        "you repeat it.",
    )


def _say(connected: socket.socket, document: Document) -> None:
    connected.sendall(json.dumps(document).encode() + b"\n")


def _hear(connected: socket.socket) -> Dict[str, Any]:
    """Return what the other end said; nothing where it left without a word."""
    with connected.makefile("rb") as stream:
        line = stream.readline(_MOST)
    if line and not line.endswith(b"\n"):
        raise PermanentError("A registration of more than {} bytes was cut.".format(_MOST))
    return dict(json.loads(line.decode())) if line else {}
