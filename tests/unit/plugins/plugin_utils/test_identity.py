# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An identity is good for one run's TLS and shows its key to nobody."""

from __future__ import annotations

import ssl
from pathlib import Path

from ansible_collections.ferry.hvm.plugins.plugin_utils.identity import Identity, make_identity
from cryptography import x509


def context(side: int, identity: Identity, peer: Identity, folder: Path) -> ssl.SSLContext:
    """Return a context that has `identity` and trusts exactly `peer`."""
    path = folder / f"{side}.pem"
    path.write_text(identity.key + identity.certificate)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if side else ssl.PROTOCOL_TLS_CLIENT)
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_cert_chain(path)
    made.load_verify_locations(cadata=peer.certificate)
    return made


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    """Run a handshake in memory; raises ssl.SSLError when an end refuses the other."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(down, up, server_hostname=name),
        server.wrap_bio(up, down, server_side=True),
    ]
    for _turn in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ends[0].getpeercert(), "the handshake did not end"


def test_two_ends_of_a_run_trust_each_other(tmp_path: Path) -> None:
    source, worker = make_identity("run-1"), make_identity("run-1")
    client = context(0, worker, source, tmp_path)
    server = context(1, source, worker, tmp_path)
    shake_hands(client, server, "run-1.ferry.internal")


def test_a_name_of_63_characters_is_good(tmp_path: Path) -> None:
    run = "r" * 63
    source, worker = make_identity(run), make_identity(run)
    client = context(0, worker, source, tmp_path)
    shake_hands(client, context(1, source, worker, tmp_path), f"{run}.ferry.internal")


def test_certificate_is_valid_whatever_the_clock_says() -> None:
    certificate = x509.load_pem_x509_certificate(make_identity("run-1").certificate.encode())
    assert certificate.not_valid_before_utc.year == 2000
    assert certificate.not_valid_after_utc.year == 2100


def test_each_identity_is_new() -> None:
    assert make_identity("run-1").key != make_identity("run-1").key


def test_the_key_is_not_shown() -> None:
    identity = make_identity("run-1")
    assert identity.key.splitlines()[1] not in f"{identity} {identity!r}"
