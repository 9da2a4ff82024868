# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sender, which comes along. Runs on the source, on Python 3.6. PRIVATE.

It is asked and steered in this process, and started as a process of its own: a JSON document on standard
input, one JSON line as its answer.
"""

import importlib
import json
import subprocess
import sys
from typing import Any, Dict

Document = Dict[str, Any]

# Where the delivered sender has its errors, and its commands beside `start`.
_ERRORS = "ferry.errors"
_CONTROL = "ferry.replication.sender_control"


class SourceError(Exception):
    """Something failed on the source; `error` (kind, what, hint) crosses to the controller."""

    def __init__(self, error: Dict[str, str]) -> None:
        super().__init__(error["what"])
        self.error = error


def input_error(what: str, hint: str) -> SourceError:
    """Return an error that the operator mends by other input."""
    return SourceError({"kind": "input", "what": what, "hint": hint})


class Sender:
    """The delivered sender; `program` is its zipapp."""

    def __init__(self, program: bytes) -> None:
        self.program = program
        self._commands = importlib.import_module(_CONTROL).COMMANDS
        self._error = importlib.import_module(_ERRORS).FerryError

    def call(self, command: str, document: Document) -> Document:
        """Run one command and return its answer; raises SourceError with the sender's own words."""
        try:
            return dict(self._commands[command](document))
        except self._error as error:
            raise SourceError(error.as_dict()) from error


def start_sender(path: str, document: Document) -> Document:
    """Run `start` of the zipapp at `path`, which outlives us; raises SourceError with its own words."""
    done = subprocess.run(
        [sys.executable, "-I", path, "start"],
        input=json.dumps(document).encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        check=False,
    )
    try:
        said = json.loads(done.stdout.decode())
    except ValueError:
        raise SourceError(_silence(done)) from None
    if "error" in said:
        raise SourceError(said["error"])
    return dict(said)


def _silence(done: "subprocess.CompletedProcess[bytes]") -> Dict[str, str]:
    complaint = done.stderr.decode(errors="replace").strip().splitlines()[-3:]
    what = "The sender's start ended with status {} and no answer: {}".format(
        done.returncode, " / ".join(complaint) or "no output"
    )
    return {"kind": "permanent", "what": what, "hint": "Please report it."}
