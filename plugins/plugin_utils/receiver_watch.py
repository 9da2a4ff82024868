# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following a receiver on the worker until it ends. PRIVATE to the collection.

The receiver lives on its own; this only looks, by one small shell command each time, and shows what
it sees. So a broken connection is no broken sync, and a second controller may follow the same one.
"""

from __future__ import annotations

import json
from typing import Any, Dict, NamedTuple, Tuple

from ..module_utils.errors import RestartSyncError, TransientError, from_dict
from ..module_utils.units import show_duration
from .clock import Clock
from .progress import Reporter, parse_progress
from .shell import Shell, UnreachableError

# Often enough for an eye on a terminal; one look is one SSH command on a shared connection. The first
# looks come sooner: a delta may be over in a second.
INTERVAL = 3.0
FIRST_INTERVAL = 0.5
# The network between controller and worker may be away for this long: a switch restarts within it.
PATIENCE = 300.0

# The life sign is asked for before the result: a receiver writes its result and then ends, so "dead
# and no result" is never just bad timing. Process ids come round again, so the process must be the one
# that has the run's lock open.
_LOOK = """\
cd {directory} 2>/dev/null || {{ echo gone; exit 0; }}
alive=dead; ls -l /proc/{pid}/fd 2>/dev/null | grep -qF " {directory}/lock" && alive=running
if [ -e result.json ]; then echo ended; cat result.json; exit 0; fi
echo $alive; cat progress.json 2>/dev/null; exit 0
"""

_AWAY = "the worker at {} does not answer; the sync goes on there without being watched"


class Receiver(NamedTuple):
    """A receiver on the worker at `address`: its run directory there and its process id."""

    migration_id: str
    address: str
    directory: str
    pid: int


class Watch:
    """Looks at one receiver through `shell` and tells `reporter`."""

    def __init__(self, shell: Shell, receiver: Receiver, reporter: Reporter, clock: Clock) -> None:
        self._shell = shell
        self._receiver = receiver
        self._reporter = reporter
        self._clock = clock
        # A run's id has no characters that a shell knows, so the directory needs no quotes.
        self._command = _LOOK.format(directory=receiver.directory, pid=int(receiver.pid))

    def follow(self) -> Dict[str, Any]:
        """Show the progress until the receiver ended, and return the document of its result.

        Raises the receiver's own error, RestartSyncError when it died without one, TransientError
        when the worker could not be reached for `PATIENCE` seconds.
        """
        pause = FIRST_INTERVAL
        try:
            while True:
                state, document = self._look_patiently()
                if state == "ended":
                    return _read_result(document)
                if state != "running":
                    raise self._dead(state)
                if document:
                    self._reporter.report(parse_progress(document))
                self._clock.sleep(pause)
                pause = min(INTERVAL, 2 * pause)
        finally:
            self._reporter.finish()

    def _look_patiently(self) -> Tuple[str, Dict[str, Any]]:
        began = self._clock.now()
        is_said = False
        while True:
            try:
                return self._look()
            except UnreachableError as error:
                away = self._clock.now() - began
                if away > PATIENCE:
                    raise self._lost(error.what, away) from None
            if not is_said:
                self._reporter.say(_AWAY.format(self._receiver.address))
                is_said = True
            self._clock.sleep(INTERVAL)

    def _look(self) -> Tuple[str, Dict[str, Any]]:
        answer = self._shell.run(self._command)
        state, _line, document = answer.stdout.strip().partition("\n")
        if answer.rc != 0:
            raise UnreachableError(answer.stderr.strip() or f"status {answer.rc}")
        return state.strip(), json.loads(document) if document.strip() else {}

    def _dead(self, state: str) -> RestartSyncError:
        what = "its run directory is gone" if state == "gone" else "it left no result"
        return RestartSyncError(
            f"The receiver of {self._receiver.migration_id} on the worker at "
            f"{self._receiver.address} is dead (process {self._receiver.pid}): {what}.",
            hint="Was it killed, or was the worker restarted? Run the sync again; what is on the "
            "target is compared, not sent again.",
        )

    def _lost(self, complaint: str, away: float) -> TransientError:
        return TransientError(
            f"The worker at {self._receiver.address} could not be reached for "
            f"{show_duration(away)}: {complaint}",
            hint="The sync may still be running there. Run the same command again: it is followed, "
            "not started anew.",
        )


def _read_result(document: Dict[str, Any]) -> Dict[str, Any]:
    if document.get("error"):
        raise from_dict(document["error"])
    return document
