# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The peers, as Debian has them, each with the options that make it fast and with encryption.

Where an option makes a peer faster in one case and slower in another there is a way for each, and the
best of them is compared with.
"""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

from tests.bench.papers import SSH_PORT
from tests.bench.ways import Job, await_port

NBD_PORT = 10809

# Where Debian's sshd confines itself before a login; empty, and made by the service that is not run here.
_SSHD_FOLDER = Path("/run/sshd")


@contextmanager
def sshd_folder() -> Iterator[None]:
    """Have the folder that sshd will not start without; it goes if it was not there."""
    is_new = not _SSHD_FOLDER.exists()
    if is_new:
        _SSHD_FOLDER.mkdir(mode=0o755)
    try:
        yield
    finally:
        if is_new:
            _SSHD_FOLDER.rmdir()


def _serve_nbd(job: Job) -> None:
    tls = ["--tls=require", "--tls-verify-peer", f"--tls-certificates={job.papers.tls}"]
    place = ["-f", "-r", "-i", job.address, "-p", str(NBD_PORT)]
    server = job.source_end.start(["nbdkit", *place, *tls, "file", str(job.image)])
    await_port(server, NBD_PORT, job.source_end.log)


def _serve_ssh(job: Job) -> None:
    configuration = str(job.papers.ssh / "sshd_config")
    address = f"ListenAddress={job.address}"
    server = job.source_end.start(
        ["/usr/sbin/sshd", "-D", "-e", "-f", configuration, "-o", address]
    )
    await_port(server, SSH_PORT, job.source_end.log)


class Nbdcopy:
    """libnbd's own copying program: 4 connections, many requests at once on each."""

    name = family = "nbdcopy TLS"

    def serve(self, job: Job) -> None:
        """See Way."""
        _serve_nbd(job)

    def command(self, job: Job) -> Sequence[str]:
        """See Way. The target is told to be zero, so that holes of the source cost nothing."""
        uri = f"nbds://{job.address}:{NBD_PORT}/?tls-certificates={job.papers.tls}"
        return ["nbdcopy", "--connections=4", "--destination-is-zero", uri, str(job.target)]

    def finish(self, job: Job) -> str:
        """See Way."""
        return ""


class QemuImg:
    """qemu-img: writes out of order, 8 requests at once, finds zeros at the target."""

    name = family = "qemu-img TLS"

    def serve(self, job: Job) -> None:
        """See Way."""
        _serve_nbd(job)

    def command(self, job: Job) -> Sequence[str]:
        """See Way."""
        how = ["-n", "--target-is-zero", "-W", "-m", "8", "-O", "raw"]
        credentials = f"tls-creds-x509,id=tls,dir={job.papers.tls},endpoint=client"
        place = f"driver=nbd,host={job.address},port={NBD_PORT},tls-creds=tls"
        source = ["--object", credentials, "--image-opts", place]
        return ["qemu-img", "convert", *how, *source, str(job.target)]

    def finish(self, job: Job) -> str:
        """See Way."""
        return ""


@dataclass(frozen=True)
class ZstdOverSsh:
    """The pipe that an administrator types: dd, zstd at its fastest level, ssh."""

    threads: int  # Of the compressor; 0: one for each processor.
    family: str = "dd, zstd, ssh"

    @property
    def name(self) -> str:
        """See Way."""
        return f"dd, zstd -1 -T{self.threads}, ssh"

    def serve(self, job: Job) -> None:
        """See Way."""
        _serve_ssh(job)

    def command(self, job: Job) -> Sequence[str]:
        """See Way. Zeros are not written: the target has them."""
        read = f"dd if={shlex.quote(str(job.image))} bs=1M status=none"
        remote = f"{read} | zstd -q -1 -T{self.threads} -c"
        ssh = [*job.papers.ssh_command(), f"root@{job.address}", remote]
        write = ["dd", f"of={job.target}", "bs=1M", "iflag=fullblock", "conv=sparse,notrunc"]
        line = f"{shlex.join(ssh)} | zstd -q -d -c | {shlex.join(write)} status=none"
        return ["bash", "-o", "pipefail", "-c", line]

    def finish(self, job: Job) -> str:
        """See Way."""
        return ""


@dataclass(frozen=True)
class Rsync:
    """rsync in place: the whole file, or what its rolling sums find different."""

    block: int | None  # In bytes; None: by rsync's own rule, about the root of the size.
    family: str = "rsync"

    @property
    def name(self) -> str:
        """See Way."""
        return f"rsync -B {self.block >> 10} KiB" if self.block else "rsync --inplace"

    def serve(self, job: Job) -> None:
        """See Way."""
        _serve_ssh(job)

    def command(self, job: Job) -> Sequence[str]:
        """See Way. Size and time of a disk tell nothing, so that rsync is told to look inside."""
        how = ["--inplace", "--ignore-times"]
        how += ["--no-whole-file" if job.is_delta else "--whole-file"]
        how += [f"--block-size={self.block}"] if self.block else []
        shell = f"--rsh={shlex.join(job.papers.ssh_command())}"
        return ["rsync", *how, shell, f"root@{job.address}:{job.image}", str(job.target)]

    def finish(self, job: Job) -> str:
        """See Way."""
        return ""
