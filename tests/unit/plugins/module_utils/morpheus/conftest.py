# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake appliance with its own certificate, and a client of it whose pauses take no time."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.client import (
    Credentials,
    MorpheusClient,
    Password,
    Patience,
)
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.transport import HttpsTransport
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.unit.plugins.module_utils.conftest import FakeTime
from tests.unit.plugins.module_utils.morpheus.fake_appliance import FakeAppliance, Reply, serve

LOGIN = Password("operator", "p!w d")


@dataclass(frozen=True)
class Identity:
    """A self-signed certificate and its key, as files."""

    certificate: Path
    key: Path


def make_identity(folder: Path, address: str = "127.0.0.1") -> Identity:
    """A new self-signed certificate for this address lies in the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "appliance")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    identity = Identity(folder / "appliance.crt", folder / "appliance.key")
    identity.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    identity.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return identity


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


@pytest.fixture
def appliance(identity: Identity) -> Iterator[FakeAppliance]:
    """A fake appliance that lets everybody log in."""
    with serve(identity.certificate, identity.key) as appliance:
        appliance.answers("POST", "/oauth/token", Reply({"access_token": "t-1"}))
        yield appliance


OpenClient = Callable[..., MorpheusClient]


@pytest.fixture
def open_client(appliance: FakeAppliance, identity: Identity, fake_time: FakeTime) -> OpenClient:
    """Make clients of the fake appliance whose pauses take no time."""

    def open_it(
        credentials: Credentials = LOGIN, *, ca_path: str = "", timeout: float = 10
    ) -> MorpheusClient:
        transport = HttpsTransport(
            appliance.url,
            ca_path=ca_path or str(identity.certificate),
            verify_peer=True,
            timeout=timeout,
        )
        return MorpheusClient(
            transport, credentials, clock=fake_time.clock, patience=Patience(attempts=3)
        )

    return open_it


@pytest.fixture
def client(open_client: OpenClient) -> MorpheusClient:
    return open_client()
