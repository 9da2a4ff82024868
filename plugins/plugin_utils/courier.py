# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs delivered to a source server and run there, in one connection. PRIVATE to the collection.

The controller sends one stream on the command's standard input:

    archive size   archive (zip: package on_source, sender.pyz)   order (JSON, may hold a secret)
    ------------   --------------------------------------------   -------------------------------
    b"52341\\n"     52341 bytes                                    the rest

On the source the archive lies in an unlinked file in memory, so that nothing is left behind however
the program ends. The answer is one JSON line.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any, Dict, Mapping

from ..module_utils.errors import InputError, PermanentError, from_dict
from .interpreter import NO_PYTHON, python_command
from .shell import Answer, Shell

_PACKAGE = Path(__file__).parent / "on_source"
# Zip needs a date; a fixed one makes equal archives equal.
_DATE = (1980, 1, 1, 0, 0, 0)

# /proc/self/fd names the file as long as the process lives, and Python reads a zip by that name.
# /dev/shm is for a user who may not write to /run.
_BOOTSTRAP = """\
import os, sys, tempfile
stream = sys.stdin.buffer
folders = [each for each in ("/run", "/dev/shm") if os.access(each, os.W_OK)]
tempfile.tempdir = folders[0] if folders else None
archive = tempfile.TemporaryFile()
archive.write(stream.read(int(stream.readline())))
archive.flush()
sys.path.insert(0, "/proc/self/fd/%d" % archive.fileno())
from on_source.main import main
sys.exit(main(stream))
"""


def pack(sender: bytes) -> bytes:
    """Return the archive that carries the programs and `sender` (a zipapp)."""
    store = io.BytesIO()
    with zipfile.ZipFile(store, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(_PACKAGE.glob("*.py")):
            archive.writestr(_member(f"on_source/{path.name}"), path.read_bytes())
        archive.writestr(_member("on_source/sender.pyz"), sender)
    return store.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _DATE)
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


class Courier:
    """Runs orders on one source server.

    `interpreter` is the Python that the inventory names, or "" to look for one; `host` is for errors.
    """

    def __init__(self, shell: Shell, *, sender: bytes, interpreter: str, host: str) -> None:
        self._shell = shell
        self._archive = pack(sender)
        self._interpreter = interpreter
        self._host = host

    def ask(self, order: Mapping[str, Any]) -> Dict[str, Any]:
        """Run `order` on the source and return its answer.

        Raises what the program there raised, InputError when there is no Python for it, and
        UnreachableError.
        """
        stream = b"%d\n%s%s" % (len(self._archive), self._archive, json.dumps(order).encode())
        answer = self._shell.run(python_command(_BOOTSTRAP, self._interpreter), stream)
        if answer.rc == NO_PYTHON:
            raise self._no_python()
        return self._read(answer)

    def _read(self, answer: Answer) -> Dict[str, Any]:
        # A login banner or a sudo lecture may come before the line that is ours.
        last = answer.stdout.strip().rpartition("\n")[2]
        try:
            said = json.loads(last)
        except ValueError:
            raise PermanentError(
                f"The program that Ferry runs on {self._host} gave no answer (exit status "
                f"{answer.rc}): {_tail(answer)}",
                hint="Look at the message; run again with -vvv to see the command.",
            ) from None
        if "error" in said:
            raise from_dict(said["error"])
        return dict(said)

    def _no_python(self) -> InputError:
        if self._interpreter:
            return InputError(
                f"{self._interpreter} on {self._host} is missing or is no Python 3.6 or newer.",
                hint="Correct ansible_python_interpreter, or unset it to let Ferry look for one.",
            )
        return InputError(
            f"No Python 3.6 or newer on {self._host} (tried python3, "
            "/usr/libexec/platform-python, python3.15 to python3.6).",
            hint="Install python3 there, or set ansible_python_interpreter to where it is.",
        )


def _tail(answer: Answer) -> str:
    """Return the end of what the program said: a traceback's last lines, a shell's complaint."""
    said = (answer.stderr.strip() or answer.stdout.strip()).splitlines()
    return " / ".join(said[-3:]) or "no output"
