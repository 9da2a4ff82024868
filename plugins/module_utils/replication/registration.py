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
from typing import Any, Callable, Dict, Mapping

from ..errors import FerryError, InputError, PermanentError, from_dict
from .runs import SenderLeftError

log = logging.getLogger(__name__)

# The collection's version, as in galaxy.yml. A sender is older than the command where the collection was
# replaced while it ran; what the two mean by an order is only sure within one release.
RELEASE = "0.1.0"

_SOCKET = "register"

# An order with every changed extent of its disks; a million of them.
_MOST = 32 * 1024 * 1024

# For a peer of ours that says an order, or hears the answer; it is on the same host.
_TIMEOUT = 30.0

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


def receive(
    reception: socket.socket, register: Callable[[Document], Document], turn: threading.Lock
) -> None:
    """Have `register` judge the orders that come, one after the other, until the process ends.

    `turn` is held until an order is answered: whoever has it may end the process and cuts off no answer.
    """

    def meet(connected: socket.socket) -> None:
        with connected, turn:
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

    Raises what it raised, and SenderLeftError when it left before it took the run: start another one.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connected:
        try:
            connected.connect(os.path.join(home, _SOCKET))
            with contextlib.suppress(BrokenPipeError):  # It refused us unheard, and has said why.
                _say(connected, {"release": RELEASE, "order": order})
            answer = _hear(connected)
        except OSError as error:
            raise SenderLeftError("The sender in {} left: {}.".format(home, error)) from error
    if not answer:
        raise SenderLeftError("The sender in {} left without an answer.".format(home))
    if "error" in answer:
        raise from_dict(answer["error"])
    return answer


def _say(connected: socket.socket, document: Document) -> None:
    connected.sendall(json.dumps(document).encode() + b"\n")


def _hear(connected: socket.socket) -> Dict[str, Any]:
    """Return what the other end said; nothing where it left without a word."""
    with connected.makefile("rb") as stream:
        line = stream.readline(_MOST)
    if line and not line.endswith(b"\n"):
        raise PermanentError("A registration of more than {} bytes was cut.".format(_MOST))
    return dict(json.loads(line.decode())) if line else {}
