# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Whom a client of an HTTPS API trusts, and what its faults are called. PRIVATE to the collection.

Bottom layer, for the rooms that speak to an appliance or a vCenter. The connections of a sync are
another matter: they trust one certificate (replication/tls.py).
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from .errors import InputError


def open_trust(ca_path: str, *, verify_peer: bool) -> ssl.SSLContext:
    """Return a context that trusts the certificates at `ca_path`, the system's without one.

    Without `verify_peer` anybody is trusted. Raises `InputError` for a path that cannot be read.
    """
    try:
        place = Path(ca_path) if ca_path else None
        context = ssl.create_default_context(
            cafile=str(place) if place and not place.is_dir() else None,
            capath=str(place) if place and place.is_dir() else None,
        )
    except OSError as error:
        raise InputError(
            f'The certificates in ca_path "{ca_path}" cannot be read: {show_fault(error)}.',
            hint="Give a PEM file, or a folder prepared by openssl rehash.",
        ) from None
    if not verify_peer:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def show_fault(error: Exception) -> str:
    """Return the fault of a connection in few words; it names no peer."""
    if isinstance(error, socket.timeout):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
