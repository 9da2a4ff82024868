# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key pair by which one end of a run proves itself. PRIVATE to the collection.

There is no authority: the other end trusts exactly this certificate. The private key exists in the
controller's memory only until it was handed over on SSH's standard input.
"""

from __future__ import annotations

import datetime
from typing import NamedTuple

from ..module_utils.replication.limits import server_name

# Clocks of freshly migrated machines are wrong by years; the key's life is the run, not this span.
VALID_FROM = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)
VALID_UNTIL = datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)


class Identity(NamedTuple):
    """A private key and its self-signed certificate, both PEM. `key` is a secret."""

    key: str
    certificate: str

    def __repr__(self) -> str:
        """Show the certificate only: a traceback or a debug line must not carry the key."""
        return f"Identity(certificate={self.certificate!r})"


def make_identity(run: str) -> Identity:
    """Return a new identity for `run`.

    P-256: every OpenSSL since 1.0.2 speaks it, which the Python 3.6 of an old source may be built on.
    """
    # Here and not above: ansible-core brings the library to every controller, but the sanity test
    # imports each plugin without it.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    # The common name holds 64 characters at most (RFC 5280, ub-common-name); the run's name is in
    # the alternative name, which is the one that TLS checks.
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Ferry source")])
    alternative = x509.SubjectAlternativeName([x509.DNSName(server_name(run))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(VALID_FROM)
        .not_valid_after(VALID_UNTIL)
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Identity(
        key=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
        certificate=certificate.public_bytes(serialization.Encoding.PEM).decode(),
    )
