# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which SSH host key a worker answers with, and the known_hosts file that says so. PRIVATE.

The file holds exactly one key at a time: OpenSSH does not tell which of several lines it accepted,
and that is the question here.
"""

from __future__ import annotations

import os
import re
import tempfile
from enum import Enum
from typing import Protocol

from ..module_utils.errors import InputError, PermanentError
from .shell import Shell, UnreachableError

# OpenSSH's own words, which it does not translate (sshconnect.c, OpenSSH 9.2).
_WRONG_KEY = ("Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED")
_NOT_LET_IN = ("Permission denied", "Too many authentication failures")
# A server that is starting takes the connection before it can speak; these pass.
_KEY_LINE = re.compile(r"(?:ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}")


class Reply(Enum):
    """How a worker took a connection that expects one certain host key."""

    RIGHT_KEY = "right key"
    WRONG_KEY = "wrong key"
    SILENT = "silent"


class WorkerLink(Protocol):
    """The connection to a worker, as far as adopting it needs it."""

    @property
    def address(self) -> str:
        """The worker's address, for messages."""

    @property
    def shell(self) -> Shell:
        """The commands' way to the worker."""

    def forget(self) -> None:
        """End a shared connection that is still open: it would answer under an older key."""


def parse_key(text: str, *, option: str) -> str:
    """Return type and base64 of a public host key, its comment dropped; "" stays "".

    Raises InputError: a key that ssh cannot read would look like a wrong host key.
    """
    found = _KEY_LINE.match(text.strip())
    if text.strip() and not found:
        raise InputError(f"{option} is no SSH public key: {text.strip()[:60]!r}.")
    return found.group() if found else ""


class KnownHosts:
    """The known_hosts file of one worker: what it holds is the one key that is trusted now."""

    def __init__(self, path: str, alias: str) -> None:
        self._path = path
        self._alias = alias

    def trust(self, key: str) -> None:
        """Trust exactly `key` from now on; the file appears whole or not at all."""
        folder = os.path.dirname(os.path.abspath(self._path))
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as aside:
            aside.write(f"{self._alias} {key}\n")
        os.replace(aside.name, self._path)


def try_key(link: WorkerLink, known_hosts: KnownHosts, key: str) -> Reply:
    """Connect anew, trusting only `key`, and return how the worker took it; changes nothing there.

    Afterwards known_hosts holds `key`. Raises PermanentError when the worker refuses our own key.
    """
    known_hosts.trust(key)
    link.forget()
    try:
        link.shell.run("exit 0")
    except UnreachableError as error:
        return _read_refusal(error.what, link.address)
    return Reply.RIGHT_KEY


def _read_refusal(complaint: str, address: str) -> Reply:
    if any(words in complaint for words in _WRONG_KEY):
        return Reply.WRONG_KEY
    if any(words in complaint for words in _NOT_LET_IN):
        raise PermanentError(
            f"The worker at {address} does not let us in: {complaint}",
            hint="Connect as root with the private key whose public part is in the worker's seed "
            "(authorized_key of ferry.hvm.worker_seed).",
        )
    return Reply.SILENT
