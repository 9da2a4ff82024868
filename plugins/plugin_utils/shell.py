# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One command on a host, over whatever connection the task has. PRIVATE to the collection.

All of Ferry's action plugins reach their host through `Shell`; `ActionShell` is the one that goes
through Ansible (connection plugin, become). Tests hand in a shell of their own.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from ansible.errors import AnsibleConnectionFailure

from ..module_utils.errors import TransientError


class Answer(NamedTuple):
    """What a command left: its exit status and its two outputs, decoded."""

    rc: int
    stdout: str
    stderr: str


class UnreachableError(TransientError):
    """The host did not answer, or the connection broke; whether the command ran is not known."""


class Shell(Protocol):
    """A way to run commands on one host."""

    def run(self, command: str, stdin: bytes = b"") -> Answer:
        """Run `command` by the host's /bin/sh with `stdin`. Raises UnreachableError."""


class ActionShell:
    """The shell of the host that an action's task is for, with the task's become."""

    def __init__(self, action: Any) -> None:
        self._action = action

    def run(self, command: str, stdin: bytes = b"") -> Answer:
        """See `Shell.run`. The input appears in no output of Ansible, however verbose."""
        try:
            done = self._action._low_level_execute_command(command, in_data=stdin or None)
        except AnsibleConnectionFailure as error:
            raise UnreachableError(str(error)) from error
        return Answer(done["rc"], done["stdout"], done["stderr"])
