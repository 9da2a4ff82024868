# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""TLS with exactly one trusted peer at each end. PRIVATE to the collection.

There is no authority: each end holds a key of its own and trusts the other's certificate, byte for
byte. The server name carries the run's id, so that a target reaches no other run's sender by mistake.
TLS 1.3 where both ends have it, else 1.2. Python 3.6.
"""

import os
import socket
import ssl
from typing import NamedTuple, Optional

from ..errors import InputError
from .errors import ConnectionLostError, PeerRefusedError
from .limits import DIAL_TIMEOUT, server_name

# Both are tmpfs on every Linux of the last decade; a small container may lack the first.
_IN_RAM = ("/dev/shm", "/run")  # noqa: S108 - a file without a name cannot be guessed.


class Identity(NamedTuple):
    """One end's own certificate and key, and the one certificate that it trusts; PEM texts."""

    certificate: str
    key: str
    peer_certificate: str


class TlsEnd(NamedTuple):
    """What one end needs to secure a connection of its run."""

    context: ssl.SSLContext
    run: str
    peer: bytes  # The trusted certificate, DER.
    is_source: bool


def source_end(run: str, identity: Identity) -> TlsEnd:
    """Return the end of a sender; it refuses clients that ask for another run."""
    context = _pinned(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), identity)
    expected = server_name(run)

    def check_name(_socket: object, name: Optional[str], _context: object) -> Optional[int]:
        return None if name == expected else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.set_servername_callback(check_name)
    return TlsEnd(context, run, _der(identity.peer_certificate), True)


def target_end(run: str, identity: Identity) -> TlsEnd:
    """Return the end of a receiver."""
    context = _pinned(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), identity)
    return TlsEnd(context, run, _der(identity.peer_certificate), False)


def secure(connected: socket.socket, end: TlsEnd) -> ssl.SSLSocket:
    """Return the socket in TLS, non-blocking, its peer proven to be the trusted one.

    Takes `connected` over: it is closed on failure. Raises PeerRefusedError, ConnectionLostError.
    """
    connected.settimeout(DIAL_TIMEOUT)
    name = None if end.is_source else server_name(end.run)
    try:
        secured = end.context.wrap_socket(
            connected, server_side=end.is_source, server_hostname=name
        )
    except ssl.SSLEOFError as error:
        connected.close()
        raise ConnectionLostError("The peer closed the connection during the handshake.") from error
    except (ssl.SSLError, ssl.CertificateError) as error:
        connected.close()
        raise refused(end.run, error) from error
    except OSError as error:
        connected.close()
        raise ConnectionLostError("The TLS handshake failed: {}.".format(error)) from error
    if secured.getpeercert(binary_form=True) != end.peer:
        secured.close()
        raise refused(end.run, "its certificate is signed by the trusted one, but is another")
    secured.setblocking(False)
    return secured


def refused(run: str, reason: object) -> PeerRefusedError:
    """Return the error for a peer that TLS does not let in, or that does not let us in."""
    return PeerRefusedError(
        "TLS for run {} was refused: {}.".format(run, reason),
        hint="Sender and receiver must hold each other's certificate of this very run: "
        "export the source again, then start the sync.",
    )


def _pinned(context: ssl.SSLContext, identity: Identity) -> ssl.SSLContext:
    if hasattr(context, "minimum_version"):  # Since Python 3.7.
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # novermin
    else:
        context.options |= ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(cadata=identity.peer_certificate)
        _load_from_ram(context, identity.certificate + "\n" + identity.key)
    except ssl.SSLError as error:
        raise InputError(
            "The run's key or certificates are no valid PEM: {}.".format(error)
        ) from error
    return context


def _load_from_ram(context: ssl.SSLContext, chain: str) -> None:
    """OpenSSL takes keys from files only: this one is in RAM and never has a name."""
    descriptor = os.open(_ram_directory(), os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, chain.encode())
        context.load_cert_chain("/proc/self/fd/{}".format(descriptor))
    finally:
        os.close(descriptor)


def _ram_directory() -> str:
    return next((path for path in _IN_RAM if os.path.isdir(path)), _IN_RAM[-1])


def _der(certificate: str) -> bytes:
    try:
        return ssl.PEM_cert_to_DER_cert(certificate.strip())
    except ValueError as error:
        raise InputError("The peer's certificate is no PEM certificate.") from error
