# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs delivered to a source server and run there, in one connection. PRIVATE to the collection.

The controller sends one stream on the command's standard input:

    size of the bag   bag (zlib, JSON: sources by path, the sender)   order (JSON, may hold a secret)
    ---------------   ---------------------------------------------   -------------------------------
    b"52341\\n"        52341 bytes                                     the rest

On the source all modules are imported from memory, so that nothing is left behind however the program
ends. The answer is one JSON line.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any, Dict, Mapping

from ..module_utils.errors import InputError, PermanentError, from_dict
from .interpreter import NO_PYTHON, python_command
from .shell import Answer, Shell

_PACKAGE = Path(__file__).parent / "on_source"

# Python's own import from a zip archive compiles each module twice, which a slow server feels.
_BOOTSTRAP = """\
import base64, json, sys, zlib
from importlib.machinery import ModuleSpec

class Delivered:
    def __init__(self, sources):
        self.sources = sources
    def find_spec(self, name, path=None, target=None):
        for end in ("/__init__.py", ".py"):
            place = name.replace(".", "/") + end
            if place in self.sources:
                return ModuleSpec(name, self, origin=place, is_package=end != ".py")
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        place = module.__spec__.origin
        exec(compile(self.sources[place], place, "exec"), module.__dict__)

stream = sys.stdin.buffer
bag = json.loads(zlib.decompress(stream.read(int(stream.readline()))).decode())
sys.meta_path.insert(0, Delivered(bag["sources"]))
from on_source.main import main
sys.exit(main(stream, base64.b64decode(bag["sender"])))
"""


def pack(sender: bytes) -> bytes:
    """Return the bag that carries the programs and `sender` (a zipapp), as sources and as it is."""
    sources = {f"on_source/{path.name}": path.read_text() for path in _PACKAGE.glob("*.py")}
    with zipfile.ZipFile(io.BytesIO(sender)) as archive:
        for name in archive.namelist():
            sources[name] = archive.read(name).decode()
    bag = {"sources": sources, "sender": base64.b64encode(sender).decode()}
    return zlib.compress(json.dumps(bag).encode())


class Courier:
    """Runs orders on one source server.

    `interpreter` is the Python that the inventory names, or "" to look for one; `host` is for errors.
    """

    def __init__(self, shell: Shell, *, sender: bytes, interpreter: str, host: str) -> None:
        self._shell = shell
        self._bag = pack(sender)
        self._interpreter = interpreter
        self._host = host

    def ask(self, order: Mapping[str, Any]) -> Dict[str, Any]:
        """Run `order` on the source and return its answer.

        Raises what the program there raised, InputError when there is no Python for it, and
        UnreachableError.
        """
        stream = b"%d\n%s%s" % (len(self._bag), self._bag, json.dumps(order).encode())
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
