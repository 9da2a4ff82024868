# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What can go wrong between Ferry and an appliance. PRIVATE to the collection.

Room morpheus, bottom. The class says what the caller may do next (its base in `..errors`), the
attributes what the machine needs to know, the message what a person needs to know.
"""

from __future__ import annotations

from typing import Optional

from ..errors import InputError, PermanentError, TransientError


class UnreachableError(TransientError):
    """No answer came: refused, reset, timed out. `sent` is False if nothing of the request left."""

    def __init__(self, what: str, *, hint: str = "", sent: bool = True) -> None:
        super().__init__(what, hint=hint)
        self.sent = sent


class BusyError(TransientError):
    """The appliance answered that it cannot now: 429 or 5xx. `retry_after` in seconds, if told."""

    def __init__(
        self, what: str, *, hint: str = "", status: int, retry_after: Optional[float] = None
    ) -> None:
        super().__init__(what, hint=hint)
        self.status = status
        self.retry_after = retry_after


class CertificateError(InputError):
    """The appliance is not who it should be, as far as the given certificate authority says."""


class LoginError(InputError):
    """The token, or the user name and password, are not accepted."""


class GoneError(InputError):
    """404: the appliance has no object with this id."""


class RefusedError(PermanentError):
    """The appliance understood the request and refused it: 4xx, or 200 with success false."""


class UnexpectedAnswerError(PermanentError):
    """What answered does not speak the Morpheus API: not JSON, or a needed field is missing."""


class TooOldError(InputError):
    """The appliance lacks the calls that a migration needs."""


class NoSuchObjectError(InputError):
    """A name or code was looked up and nothing has it."""


class AmbiguousNameError(InputError):
    """Several objects have the name that was looked up."""


class NotAllowedNowError(InputError):
    """The state of an object forbids the change; the hint says which state it needs."""


class NotOursError(InputError):
    """An object is in the way that does not carry the marks of this migration."""


class StateFailedError(PermanentError):
    """The appliance gave up on what was asked; its own words are in the message."""


class NotAsAskedError(PermanentError):
    """A change was accepted, and yet a second look shows another state than was asked for."""
