# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Bytes over HTTPS from a vCenter or an ESXi host. PRIVATE. Part of the source worker's sender.

Below the disks that are read so, above http.client. Redirects are never followed: they would carry the
session's cookie to wherever they lead.
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
from dataclasses import dataclass
from typing import Protocol

from ..errors import FerryError, InputError, PermanentError, TransientError
from ..trust import show_fault

# What a connection raises: faults of the network and of the peer's HTTP.
CONNECTION_FAULTS = (OSError, http.client.HTTPException)


class HostNotTrustedError(InputError):
    """The host is not who it should be. Nothing was sent to it."""


class HostLostError(TransientError):
    """No answer, or half of one. The same may be asked again."""


class HostRefusedError(PermanentError):
    """The host answered, and will not give what was asked for; `status` is HTTP's, 0 if that was right."""

    def __init__(self, what: str, *, hint: str = "", status: int = 0) -> None:
        super().__init__(what, hint=hint)
        self.status = status


class WebSession(Protocol):
    """A session with the vCenter, as far as HTTPS needs one. Threads call this at once."""

    def cookie(self) -> str:
        """Return what goes into the header `Cookie` now."""

    def renew(self) -> None:
        """Log in anew; `cookie` is another one afterwards. Raises FerryError."""


@dataclass(frozen=True)
class Host:
    """Where to connect, and whom to trust there; `timeout` in seconds is for each wait.

    `thumbprint`, the SHA-1 of the certificate as vSphere tells it ("AA:BB:..."), is checked besides what
    `trust` checks; "" checks nothing more.
    """

    name: str
    port: int
    trust: ssl.SSLContext
    timeout: float
    thumbprint: str = ""

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"

    def connect(self) -> http.client.HTTPSConnection:
        """Return a connection to the right host, over which nothing was sent yet.

        Raises HostNotTrustedError, HostLostError.
        """
        connection = http.client.HTTPSConnection(
            self.name, self.port, timeout=self.timeout, context=self.trust
        )
        try:
            connection.connect()
            self._check_thumbprint(connection)
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise HostNotTrustedError(
                f"The certificate of {self} is not trusted: {error.verify_message}.",
                hint="Give the certificate of the authority that signed it as ca_path; for an ESXi"
                " host this is the vCenter's own authority as a rule.",
            ) from None
        except OSError as error:
            raise self.lost("the connection", error) from error
        except FerryError:
            connection.close()
            raise
        return connection

    def lost(self, what: str, error: Exception) -> HostLostError:
        """Return our error for a fault of a connection during `what`."""
        return HostLostError(
            f"{self} gave no whole answer to {what}: {show_fault(error)}.",
            hint="Check name resolution, firewall (443/TCP) and that the host runs.",
        )

    def _check_thumbprint(self, connection: http.client.HTTPSConnection) -> None:
        if not self.thumbprint:
            return
        certificate = connection.sock.getpeercert(binary_form=True) or b""
        # SHA-1 is what vSphere gives; it comes on top of the authority's word.
        found = hashlib.sha1(certificate).hexdigest()  # noqa: S324
        if found != self.thumbprint.replace(":", "").lower():
            raise HostNotTrustedError(
                f"The certificate of {self} has the thumbprint {found}, the vCenter told"
                f" {self.thumbprint}.",
                hint="Somebody else answers at this address, or the host's certificate was"
                " renewed and the vCenter does not know yet (reconnect the host there).",
            )


def check_status(host: Host, what: str, response: http.client.HTTPResponse, wanted: int) -> None:
    """Raise HostLostError for an answer that may be another one soon, HostRefusedError for one that may not."""
    if response.status == wanted:
        return
    text = f"{host} answered {response.status} {response.reason} to {what}."
    if response.status >= 500 or response.status in (408, 429):
        raise HostLostError(text)
    raise HostRefusedError(text, hint=_HINTS.get(response.status, ""), status=response.status)


_HINTS = {
    403: "The user needs Datastore.Browse and Datastore.FileManagement to read files of a"
    " datastore, VApp.Export to read an export.",
    404: "There is no such file: on vSAN and vVols no disk is a file. Use export or vddk.",
}
