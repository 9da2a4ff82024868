# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adopting a worker: from the key that its seed carries to one that only it has. PRIVATE.

    known before    worker answers with    find                 then
    ------------    -------------------    ------------------   --------------------------------
    pinned key      pinned key             nothing to do          -
    bootstrap key   bootstrap key          `ferry-host-key new`   caller records it, then commit()
    any             another key            clear error            -
    any             nothing                wait, then error       -

The new key is recorded by the caller between the two calls, so that a controller killed at any
moment leaves a worker that answers with a key which is written down.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence

from ..module_utils.errors import PermanentError, TransientError
from ..module_utils.units import show_duration
from .clock import Clock
from .host_keys import KnownHosts, Reply, WorkerLink, parse_key, try_key

# A worker needs some ten seconds to boot, under emulation a minute; asking more often only fills
# its console.
PAUSE = 2.0
# After a commit the server that knew the old key may take one more connection before it is gone.
SETTLE = 20.0


class Found(NamedTuple):
    """Which key the worker answered with (one of those we know), and after how long (seconds)."""

    key: str
    seconds: float


class Adoption:
    """Brings one worker under a pinned key. `timeout`: seconds to wait for it to answer at all."""

    def __init__(
        self, link: WorkerLink, known_hosts: KnownHosts, *, timeout: float, clock: Clock
    ) -> None:
        self._link = link
        self._known_hosts = known_hosts
        self._timeout = timeout
        self._clock = clock

    def find(self, keys: Sequence[str], *, settle: float = 0.0) -> Found:
        """Wait until the worker answers with one of `keys`, tried in this order.

        Afterwards known_hosts holds the key it answered with. Raises PermanentError when it answers
        with any other (at once, or after the `settle` seconds in which it changes its key), and
        TransientError when it does not answer in time.
        """
        began = self._clock.now()
        while True:
            replies = self._try(keys)
            waited = self._clock.now() - began
            if replies[-1] is Reply.RIGHT_KEY:
                return Found(keys[len(replies) - 1], waited)
            if waited >= settle and all(reply is Reply.WRONG_KEY for reply in replies):
                raise self._stranger()
            if waited + PAUSE > self._timeout:
                raise self._silence(waited)
            self._clock.sleep(PAUSE)

    def _try(self, keys: Sequence[str]) -> Sequence[Reply]:
        """Return the replies to `keys` up to the first that is not a wrong key."""
        replies: list[Reply] = []
        for key in keys:
            replies.append(try_key(self._link, self._known_hosts, key))
            if replies[-1] is not Reply.WRONG_KEY:
                break
        return replies

    def new_key(self) -> str:
        """Have the worker make its own key (once per boot) and return the public part."""
        return parse_key(self._order("ferry-host-key new"), option="The answer of ferry-host-key")

    def commit(self, key: str) -> None:
        """Make `key`, which `new_key` returned, the only one that the worker answers with."""
        offered = self.new_key()
        if offered != key:
            raise PermanentError(
                f"The worker at {self._link.address} would commit to the key {offered}, "
                f"but {key} was recorded: it was restarted in between.",
                hint="Run the step again; it records the key of this boot.",
            )
        self._order("ferry-host-key commit")
        self.find([key], settle=SETTLE)

    def _order(self, command: str) -> str:
        answer = self._link.shell.run(command)
        if answer.rc != 0:
            raise PermanentError(
                f"{command} on the worker at {self._link.address} ended with status {answer.rc}: "
                f"{answer.stderr.strip() or answer.stdout.strip() or 'no output'}",
                hint="Is it Ferry's worker image? Look at the instance's console.",
            )
        return answer.stdout

    def _stranger(self) -> PermanentError:
        return PermanentError(
            f"The machine at {self._link.address} answers with an SSH host key that is not this "
            "migration's worker's.",
            hint="Another machine may have the address (look at the instance's address and console), "
            "or someone is in between. Nothing was sent to it.",
        )

    def _silence(self, waited: float) -> TransientError:
        return TransientError(
            f"The worker at {self._link.address} did not answer by SSH within "
            f"{show_duration(waited)}.",
            hint="Look at the instance's console: did it boot the worker, which address has it? "
            "Then check that this controller reaches port 22 of that address.",
        )
