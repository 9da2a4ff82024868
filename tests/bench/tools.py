# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The peers that make the same copy, each at its best: durable at the end, as ours is."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .errors import BenchError
from .links import Link
from .measure import End, Usage, both_ends, measure, run
from .tls_files import make_tls_files

PORT = 5995
DEADLINE = 20.0


@dataclass(frozen=True)
class Job:
    """One copy to make. The target exists for a delta, else it does not; `folder` is for files on the way."""

    source: Path
    target: Path
    link: Link
    folder: Path
    is_delta: bool


class Tool(Protocol):
    """Makes copies."""

    @property
    def name(self) -> str:
        """What the tables call it."""

    def copy(self, job: Job) -> Usage:
        """The target equals the source; returns what that cost. Raises BenchError."""


class NbdCopy:
    """nbdcopy from an NBD server with TLS."""

    name = "nbdcopy TLS"

    def copy(self, job: Job) -> Usage:
        """See Tool."""
        with both_ends() as ends, nbd_server(job, ends[0]):
            tls = f"tls-certificates={job.folder / 'tls'}"
            url = f"nbds://{job.link.source_address}:{PORT}/?{tls}"
            words = ["nbdcopy", "--flush", url, str(job.target)]
            command = ends[1].command([*job.link.at_target, *words])
            return measure(command, ends, job.link.wire_bytes)


class QemuConvert:
    """qemu-img convert from an NBD server with TLS."""

    name = "qemu-img convert TLS"

    def copy(self, job: Job) -> Usage:
        """See Tool."""
        with both_ends() as ends, nbd_server(job, ends[0]):
            server = f"driver=nbd,host={job.link.source_address},port={PORT},tls-creds=tls"
            words = ["qemu-img", "convert", "-O", "raw", "-m", "16", "-W"]
            tls = f"tls-creds-x509,id=tls,endpoint=client,dir={job.folder / 'tls'}"
            options = ["--object", tls, "--image-opts", server, str(job.target)]
            command = ends[1].command([*job.link.at_target, *words, *options])
            return measure(command, ends, job.link.wire_bytes)


class DdZstdSsh:
    """dd through zstd and ssh, what administrators type."""

    name = "dd, zstd, ssh"

    def copy(self, job: Job) -> Usage:
        """See Tool."""
        with both_ends() as ends, ssh_server(job, ends[0]) as ssh:
            there = f"dd if={job.source} bs=1M status=none | zstd -1 -T0 -qc"
            here = f"zstd -dqc | dd of={job.target} bs=1M iflag=fullblock conv=fsync,sparse status=none"
            line = f"set -o pipefail; {' '.join(ssh)} '{there}' | {here} && truncate -s {job.source.stat().st_size} {job.target}"
            command = ends[1].command([*job.link.at_target, "bash", "-c", line])
            return measure(command, ends, job.link.wire_bytes)


@dataclass(frozen=True)
class Rsync:
    """rsync in place, which compares by checksums of blocks; `block` 0 leaves the choice to it."""

    block: int = 0

    @property
    def name(self) -> str:
        """See Tool."""
        return f"rsync --inplace {f'-B {self.block}' if self.block else ''}".strip()

    def copy(self, job: Job) -> Usage:
        """See Tool."""
        with both_ends() as ends, ssh_server(job, ends[0]) as ssh:
            block = [f"--block-size={self.block}"] if self.block else []
            way = ["--inplace", "--no-whole-file", "--fsync", "--ignore-times", *block]
            far = f"{ssh[-1]}:{job.source}"
            words = ["rsync", *way, "-e", " ".join(ssh[:-1]), far, str(job.target)]
            command = ends[1].command([*job.link.at_target, *words])
            return measure(command, ends, job.link.wire_bytes)


PEERS: tuple[Tool, ...] = (NbdCopy(), QemuConvert(), DdZstdSsh())
DELTA_PEERS: tuple[Tool, ...] = (Rsync(), Rsync(16 << 10), Rsync(64 << 10), Rsync(128 << 10))


@contextmanager
def nbd_server(job: Job, end: End) -> Iterator[None]:
    """An NBD server with TLS serves the job's source."""
    certificates = job.folder / "tls"
    make_tls_files(certificates, [job.link.source_address])
    where = ["--ipaddr", job.link.source_address, "--port", str(PORT)]
    tls = ["--tls=require", f"--tls-certificates={certificates}", "--tls-verify-peer"]
    words = ["nbdkit", "--foreground", "--readonly", *where, *tls, "file", str(job.source)]
    with background(job, end.command([*job.link.at_source, *words])):
        yield


@contextmanager
def ssh_server(job: Job, end: End) -> Iterator[list[str]]:
    """An SSH server with keys of its own runs at the source; yields the client's words up to the host."""
    keys = job.folder / "ssh"
    keys.mkdir(exist_ok=True)
    for name in ("host", "user"):
        if not (keys / name).exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)])
    address = job.link.source_address
    public = (keys / "host.pub").read_text()
    (keys / "known_hosts").write_text(f"[{address}]:{PORT} {public}")
    options = {
        "ListenAddress": f"{address}:{PORT}",
        "HostKey": keys / "host",
        "AuthorizedKeysFile": keys / "user.pub",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
    }
    words = [f"-o{name}={value}" for name, value in options.items()]
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    sshd = ["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", *words]
    known = ["-o", f"UserKnownHostsFile={keys / 'known_hosts'}", "-o", "BatchMode=yes"]
    login = ["ssh", "-F", "none", "-i", str(keys / "user"), "-p", str(PORT), *known]
    with background(job, end.command([*job.link.at_source, *sshd])):
        yield [*login, f"root@{address}"]


@contextmanager
def background(job: Job, command: Sequence[str]) -> Iterator[None]:
    """The command runs, listening on PORT, until the block ends."""
    log = job.folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        _await_listener(job, process, log)
        yield
    finally:
        process.terminate()
        process.wait(DEADLINE)


def _await_listener(job: Job, process: "subprocess.Popen[bytes]", log: Path) -> None:
    last = time.monotonic() + DEADLINE
    look = [*job.link.at_source, "ss", "-Hltn", f"sport = :{PORT}"]
    while not run(look):
        if process.poll() is not None or time.monotonic() > last:
            raise BenchError(f"{process.args!r} does not listen: {log.read_text()}")
        time.sleep(0.05)


def prepare_target(job: Job, old: Path) -> None:
    """The target holds `old` where the job is a delta, else it is not there."""
    job.target.unlink(missing_ok=True)
    if job.is_delta:
        run(["cp", "--sparse=never", str(old), str(job.target)])
    os.sync()


def check_equal(job: Job) -> None:
    """Raise BenchError unless the target equals the source."""
    run(["cmp", str(job.source), str(job.target)])


def is_port_free() -> bool:
    """Whether nothing listens on PORT of this host's loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", PORT)) != 0
