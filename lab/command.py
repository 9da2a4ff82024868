# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's one way to run a program: output captured, failure told with the program's last words."""

from __future__ import annotations

import asyncio
import subprocess

from .errors import LabError

# The end of what a failed program said; its cause is there, and a message stays readable.
LAST_WORDS = 600


def run(*command: str, given: str = "") -> str:
    """Return what the program wrote to its standard output; `given` is its standard input.

    Raises LabError when the program is missing or exits with anything but 0.
    """
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    except FileNotFoundError as missing:
        raise _not_installed(command[0]) from missing
    return _judge(command, done.returncode, done.stdout, done.stderr)


async def run_aside(*command: str) -> str:
    """As `run`, without blocking the event loop; a cancelled call ends the program."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError as missing:
        raise _not_installed(command[0]) from missing
    try:
        output, complaint = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    return _judge(command, process.returncode or 0, output.decode(), complaint.decode())


def _judge(command: tuple[str, ...], code: int, output: str, complaint: str) -> str:
    if code == 0:
        return output
    last_words = (complaint.strip() or output.strip())[-LAST_WORDS:]
    raise LabError(f"{' '.join(command[:6])} ended with {code}: {last_words}")


def _not_installed(program: str) -> LabError:
    return LabError(f"The program {program} is not installed", "Run `make setup` as root.")
