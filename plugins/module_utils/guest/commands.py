# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The one place where this room starts programs, on the worker or in the guest's tree.

Every child dies with us, so a killed preparation leaves nothing that runs on and writes. And every
child has its code at the same addresses: an emulated processor (QEMU's TCG) keeps its translations by
address, and one `update-initramfs` took 54 s with randomized addresses and 18 s without (Debian 12
worker, QEMU 7.2, measured 2026-11-23). On a real processor it makes no difference.
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
from typing import IO, Collection, Mapping, Optional, Sequence

from .errors import PreparationError

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}

# Where programs of the guest find room that is not on the overlay (see `mounted.py`).
SCRATCH = "/run/ferry"

# Enough of a program's last words to see why it failed, and still a message that can be read.
_LAST_WORDS = 2000
# From <sys/prctl.h> and <sys/personality.h>.
_PR_SET_PDEATHSIG = 1
_ADDR_NO_RANDOMIZE = 0x0040000

_libc = ctypes.CDLL(None, use_errno=True)


def _become_our_child() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _libc.personality(ctypes.c_ulong(_ADDR_NO_RANDOMIZE))


def run(
    argv: Sequence[str],
    *,
    accept: Collection[int] = (0,),
    environment: Optional[Mapping[str, str]] = None,
    stdin: Optional[IO[bytes]] = None,
    stdout: Optional[IO[bytes]] = None,
    hint: str = "",
) -> bytes:
    """Return what the program wrote to standard output, once it ended with an accepted code.

    With `stdout` it wrote there, and the answer is empty.

    Raises PreparationError with the program's last words, and the caller's hint, if it cannot start
    or ends otherwise.
    """
    try:
        done = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE,
            env=dict(ENVIRONMENT if environment is None else environment),
            preexec_fn=_become_our_child,
            check=False,
        )
    except OSError as error:
        raise _cannot_start(argv[0], error) from error
    if done.returncode not in accept:
        words = (
            (done.stderr + (done.stdout or b""))[-_LAST_WORDS:].decode("utf-8", "replace").strip()
        )
        raise PreparationError(
            f"`{' '.join(argv)}` ended with {done.returncode}: {words}", hint=hint
        )
    return done.stdout or b""


def start(argv: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Return the started program, a child that dies with us; its words are thrown away.

    Raises PreparationError if it cannot start.
    """
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(ENVIRONMENT),
            preexec_fn=_become_our_child,  # noqa: PLW1509 - a preparation has no threads
        )
    except OSError as error:
        raise _cannot_start(argv[0], error) from error


def start_talking(argv: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Return the started program, a child that dies with us; all it says is read from its `stdout`.

    Raises PreparationError if it cannot start.
    """
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            preexec_fn=_become_our_child,  # noqa: PLW1509 - a preparation has no threads
        )
    except OSError as error:
        raise _cannot_start(argv[0], error) from error


def exit_code(argv: Sequence[str]) -> int:
    """Return the code with which the program ended, for one whose code is its answer.

    Raises PreparationError if it cannot start.
    """
    return start(argv).wait()


def _cannot_start(program: str, error: OSError) -> PreparationError:
    return PreparationError(
        f"The program {program} cannot be started: {error.strerror}.",
        hint="The worker image must hold it: build the worker image anew.",
    )
