# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark: `make bench`, `make soak`, or `python -m tests.bench --help`.

Every way of copying, in turn, over links that exist for the run only; each copy is compared with its
source. What the run made is gone when it ends, however it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Iterator, Sequence

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / ".collections"), str(CHECKOUT)]

from ansible_collections.ferry.hvm.plugins.module_utils.units import KIB  # noqa: E402

from lab.settings import cache_directory  # noqa: E402
from tests.bench import links, measure  # noqa: E402
from tests.bench.arguments import read_arguments  # noqa: E402
from tests.bench.errors import BenchError  # noqa: E402
from tests.bench.host import describe, show_load  # noqa: E402
from tests.bench.images import pool_size  # noqa: E402
from tests.bench.limits import judge  # noqa: E402
from tests.bench.naming import is_orphan, own_name  # noqa: E402
from tests.bench.ours import both, with_index  # noqa: E402
from tests.bench.packages import make_pool  # noqa: E402
from tests.bench.papers import make_papers  # noqa: E402
from tests.bench.peers import Nbdcopy, QemuImg, Rsync, ZstdOverSsh, sshd_folder  # noqa: E402
from tests.bench.plot import draw  # noqa: E402
from tests.bench.run import Bench, Copy, check_room  # noqa: E402
from tests.bench.samples import Case, Sample, summarize  # noqa: E402
from tests.bench.table import case_tables, verdict_table  # noqa: E402
from tests.bench.ways import Way  # noqa: E402

# rsync's own rule makes 32 KiB of 1 GiB; its largest is 128 KiB.
RSYNC_BLOCKS = (None, 16 * KIB, 64 * KIB, 128 * KIB)


def main(words: Sequence[str]) -> int:
    """Measure, and write down what came out. Returns the exit code."""
    wanted = read_arguments(words)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    try:
        return _bench(wanted, words)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


def _bench(wanted: argparse.Namespace, words: Sequence[str]) -> int:
    if os.geteuid() != 0:
        raise BenchError("The benchmark makes network namespaces and needs root.")
    pool = make_pool(cache_directory() / "bench", pool_size(wanted.size))
    host = describe(pool, words)
    samples = list(_measure(wanted, pool))
    _write(wanted, samples, f"{host}* Load after: {show_load()}\n")
    holds = all(verdict.holds for verdict in judge(summarize(samples)))
    return int(wanted.check and not holds)


def _write(wanted: argparse.Namespace, samples: Sequence[Sample], host: str) -> None:
    """Write table and plot, and show the table."""
    summaries = summarize(samples)
    title = f"Ferry beside its peers: {_count(samples)}"
    verdicts = verdict_table(judge(summaries))
    page = f"# {title}\n\n{host}\n{verdicts}\n{case_tables(summaries)}"
    plot = f"{wanted.name}.svg"
    wanted.output.mkdir(parents=True, exist_ok=True)
    (wanted.output / f"{wanted.name}.md").write_text(f"{page}\n![wall time of each]({plot})\n")
    (wanted.output / plot).write_text(draw(summaries, title))
    print(page)


def _count(samples: Sequence[Sample]) -> str:
    count = min(len(summary.samples) for summary in summarize(samples))
    return f"medians of {count} rounds" if count > 1 else "one round"


def _measure(wanted: argparse.Namespace, pool: Path) -> Iterator[Sample]:
    copies = list(_copies(wanted))
    if not copies:
        raise BenchError("Nothing is left to measure.", "Look at --images, --ways and --sparse.")
    _remove_leftovers(wanted.folder)
    with ExitStack() as stack:
        folder = stack.enter_context(_work_folder(wanted.folder))
        check_room(folder, wanted.size, len({copy.case.image for copy in copies}))
        stack.enter_context(sshd_folder())
        names = {copy.case.link for copy in copies}
        opened = {name: stack.enter_context(links.open_link(name)) for name in sorted(names)}
        bench = Bench(opened, make_papers(folder), pool, folder)
        yield from bench.run(copies, _rounds(wanted))


def _copies(wanted: argparse.Namespace) -> Iterator[Copy]:
    """Yield the copies of one round."""
    ours = both()
    full: list[Way] = [*ours, Nbdcopy(), QemuImg(), ZstdOverSsh(1), ZstdOverSsh(0), Rsync(None)]
    delta: list[Way] = [*ours, with_index(), *(Rsync(block) for block in RSYNC_BLOCKS)]
    for link in wanted.links:
        for image in wanted.images:
            for way in delta if image == "delta" else full:
                if way.name.startswith(tuple(wanted.ways)):
                    yield Copy(Case(link, image, wanted.size), way)
    for size in wanted.sparse:
        yield Copy(Case("loopback", "sparse", size), ours[0])


def _rounds(wanted: argparse.Namespace) -> Iterator[int]:
    begin = time.monotonic()
    for number in range(1, wanted.rounds + 1):
        if number == 1 or not wanted.minutes or time.monotonic() - begin < wanted.minutes * 60:
            yield number


@contextlib.contextmanager
def _work_folder(parent: Path) -> Iterator[Path]:
    folder = parent / own_name("work")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _remove_leftovers(parent: Path) -> None:
    """Remove what benchmarks left that were killed: processes first, then what they held."""
    measure.remove_leftovers()
    links.remove_leftovers()
    for folder in parent.iterdir():
        if is_orphan(folder.name):
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
