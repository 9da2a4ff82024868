# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and certificates of the peers, made in the run and gone with its folder."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.bench.errors import BenchError
from tests.bench.links import SOURCE

# Both links' source addresses, as the peers' clients check them. P-256 as our own certificates.
_CONFIGURATION = f"""\
[req]
distinguished_name = name
prompt = no
[name]
CN = Ferry benchmark
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[end]
basicConstraints = critical, CA:FALSE
subjectAltName = IP:127.0.0.1, IP:{SOURCE}
"""

_REQUEST = (
    *("openssl", "req", "-x509", "-config", "openssl.cnf", "-days", "2", "-nodes"),
    *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
)

# Debian's own settings would bring in PAM, which moves sessions out of the end's control group.
_SSHD = """\
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/client.pub
PidFile none
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
"""

SSH_PORT = 2222


class Papers(NamedTuple):
    """Folders with what one run's peers prove themselves by."""

    tls: Path  # Under the names that GnuTLS' users expect: ca-cert.pem, server-cert.pem, ...
    ssh: Path

    def ssh_command(self) -> list[str]:
        """Return an ssh that knows the run's server, and nothing of this user's settings.

        AES-GCM, as TLS uses: OpenSSH's own first choice is much slower on processors with AES.
        """
        options = [
            *("-F", "none", "-i", f"{self.ssh}/client", "-p", str(SSH_PORT)),
            *("-o", f"UserKnownHostsFile={self.ssh}/known_hosts", "-o", "HostKeyAlias=bench"),
            *("-o", "BatchMode=yes", "-o", "Compression=no", "-c", "aes128-gcm@openssh.com"),
        ]
        return ["ssh", *options]


def make_papers(folder: Path) -> Papers:
    """Return papers that only this run's ends accept."""
    papers = Papers(folder / "tls", folder / "ssh")
    _make_certificates(papers.tls)
    _make_ssh_keys(papers.ssh)
    return papers


def _make_certificates(folder: Path) -> None:
    folder.mkdir()
    (folder / "openssl.cnf").write_text(_CONFIGURATION)
    _certify(folder, "ca", "-extensions", "ca")
    for end in ("server", "client"):
        _certify(folder, end, "-extensions", "end", "-CA", "ca-cert.pem", "-CAkey", "ca-key.pem")


def _certify(folder: Path, name: str, *options: str) -> None:
    output = ["-keyout", f"{name}-key.pem", "-out", f"{name}-cert.pem"]
    _run([*_REQUEST, *options, *output], folder)


def _make_ssh_keys(folder: Path) -> None:
    folder.mkdir()
    for name in ("host", "client"):
        _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name], folder)
    host_key = (folder / "host.pub").read_text()
    (folder / "known_hosts").write_text(f"bench {host_key}")
    (folder / "sshd_config").write_text(_SSHD.format(port=SSH_PORT, folder=folder))


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(command)} failed: {done.stderr}")
