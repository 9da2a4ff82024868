# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copies themselves: round after round, every way once in each, so that drift hits all alike.

A copy whose bytes are wrong ends the benchmark: its time would be worth nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator, Mapping, Sequence

from tests.bench.errors import BenchError
from tests.bench.images import make_image
from tests.bench.links import Link
from tests.bench.measure import PeakMemory, open_end
from tests.bench.papers import Papers
from tests.bench.samples import Case, Sample
from tests.bench.table import show_case
from tests.bench.ways import Job, Way


@dataclass(frozen=True)
class Copy:
    """One thing to measure."""

    case: Case
    way: Way


@dataclass(frozen=True)
class Bench:
    """What copies need: links, papers, the pool of content, and a folder for images and targets."""

    links: Mapping[str, Link]
    papers: Papers
    pool: Path
    folder: Path

    def run(self, copies: Sequence[Copy], rounds: Iterable[int]) -> Iterator[Sample]:
        """Yield the samples as they are measured."""
        for number in rounds:
            for copy in copies:
                sample = self.measure(copy)
                _tell(
                    f"round {number}: {show_case(copy.case)}: {copy.way.name}: {sample.wall:.2f} s"
                )
                yield sample

    def measure(self, copy: Copy) -> Sample:
        """Copy once and look whether it is the same. Raises BenchError where it is not."""
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            target = self._make_target(copy.case)
            try:
                return self._copy(copy, target, Path(scratch))
            finally:
                target.unlink()

    def _make_target(self, case: Case) -> Path:
        """Return a target as the copy finds it: holes, or for a delta the older state."""
        target = self.folder / "target.raw"
        if case.image == "delta":
            older = make_image("dense", self.pool, self.folder, case.size)
            subprocess.run(["cp", "--sparse=never", str(older), str(target)], check=True)
        else:
            target.touch()
            os.truncate(target, case.size)
        return target

    def _copy(self, copy: Copy, target: Path, scratch: Path) -> Sample:
        case, link, log = copy.case, self.links[copy.case.link], scratch / "log"
        with ExitStack() as stack:
            source_end = stack.enter_context(open_end("source", link.source_entry, log))
            target_end = stack.enter_context(open_end("target", link.target_entry, log))
            job = Job(
                image=make_image(case.image, self.pool, self.folder, case.size),
                target=target,
                size=case.size,
                is_delta=case.image == "delta",
                address=link.address,
                source_end=source_end,
                target_end=target_end,
                papers=self.papers,
                folder=scratch,
            )
            sample = _time(copy, job, link)
        _compare(copy, job)
        return sample


def _time(copy: Copy, job: Job, link: Link) -> Sample:
    """Run the copy. What is timed is the target's command, from its start to its end."""
    copy.way.serve(job)
    command = copy.way.command(job)
    before = link.wire_bytes()
    with PeakMemory(job.source_end, job.target_end) as memory:
        begin = time.perf_counter()
        code = job.target_end.start(command).wait()
        wall = time.perf_counter() - begin
    wire = link.wire_bytes() - before
    source_time, target_time = job.source_end.processor_time(), job.target_end.processor_time()
    if code:
        raise BenchError(f"{copy.way.name} failed with {code}: {job.source_end.log.read_text()}")
    return Sample(
        case=copy.case,
        way=copy.way.name,
        family=copy.way.family,
        wall=wall,
        source_time=source_time,
        target_time=target_time,
        wire=wire,
        source_peak=memory.peaks[0],
        target_peak=memory.peaks[1],
        remark=copy.way.finish(job),
    )


def _compare(copy: Copy, job: Job) -> None:
    command = ["cmp", str(job.image), str(job.target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(
            f"{copy.way.name} made a wrong copy ({show_case(copy.case)}): {done.stdout}{done.stderr}",
            "The whole benchmark is void.",
        )


def check_room(folder: Path, size: int, images: int) -> None:
    """Raise BenchError if the images and a target do not fit into the folder."""
    wanted, free = (images + 1) * size, shutil.disk_usage(folder).free
    if free < wanted:
        raise BenchError(
            f"{folder} has {free >> 20} MiB free, the images need {wanted >> 20} MiB.",
            "Choose a smaller --size, or another --folder.",
        )


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
