# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the appliance says no: one exception, carried out to the client as the vendor's error bodies."""

from __future__ import annotations

from collections.abc import Mapping


class RefusedError(Exception):
    """A request that is not carried out.

    Becomes `{"success": false, "msg": ..., "errors": {field: reason} or null}` with this status.
    """

    def __init__(
        self, message: str, *, status: int = 400, errors: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.errors = errors


def not_found(kind: str, wanted: object) -> RefusedError:
    """No object of this kind has this id."""
    return RefusedError(f"{kind} not found with id {wanted}", status=404)


def invalid(field: str, reason: str) -> RefusedError:
    """A field of the request cannot be accepted.

    With status 200: the appliance answers a refused creation so (the specification's own example of
    a failed instance creation), and a client that looks at the status alone must be found out.
    """
    return RefusedError(f"{field}: {reason}", status=200, errors={field: reason})
