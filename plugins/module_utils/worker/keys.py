# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""SSH host key pairs, made and read with the `cryptography` library. PRIVATE.

ansible-core depends on that library, so every controller has it; the import is guarded because module
utilities must be importable where it is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError, PermanentError

try:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None


@dataclass(frozen=True)
class KeyPair:
    """An ed25519 pair. `private` is OpenSSH's PEM, a secret; `public` is "ssh-ed25519 AAAA..."."""

    private: str
    public: str


def make_key_pair() -> KeyPair:
    """Return a new pair. Raises PermanentError where the `cryptography` library is missing."""
    _require_library()
    return _pair_of(ed25519.Ed25519PrivateKey.generate())


def read_key_pair(private: str) -> KeyPair:
    """Return the pair of this private key (OpenSSH's PEM).

    Raises InputError when it is no ed25519 key, PermanentError where the library is missing.
    """
    _require_library()
    try:
        key = serialization.load_ssh_private_key(private.encode("ascii"), password=None)
    except ValueError as error:
        raise InputError(f"The host key in the seed cannot be read: {error}.") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise InputError("The host key in the seed is no ed25519 key.")
    return _pair_of(key)


def _pair_of(key: ed25519.Ed25519PrivateKey) -> KeyPair:
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return KeyPair(private.decode("ascii"), public.decode("ascii"))


def _require_library() -> None:
    if MISSING is not None:
        raise PermanentError(
            f"The Python library cryptography cannot be imported: {MISSING}.",
            hint="It is installed with ansible-core; install it for the Python that runs this module.",
        ) from MISSING
