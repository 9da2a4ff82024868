# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our copy: the sender's zipapp and the receiver, as they run on source and worker."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.ferry.hvm.plugins.module_utils.replication.package import build_sender
from ansible_collections.ferry.hvm.plugins.plugin_utils.identity import make_identity

from .measure import Usage, both_ends, measure, run
from .tools import PORT, Job

CHECKOUT = Path(__file__).resolve().parents[2]
RUN = "bench-1"


@dataclass(frozen=True)
class Ferry:
    """Our engine, with the accelerators of the test environment or with the standard library alone."""

    name: str
    python: tuple[str, ...] = (sys.executable,)
    connections: int = 2

    def copy(self, job: Job) -> Usage:
        """See Tool."""
        directory = job.folder / "receiver"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        worker, source = make_identity(RUN), make_identity(RUN)
        (directory / "key.pem").write_text(worker.key)
        (directory / "cert.pem").write_text(worker.certificate)
        archive = job.folder / "sender.pyz"
        archive.write_bytes(build_sender())
        size = job.source.stat().st_size
        if not job.is_delta:
            job.target.touch()
            run(["truncate", "-s", str(size), str(job.target)])
        (job.folder / "senders").mkdir(exist_ok=True)
        sender = [*job.link.at_source, *self.python, str(archive)]
        started = {
            "run": RUN,
            "directory": str(job.folder / "senders" / RUN),
            "bind": job.link.source_address,
            "port": PORT,
            "disks": [{"name": "sda", "path": str(job.source)}],
            "certificate": source.certificate,
            "key": source.key,
            "peer_certificate": worker.certificate,
        }
        plan = self._plan(job, directory, source.certificate, size)
        receive = [*self.python, "-m", "tests.bench.receive"]
        with both_ends() as ends:
            run(ends[0].command([*sender, "start"]), text=json.dumps(started))
            try:
                command = ends[1].command([*job.link.at_target, *receive])
                return measure(command, ends, job.link.wire_bytes, text=json.dumps(plan))
            finally:
                run([*sender, "stop"], text=json.dumps({"directory": started["directory"]}))

    def _plan(self, job: Job, directory: Path, certificate: str, size: int) -> dict[str, Any]:
        return {
            "run": RUN,
            "address": job.link.source_address,
            "directory": str(directory),
            "peer_certificate": certificate,
            "disks": [{"source": "sda", "target": str(job.target), "size": size}],
            "port": PORT,
            "connections": self.connections,
            "initial": not job.is_delta,
        }


OURS = (
    Ferry("ferry"),
    # Without site-packages.
    Ferry("ferry, stdlib only", (sys.executable, "-S")),
)
