# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What can go wrong between Ferry and a vCenter. PRIVATE to the collection.

Room vsphere, bottom. The class says what the caller may do next (its base in `..errors`), the
message what a person needs to know.
"""

from __future__ import annotations

from ..errors import InputError, PermanentError, TransientError


class UnreachableError(TransientError):
    """No answer came: refused, reset, timed out. `sent` is False if nothing of the request left."""

    def __init__(self, what: str, *, hint: str = "", sent: bool = True) -> None:
        super().__init__(what, hint=hint)
        self.sent = sent


class LostAnswerError(TransientError):
    """A change was sent, and whether it was heard is not known. Look before asking again."""


class BusyError(TransientError):
    """The object, its host or the vCenter is at work on something else. Nothing was changed."""


class LoggedOutError(TransientError):
    """The session is not known to the vCenter (any more). Nothing was changed."""


class MissingLibraryError(InputError):
    """pyvmomi is not there, or not for this Python."""


class CertificateError(InputError):
    """The vCenter is not who it should be, as far as the given certificate authority says."""


class LoginError(InputError):
    """The user name and password are not accepted."""


class NoPrivilegeError(InputError):
    """The user may not do this; the message names the privilege and the object."""


class GoneError(InputError):
    """The vCenter has no object with this reference."""


class NoSuchObjectError(InputError):
    """Something was looked up and nothing is called so."""


class AmbiguousNameError(InputError):
    """Several objects have the name that was looked up."""


class NotAllowedNowError(InputError):
    """The state of an object forbids the change; the hint says which state it needs."""


class NotOursError(InputError):
    """A snapshot is in the way that has the name of ours and not our mark."""


class RefusedError(PermanentError):
    """The vCenter answered with a fault, or a task of it failed; `fault` is the fault's own name."""

    def __init__(self, what: str, *, hint: str = "", fault: str = "") -> None:
        super().__init__(what, hint=hint)
        self.fault = fault


class QuiesceError(RefusedError):
    """The guest's file systems could not be brought to a consistent state."""


class NotAsAskedError(PermanentError):
    """A change was accepted, and yet a second look shows another state than was asked for."""
