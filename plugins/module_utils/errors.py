# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The errors that every room of Ferry raises. PRIVATE to the collection.

Bottom layer: imports nothing. The class tells what the caller may do next; the message tells what
failed, on which object, with which value; the hint tells the operator what to do. The entry layer
turns each into Ansible's failure, and no other place does. Python 3.6: the sender carries this file.
"""

from typing import Dict


class FerryError(Exception):
    """Something that Ferry understands went wrong. Rooms raise its subclasses, never itself."""

    kind = "ferry"

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return "{} {}".format(self.what, self.hint).strip()

    def as_dict(self) -> Dict[str, str]:
        """Return the error as plain data; it crosses process borders in this shape."""
        return {"kind": self.kind, "what": self.what, "hint": self.hint}


class InputError(FerryError):
    """What the operator gave is wrong. Nothing was changed; mend the input and run again."""

    kind = "input"


class TransientError(FerryError):
    """A passing fault. The very same call may be repeated."""

    kind = "transient"


class RestartSyncError(FerryError):
    """This sync is lost, the disks are not: a new sync compares and goes on from what is there."""

    kind = "restart_sync"


class PermanentError(FerryError):
    """Repeating will not help: a human must look at the object that the message names."""

    kind = "permanent"


_BY_KIND = {
    each.kind: each for each in (InputError, TransientError, RestartSyncError, PermanentError)
}


def from_dict(error: Dict[str, str]) -> FerryError:
    """Return the error that `as_dict` wrote in another process; an unknown kind is permanent."""
    kind = _BY_KIND.get(error.get("kind", ""), PermanentError)
    return kind(error.get("what", "unknown error"), hint=error.get("hint", ""))
