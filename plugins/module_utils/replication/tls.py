# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""TLS with exactly one trusted peer at each end. PRIVATE to the collection.

There is no authority: each end holds a key of its own and trusts the other's certificate, byte for
byte. The server name carries the run's id: a sender takes the run's certificates by it, and so a target
reaches no other run by mistake or by intent. TLS 1.3 where both ends have it, else 1.2. Python 3.6.
"""

import os
import socket
import ssl
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

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


def source_end(run: str, identity: Identity) -> TlsEnd:
    """Return the end of a sender for one run; `admit` uses it when a client asks for that run."""
    context = _pinned(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), identity)
    return TlsEnd(context, run, _der(identity.peer_certificate))


def target_end(run: str, identity: Identity) -> TlsEnd:
    """Return the end of a receiver."""
    context = _pinned(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), identity)
    return TlsEnd(context, run, _der(identity.peer_certificate))


def secure(connected: socket.socket, end: TlsEnd) -> ssl.SSLSocket:
    """Return the target's socket in TLS, non-blocking, its peer proven to be the trusted one.

    Takes `connected` over: it is closed on failure. Raises PeerRefusedError, ConnectionLostError.
    """
    return _shake_hands(connected, end.context, [end], server_hostname=server_name(end.run))


def admit(
    connected: socket.socket, find: Callable[[Optional[str]], Optional[TlsEnd]]
) -> Tuple[ssl.SSLSocket, TlsEnd]:
    """Return a client's socket in TLS as `secure` does, and the end of the run that it asked for and may have.

    `find` returns the end for a server name, None for a name that is no run's. Nothing but an alert is said
    to a client that asks for no run. The context of the first flight holds no certificate, and lives as long
    as its connection: so there is no key by which a session of one run could be resumed for another.
    """
    ends: List[TlsEnd] = []

    def choose(secured: Any, name: Optional[str], _context: object) -> Optional[int]:
        end = find(name)
        if end is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        ends.append(end)
        secured.context = end.context
        return None

    context = _strict(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    # Python 3.6 knows this name only; it is sni_callback since 3.7.
    context.set_servername_callback(choose)
    return _shake_hands(connected, context, ends, server_side=True), ends[-1]


def _shake_hands(
    connected: socket.socket, context: ssl.SSLContext, ends: List[TlsEnd], **how: Any
) -> ssl.SSLSocket:
    """The handshake; the last of `ends` when it is over says who the peer must be."""
    connected.settimeout(DIAL_TIMEOUT)
    try:
        secured = context.wrap_socket(connected, **how)
    except ssl.SSLEOFError as error:
        connected.close()
        raise ConnectionLostError("The peer closed the connection during the handshake.") from error
    except (ssl.SSLError, ssl.CertificateError) as error:
        connected.close()
        raise refused(ends[-1].run if ends else "of no name", error) from error
    except OSError as error:
        connected.close()
        raise ConnectionLostError("The TLS handshake failed: {}.".format(error)) from error
    try:
        certificate = secured.getpeercert(binary_form=True)
    except OSError as error:  # Python looks whether the peer is still there.
        secured.close()
        raise ConnectionLostError("The peer left after the handshake.") from error
    if certificate != ends[-1].peer:
        secured.close()
        raise refused(ends[-1].run, "its certificate is signed by the trusted one, but is another")
    secured.setblocking(False)
    return secured


def refused(run: str, reason: object) -> PeerRefusedError:
    """Return the error for a peer that TLS does not let in, or that does not let us in."""
    return PeerRefusedError(
        "TLS for run {} was refused: {}.".format(run, reason),
        hint="Sender and receiver must hold each other's certificate of this very run: "
        "export the source again, then start the sync.",
    )


def _strict(context: ssl.SSLContext) -> ssl.SSLContext:
    """Both ends prove themselves, by a version that is not broken.

    A server's first context decides it for the connection: OpenSSL keeps both when the context is changed.
    """
    if hasattr(context, "minimum_version"):  # Since Python 3.7.
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # novermin
    else:
        context.options |= ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _pinned(context: ssl.SSLContext, identity: Identity) -> ssl.SSLContext:
    _strict(context)
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
