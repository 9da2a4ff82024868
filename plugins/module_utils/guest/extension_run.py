# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Run extensions offline, in a guest's tree that is mounted from its overlays.

Whatever an extension starts ends with it: it runs in a process namespace of its own, so nothing holds
the guest's file systems afterwards, and nothing goes on writing. Its script is in memory only.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Collection, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, cast

from .apply import Timer, services_stay_off
from .commands import ENVIRONMENT, start_talking
from .errors import PreparationError
from .extensions import (
    BASH,
    FAIL,
    FIRST_BOOT,
    GUEST,
    UNKNOWN_SYNC,
    Extension,
    Sync,
    in_sync,
    variables,
)
from .mounted import MountedGuest

RAN, FAILED, WOULD_RUN, RAN_EARLIER, AT_FIRST_BOOT, OTHER_SYNC = (
    "ran",
    "failed",
    "would_run",
    "ran_earlier",
    "at_first_boot",
    "not_in_this_sync",
)
# A script's last words tell how it ended. A result goes through Ansible's memory, and AWX's database.
_KEPT = 32 << 10
_HIDDEN = "hidden by no_log"
# As much as tells in a message why a script failed.
_LAST_WORDS = 2000
# A file system in memory on every Linux with systemd: what is secret in a script never gets to a disk.
_MEMORY = "/run"
_CAGE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
# Until a killed cage must be gone; a process that waits for a dying disk takes its time.
_DYING = 60.0


@dataclass(frozen=True)
class Place:
    """A mounted guest: its root on the worker, and its distribution's identity and version.

    `guest` runs its programs; None where they cannot run here, as those of Windows.
    """

    root: str
    distribution: Tuple[str, str]
    guest: Optional[MountedGuest] = None


@dataclass(frozen=True)
class Outcome:
    """What came of an extension.

    `code` is None unless it ended by itself; `output` is at most 32 KiB, what came before is `cut`.
    """

    extension: Extension
    state: str
    code: Optional[int] = None
    output: str = ""
    cut: bool = False
    seconds: float = 0.0


class Extensions:
    """The extensions of one preparation. `done` are the identities of those that ran on this very data."""

    def __init__(
        self,
        extensions: Sequence[Extension] = (),
        sync: Optional[Sync] = None,
        *,
        done: Collection[str] = (),
    ) -> None:
        self._all = extensions
        self._sync = sync or UNKNOWN_SYNC
        self._done = frozenset(done)
        self._outcomes: Dict[str, Outcome] = {}

    @property
    def chosen(self) -> Tuple[Extension, ...]:
        """Those that are for this sync."""
        return tuple(in_sync(self._all, self._sync))

    def waiting(self, stage: str) -> List[Extension]:
        """Return what is yet to run at a stage."""
        return [
            each
            for each in self.chosen
            if each.stage == stage
            and each.identity not in self._done
            and each.name not in self._outcomes
        ]

    def run(self, stage: str, place: Place, timer: Timer) -> bool:
        """Everything that waits for `stage` ran; return whether anything did.

        Raises PreparationError at the first that fails, unless it may.
        """
        waiting = self.waiting(stage)
        for each in waiting:
            with timer(f"extension {each.name}"):
                outcome = _run_one(each, self._sync, place)
            if outcome.state == FAILED and each.failure == FAIL:
                raise _failure(outcome)
            self._outcomes[each.name] = outcome
        return bool(waiting)

    @property
    def have_run(self) -> bool:
        """Whether any ran in this preparation, and so may have changed anything."""
        return bool(self._outcomes)

    @property
    def identities(self) -> Tuple[str, ...]:
        """The identities of all that ran on this data, now or earlier."""
        ran = (outcome.extension.identity for outcome in self._outcomes.values())
        return tuple(sorted(self._done.union(ran)))

    @property
    def outcomes(self) -> Tuple[Outcome, ...]:
        """What came of each so far, in their order."""
        return tuple(
            self._outcomes.get(each.name) or Outcome(each, self._state(each)) for each in self._all
        )

    def _state(self, extension: Extension) -> str:
        if extension not in self.chosen:
            return OTHER_SYNC
        if extension.stage == FIRST_BOOT:
            return AT_FIRST_BOOT
        return RAN_EARLIER if extension.identity in self._done else WOULD_RUN


def _failure(outcome: Outcome) -> PreparationError:
    extension = outcome.extension
    how = (
        f"did not end within {extension.timeout} s"
        if outcome.code is None
        else f"ended with {outcome.code}"
    )
    return PreparationError(
        f"The extension {extension.name} {how}: {outcome.output[-_LAST_WORDS:].strip()}",
        hint="The disks are as they were. Mend the script, or set failure: warn, and run again.",
    )


def _run_one(extension: Extension, sync: Sync, place: Place) -> Outcome:
    begin = time.monotonic()
    in_guest = extension.runs_on == GUEST
    root = "/" if in_guest else place.root
    environment = dict(variables(extension, sync, root=root, distribution=place.distribution))
    with _command(extension, place) as (argv, own):
        code, output, cut = _listen(argv, {**own, **environment}, extension.timeout)
    return Outcome(
        extension,
        RAN if code == 0 else FAILED,
        code,
        _HIDDEN if extension.no_log else output.decode("utf-8", "replace"),
        cut,
        time.monotonic() - begin,
    )


@contextmanager
def _command(
    extension: Extension, place: Place
) -> Iterator[Tuple[Sequence[str], Mapping[str, str]]]:
    """Lend the command that runs a script, which is there meanwhile, and its usual environment."""
    with tempfile.TemporaryDirectory(prefix="ferry-extension-", dir=_MEMORY) as folder:
        script = os.path.join(folder, extension.file_name)
        with open(script, "x", encoding="utf-8", newline="") as file:
            file.write(extension.content)
        if extension.runs_on == GUEST and place.guest is not None:
            guest = place.guest
            with services_stay_off(guest), guest.lend_folder(folder) as lent:
                yield guest.command(("bash", f"{lent}/{extension.file_name}")), guest.environment
        else:
            interpreter = "bash" if extension.kind == BASH else sys.executable
            yield (*_CAGE, interpreter, script), ENVIRONMENT


def _listen(
    argv: Sequence[str], environment: Mapping[str, str], timeout: float
) -> Tuple[Optional[int], bytes, bool]:
    """Return the code with which a program ended, None if it had to be ended; the end of what it said,
    and whether that is not all."""
    deadline = time.monotonic() + timeout
    output, cut = b"", False
    with start_talking(argv, environment) as process:
        try:
            while True:
                piece = _read(process, deadline)
                cut = cut or len(output) + len(piece) > _KEPT
                output = (output + piece)[-_KEPT:]
                if not piece:
                    break
            code: Optional[int] = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
    return code, output, cut


def _read(process: "subprocess.Popen[bytes]", deadline: float) -> bytes:
    """Return what the program says next, nothing at its end. Raises TimeoutExpired when time is up."""
    output = cast(IO[bytes], process.stdout)  # It is a pipe: `start_talking` asks for one.
    left = deadline - time.monotonic()
    if left <= 0 or not select.select([output], [], [], left)[0]:
        raise subprocess.TimeoutExpired(process.args, left)
    return os.read(output.fileno(), 1 << 16)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Nothing of the cage runs any more.

    Its first process is killed, and not unshare, which waits for it: the kernel ends a first process only
    when all others of its namespace are gone (pid_namespaces(7)).
    """
    if process.poll() is not None:
        return
    with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as file:
        for pid in file.read().split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    try:
        process.wait(_DYING)
    except subprocess.TimeoutExpired:
        process.kill()
