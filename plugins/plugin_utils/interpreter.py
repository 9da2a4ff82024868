# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell line that starts a Python on a source server. PRIVATE to the collection.

A source is taken as it is: Ansible's own discovery refuses Pythons that Ferry's sender still runs
on (3.6 of RHEL 8), and costs a connection of its own. This line tries and starts in one.
"""

from __future__ import annotations

import shlex
from typing import Any, Mapping

# In the order of trust: what the administrator calls python3, what the distribution's own tools run
# on (RHEL 8 has nothing else as installed), then any other, the newest first.
CANDIDATES = (
    "python3",
    "/usr/libexec/platform-python",
    *(f"python3.{minor}" for minor in range(15, 5, -1)),
)
# Ansible's words for "find one yourself".
DISCOVERY = ("auto", "auto_legacy", "auto_silent", "auto_legacy_silent")
# The status of a shell that found no such command; the program itself ends with 0 or 1.
NO_PYTHON = 127

# A name on PATH proves nothing (pyenv leaves names that only print an error): each candidate must
# run and say its version. The input must not be eaten by the question.
_TRY = "import sys; sys.exit(sys.version_info < (3, 6))"


def wanted_interpreter(variables: Mapping[str, Any]) -> str:
    """Return the interpreter that the inventory names, or "" to look for one."""
    named = str(variables.get("ansible_python_interpreter") or "")
    return "" if named in DISCOVERY else named


def python_command(program: str, interpreter: str = "") -> str:
    """Return a shell command that runs `program` (Python text) with the command's standard input.

    `interpreter` alone is tried when given, else `CANDIDATES`; the command ends with `NO_PYTHON`
    when none is 3.6 or newer. Isolated mode: nothing of the host's environment is imported.
    """
    names = " ".join(shlex.quote(name) for name in ([interpreter] if interpreter else CANDIDATES))
    return (
        f"for python in {names}; do "
        f'"$python" -c {shlex.quote(_TRY)} </dev/null >/dev/null 2>&1 && '
        f'exec "$python" -I -c {shlex.quote(program)}; '
        f"done; exit {NO_PYTHON}"
    )
