# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ferry's own engine, as it runs in a migration: the sender as a zipapp and daemon, the receiver dialling.

With the accelerators, and with the standard library alone: then by a Python that sees no other module.
The engine takes what it finds, there is no switch to forget.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

from ansible_collections.ferry.hvm.plugins.module_utils.replication.digests import Algorithm, Hasher
from ansible_collections.ferry.hvm.plugins.module_utils.replication.geometry import (
    chunk_count,
    split,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.index import Head, IndexWriter
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK, GRANULE
from ansible_collections.ferry.hvm.plugins.module_utils.replication.package import build_sender
from ansible_collections.ferry.hvm.plugins.module_utils.replication.plan import DiskPair, SyncPlan
from ansible_collections.ferry.hvm.plugins.plugin_utils.identity import Identity, make_identity

from tests.bench.errors import BenchError
from tests.bench.images import delta_writes
from tests.bench.ways import Job

CHECKOUT = Path(__file__).resolve().parents[2]

# Made by tests/bench/setup.sh, with what tests/bench/requirements.txt names.
ACCELERATED = CHECKOUT / ".build" / "bench" / "accelerated" / "bin" / "python"

ACCELERATORS = ("blake3", "zstandard")

RUN = "bench"
IDENTITY = {"disk": "bench"}
MIGRATION = "bench"


@dataclass(frozen=True)
class Ours:
    """The engine under one Python."""

    name: str
    python: tuple[str, ...]
    family: str = "ours"
    has_index: bool = False  # Of the older state, and is told what changed; for deltas only.

    def serve(self, job: Job) -> None:
        """See Way."""
        sender, receiver = make_identity(RUN), make_identity(RUN)
        (job.folder / "sender.pyz").write_bytes(build_sender())
        order = _order(job, sender, receiver)
        if self.has_index:
            order["disks"][0]["index"] = _index_order(job)
        self._call(job, "start", order)
        run = job.folder / "receiver"
        run.mkdir()
        (run / "key.pem").write_text(receiver.key)
        (run / "cert.pem").write_text(receiver.certificate)
        plan = _plan(job, run, sender.certificate)
        (job.folder / "plan.json").write_text(json.dumps(plan.as_dict()))

    def command(self, job: Job) -> Sequence[str]:
        """See Way."""
        path = f"PYTHONPATH={CHECKOUT / '.collections'}"
        receive = str(CHECKOUT / "tests" / "bench" / "receive.py")
        return ["env", path, *self.python, receive, str(job.folder / "plan.json")]

    def finish(self, job: Job) -> str:
        """See Way. The remark is the digest that both ends agreed on, and what an index saved."""
        self._call(
            job, "stop", {"directory": str(job.folder / "runs" / RUN), "migration": MIGRATION}
        )
        result = json.loads((job.folder / "receiver" / "result.json").read_text())
        claim = result["disks"][0]["claim"]
        remark = str(claim["algorithm"])
        return f"{remark}, {_show_reads(job, claim['source_read'])}" if self.has_index else remark

    def _call(self, job: Job, command: str, document: dict[str, Any]) -> None:
        sender = [*self.python, str(job.folder / "sender.pyz"), command]
        job.source_end.run(sender, json.dumps(document))


def both() -> list[Ours]:
    """Return the engine with accelerators and without. Raises BenchError if a Python is not as it should."""
    # A venv's Python is a link to the one that it was made by; -S keeps that from its site-packages.
    plain = (os.path.realpath(sys.executable), "-S")
    ways = [Ours("ours", (str(ACCELERATED),)), Ours("ours, stdlib only", plain)]
    for way, expected in zip(ways, (set(ACCELERATORS), set())):
        found = _find_accelerators(way.python)
        if found != expected:
            raise BenchError(
                f"The Python of {way.name!r} has {sorted(found)}, not {sorted(expected)}.",
                "Run tests/bench/setup.sh.",
            )
    return ways


def with_index() -> Ours:
    """Return the engine as a source worker runs it, for deltas."""
    return Ours("ours, index", (str(ACCELERATED),), has_index=True)


def _index_order(job: Job) -> dict[str, Any]:
    """Return the order for a copy of the older state's index, which is made once."""
    older = job.image.with_name(f"dense-{job.size}.raw")
    kept = older.with_suffix(".index")
    if not kept.exists():
        _write_index(older, kept)
    shutil.copyfile(kept, job.folder / kept.name)
    return {
        "path": str(job.folder / kept.name),
        "identity": IDENTITY,
        "generation": 2,
        "change_id": "2",
        "since": "1",
        "extents": [list(span) for span in delta_writes(job.size)],
    }


def _write_index(disk: Path, path: Path) -> None:
    hasher = Hasher(Algorithm.BLAKE3)
    size = disk.stat().st_size
    writer = IndexWriter(str(path), size)
    with disk.open("rb") as stream:
        for chunk in range(chunk_count(size)):
            writer.note(chunk, hasher.granules(memoryview(stream.read(CHUNK))))
    root = writer.root(hasher).hex()
    writer.finish(Head(IDENTITY, size, "blake3", "1", 1, root), hasher)
    writer.close()


def _show_reads(job: Job, read: dict[str, int]) -> str:
    """Return what the source read, as a share of the granules that changed and the sample."""
    touched = {
        granule.start // GRANULE
        for write in delta_writes(job.size)
        for granule in split(write, GRANULE)
    }
    least = len(touched) * GRANULE + read["sampled"]
    return (
        f"source read {(read['read'] + read['sampled']) / least:.2f} of what changed and the sample"
    )


def _find_accelerators(python: tuple[str, ...]) -> set[str]:
    probe = "import sys, importlib.util as u; print(*filter(u.find_spec, sys.argv[1:]))"
    try:
        said = subprocess.run(
            [*python, "-c", probe, *ACCELERATORS], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return set()
    return set(said.stdout.split())


def _order(job: Job, sender: Identity, receiver: Identity) -> dict[str, Any]:
    return {
        "run": RUN,
        "migration": MIGRATION,
        "bind": job.address,
        "directory": str(job.folder / "runs" / RUN),
        "key": sender.key,
        "certificate": sender.certificate,
        "peer_certificate": receiver.certificate,
        "disks": [{"name": "disk", "path": str(job.image)}],
    }


def _plan(job: Job, directory: Path, peer_certificate: str) -> SyncPlan:
    """Return the plan that a migration would make: all of its defaults."""
    return SyncPlan(
        run=RUN,
        address=job.address,
        directory=str(directory),
        peer_certificate=peer_certificate,
        disks=(DiskPair("disk", str(job.target), job.size),),
        initial=not job.is_delta,
    )
