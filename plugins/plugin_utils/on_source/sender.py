# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of the sender, which comes along as a zipapp. Runs on the source, on Python 3.6. PRIVATE.

Each call is one process: a JSON document on its standard input, one JSON line as its answer.
"""

import json
import pkgutil
import subprocess
import sys
import tempfile
from typing import Any, Dict

Document = Dict[str, Any]


class SourceError(Exception):
    """Something failed on the source; `error` (kind, what, hint) crosses to the controller."""

    def __init__(self, error: Dict[str, str]) -> None:
        super().__init__(error["what"])
        self.error = error


def input_error(what: str, hint: str) -> SourceError:
    """Return an error that the operator mends by other input."""
    return SourceError({"kind": "input", "what": what, "hint": hint})


def sender_program() -> bytes:
    """Return the zipapp that was delivered with this package."""
    program = pkgutil.get_data(__package__, "sender.pyz")
    if program is None:
        raise SourceError({"kind": "permanent", "what": "No sender was delivered.", "hint": ""})
    return program


class Sender:
    """The delivered sender, run from an unlinked file: calls leave nothing behind.

    The file lives as long as this object; it is in memory, the courier set `tempfile.tempdir`.
    """

    def __init__(self, program: bytes) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it outlives this function.
        self._file.write(program)
        self._file.flush()

    def call(self, command: str, document: Document) -> Document:
        """Run one sub-command and return its answer; raises SourceError with the sender's own words."""
        number = self._file.fileno()
        return call_sender("/proc/self/fd/{}".format(number), command, document, keep=(number,))


def call_sender(path: str, command: str, document: Document, keep: Any = ()) -> Document:
    """Run `command` of the zipapp at `path`; file descriptors in `keep` stay open for it."""
    done = subprocess.run(
        [sys.executable, "-I", path, command],
        input=json.dumps(document).encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=keep,
        check=False,
    )
    try:
        said = json.loads(done.stdout.decode())
    except ValueError:
        raise SourceError(_silence(command, done)) from None
    if "error" in said:
        raise SourceError(said["error"])
    return dict(said)


def _silence(command: str, done: "subprocess.CompletedProcess[bytes]") -> Dict[str, str]:
    complaint = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
    what = "The sender's command {} ended with status {} and no answer: {}".format(
        command, done.returncode, " / ".join(complaint) or "no output"
    )
    return {"kind": "permanent", "what": what, "hint": "Please report it."}
