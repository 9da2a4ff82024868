# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access tokens as releases before 9.0 give them: one per client id, the same one until it is renewed.

So a second login of the same client gets the same token, and a refresh by one program takes the
token from another that uses the same client id.
"""

from __future__ import annotations

import hmac
import uuid
from dataclasses import dataclass, field
from typing import Any

# About a year: the lifetime that the vendor's example shows.
LIFETIME = 30_463_819


@dataclass(frozen=True)
class Token:
    access: str = field(default_factory=lambda: str(uuid.uuid4()))
    refresh: str = field(default_factory=lambda: str(uuid.uuid4()))

    def as_json(self) -> dict[str, Any]:
        return {
            "access_token": self.access,
            "refresh_token": self.refresh,
            "expires_in": LIFETIME,
            "token_type": "bearer",
            "scope": "write",
        }


class Tokens:
    """The one user's tokens; kept in memory, so a restarted appliance asks everybody to log in."""

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self._password = password
        self._by_client: dict[str, Token] = {}

    def log_in(self, client: str, username: str, password: str) -> Token | None:
        """The client's token, or None for a wrong user or password."""
        right = hmac.compare_digest(password.encode(), self._password.encode())
        if username != self.username or not right:
            return None
        return self._by_client.setdefault(client, Token())

    def refresh(self, client: str, refresh: str) -> Token | None:
        """A new token in the place of the one with this refresh token, or None if there is none."""
        present = self._by_client.get(client)
        if present is None or present.refresh != refresh:
            return None
        self._by_client[client] = Token()
        return self._by_client[client]

    def is_valid(self, access: str) -> bool:
        return any(token.access == access for token in self._by_client.values())
