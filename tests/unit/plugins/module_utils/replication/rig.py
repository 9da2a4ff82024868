# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole engine in one process: a source and a receiver, TLS over socket pairs, disks in memory."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import random
import socket
import struct
import threading
from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple

import blake3
from ansible_collections.ferry.hvm.plugins.module_utils.errors import FerryError
from ansible_collections.ferry.hvm.plugins.module_utils.replication import receiver
from ansible_collections.ferry.hvm.plugins.module_utils.replication.channel import Channel
from ansible_collections.ferry.hvm.plugins.module_utils.replication.connection import Connection
from ansible_collections.ferry.hvm.plugins.module_utils.replication.digests import calibrate
from ansible_collections.ferry.hvm.plugins.module_utils.replication.disks import Disk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.export import Export
from ansible_collections.ferry.hvm.plugins.module_utils.replication.indexed import IndexOrder
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import (
    CHUNK,
    GRANULE,
    server_name,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.messages import Order, View
from ansible_collections.ferry.hvm.plugins.module_utils.replication.plan import SyncPlan, SyncReport
from ansible_collections.ferry.hvm.plugins.module_utils.replication.source import SourceSession
from ansible_collections.ferry.hvm.plugins.module_utils.replication.state import Role
from ansible_collections.ferry.hvm.plugins.module_utils.replication.tls import (
    Identity,
    TlsEnd,
    admit,
    source_end,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

RUN = "web01-7"
DEADLINE = 60.0

Connect = Callable[[], socket.socket]


class Papers(NamedTuple):
    """A key and its certificate, PEM."""

    certificate: str
    key: str


def make_papers(run: str = RUN) -> Papers:
    """Return what `ferry-identity` makes on a worker."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, run)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2000, 1, 1))
        .not_valid_after(datetime.datetime(2100, 1, 1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(server_name(run))]), False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return Papers(
        certificate.public_bytes(pem).decode(), key.private_bytes(pem, form, plain).decode()
    )


class Killed(BaseException):
    """What a SIGKILL is to a thread: no handler of ours catches it."""


class Source:
    """A sender in threads of this process. `channel_type` may be a citizen that does harm."""

    def __init__(
        self,
        disks: Mapping[str, Disk],
        *,
        own: Papers,
        peer: str,
        run: str = RUN,
        view: View = View.MOVING,
        order: Order = Order.ANY,
        channel_type: Callable[..., Channel] = Channel,
        indexes: dict[str, IndexOrder] | None = None,
    ) -> None:
        self._disks = disks
        self._indexes = indexes
        self._view = view
        self._order = order
        self._end = source_end(run, Identity(own.certificate, own.key, peer))
        self.channel_type = channel_type
        self._threads: list[threading.Thread] = []
        self.errors: list[FerryError] = []
        self.connection_count = 0
        self.restart()

    def restart(self) -> None:
        """Forget all accounts, as a new process does."""
        openers = {name: (lambda disk=disk: disk) for name, disk in self._disks.items()}
        self.export = Export(
            openers,
            calibrate(),
            view=self._view,
            order=self._order,
            settle=lambda: None,
            indexes=self._indexes,
        )

    def connect(self) -> socket.socket:
        """Return the target's end of a new connection."""
        ours, theirs = socket.socketpair()
        self.serve(ours)
        return theirs

    def serve(self, ours: socket.socket) -> None:
        """Serve a connection in a thread of its own."""
        self.connection_count += 1
        thread = threading.Thread(target=self._serve, args=(ours,))
        self._threads.append(thread)
        thread.start()

    def join(self) -> None:
        """Wait for all connections to end."""
        for thread in self._threads:
            thread.join(DEADLINE)
            assert not thread.is_alive()

    def _find(self, name: str | None) -> TlsEnd | None:
        return self._end if name == server_name(self._end.run) else None

    def _serve(self, connected: socket.socket) -> None:
        try:
            secured, _end = admit(connected, self._find)
            channel = self.channel_type(secured, Connection(Role.SOURCE), RUN, threading.Event())
            SourceSession(channel, self.export).serve()
        except FerryError as error:
            self.errors.append(error)
        except Killed:
            pass  # As a killed process says nothing.


class Rig:
    """Disks in memory, a source, and a receiver's directory."""

    def __init__(self, directory: Path, source_papers: Papers, target_papers: Papers) -> None:
        self.directory = directory
        self.source_papers = source_papers
        self.target_papers = target_papers
        self.trusted = source_papers.certificate
        self.connect: Connect | None = None
        self.stop = threading.Event()
        (directory / "cert.pem").write_text(target_papers.certificate)
        self.put_key()

    def put_key(self) -> None:
        """The receiver's key is in its directory: there for one run, then gone."""
        (self.directory / "key.pem").write_text(self.target_papers.key)

    def source(self, *disks: Disk, **options: Any) -> Source:
        """Return a source of these disks, named sda, sdb and so on."""
        named = {f"sd{chr(97 + number)}": disk for number, disk in enumerate(disks)}
        options.setdefault("own", self.source_papers)
        options.setdefault("peer", self.target_papers.certificate)
        return Source(named, **options)

    def plan(self, *sizes: int, **fields: Any) -> SyncPlan:
        """Return a plan for disks of these sizes; their targets are named memory-sda and so on.

        `told` is what the plan says of each disk besides.
        """
        names = [f"sd{chr(97 + number)}" for number in range(len(sizes))]
        told = fields.pop("told", {})
        pairs = [
            {"source": name, "target": f"memory-{name}", "size": size, **told}
            for name, size in zip(names, sizes)
        ]
        fields.setdefault("patience", 30.0)
        fields.setdefault("run", RUN)
        return receiver.plan_sync(
            address="127.0.0.1",
            directory=str(self.directory),
            peer_certificate=self.trusted,
            disks=pairs,
            **fields,
        )

    def sync(
        self, source: Source, *targets: MemoryDisk, sizes: tuple[int, ...] = (), **fields: Any
    ) -> SyncReport:
        """Run one sync of all disks; the source has no connection left when this returns.

        A wish to stop is over then, whether the test had it or, at a failure, the receiver.
        """
        disks = list(source._disks.values())
        plan = self.plan(*(sizes or [disk.size for disk in disks]), **fields)
        by_name = {f"memory-sd{chr(97 + n)}": target for n, target in enumerate(targets)}
        with contextlib.ExitStack() as stack:
            stack.callback(self.stop.clear)
            stack.callback(source.join)
            return receiver.run_sync(
                plan,
                stop=self.stop,
                open_disk=lambda path: by_name[path],
                connect=self.connect or source.connect,
            )


def noise(size: int, seed: int = 1) -> bytes:
    """Return bytes that nothing compresses, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def patched(content: bytes | bytearray, *changes: tuple[int, bytes]) -> bytes:
    """Return `content` with pieces replaced: (start, bytes)."""
    changed = bytearray(content)
    for start, piece in changes:
        changed[start : start + len(piece)] = piece
    return bytes(changed)


def reference_root(content: bytes | bytearray, algorithm: str) -> str:
    """Return the root by the protocol document, in the plainest words; shares nothing with the engine."""

    def digest(data: bytes) -> bytes:
        if algorithm == "blake3":
            return blake3.blake3(data).digest(16)
        if algorithm == "blake2b":
            return hashlib.blake2b(data, digest_size=16).digest()
        return hashlib.sha256(data).digest()[:16]

    chunks = []
    for chunk in range(0, len(content), CHUNK):
        end = min(chunk + CHUNK, len(content))
        granules = [
            digest(bytes(content[at : min(at + GRANULE, end)])) for at in range(chunk, end, GRANULE)
        ]
        chunks.append(digest(b"ferry chunk 1\0" + b"".join(granules)))
    root = b"ferry root 1\0" + struct.pack("!Q", len(content)) + b"".join(chunks)
    return digest(root).hex()
