# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure Ferry side by side with its peers: `python -m tests.bench [--size MIB] [--repeats N] [CASE ...]`.

The tools take turns, so that a machine that gets slower is slower for all. Writes
docs/benchmarks/README.md and a plot, or, with `--out FOLDER`, elsewhere. Needs root (network namespaces).
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / ".collections"))

# The path comes first: the collection is not installed here.
from .images import MIB, Images, make_images  # noqa: E402
from .links import Link, link  # noqa: E402
from .measure import Usage  # noqa: E402
from .ours import OURS  # noqa: E402
from .plot import draw  # noqa: E402
from .results import Case, Limit, table  # noqa: E402
from .tools import (  # noqa: E402
    DELTA_PEERS,
    PEERS,
    Job,
    Tool,
    check_equal,
    prepare_target,
)

NBDCOPY, ZSTD, RSYNC, ALONE = "nbdcopy", "dd, zstd", "rsync", "ferry, stdlib only"
CASES = (
    Case("dense, loopback", "dense", "loopback", (Limit(NBDCOPY, 1.1), Limit(NBDCOPY, 1.8, ALONE))),
    Case("thick, loopback", "thick", "loopback", (Limit(NBDCOPY, 0.6),)),
    Case("dense, 1 Gbit/s", "dense", "1gbit", (Limit(NBDCOPY, 0.6), Limit(NBDCOPY, 1.0, ALONE))),
    Case("thick, 1 Gbit/s", "thick", "1gbit", (Limit(NBDCOPY, 0.3), Limit(ZSTD, 0.5))),
    Case(
        "1 % delta, 1 Gbit/s",
        "changed",
        "1gbit",
        (Limit(RSYNC, 0.33), Limit(RSYNC, 1.0, of="wire")),
        is_delta=True,
    ),
    Case("dense, 100 Mbit/s", "dense", "100mbit", (Limit(NBDCOPY, 0.6),)),
)


def measure_case(case: Case, images: Images, repeats: int, folder: Path) -> dict[str, list[Usage]]:
    """Return each tool's copies of one case, in turns."""
    tools: tuple[Tool, ...] = (*OURS, *(DELTA_PEERS if case.is_delta else PEERS))
    samples: dict[str, list[Usage]] = {tool.name: [] for tool in tools}
    with link(case.link) as wire:
        for number in range(repeats):
            for tool in tools:
                samples[tool.name].append(_copy(tool, case, images, wire, folder))
                newest = samples[tool.name][-1]
                print(f"  {number + 1}/{repeats} {tool.name:24} {newest.wall:8.2f} s", flush=True)
    return samples


def _copy(tool: Tool, case: Case, images: Images, wire: Link, folder: Path) -> Usage:
    source = getattr(images, case.image)
    job = Job(source, folder / "target.raw", wire, folder, case.is_delta)
    prepare_target(job, images.dense)
    usage = tool.copy(job)
    check_equal(job)
    return usage


def main() -> int:
    """Measure what is asked for and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument(
        "cases", nargs="*", help="words that a case's name must have, all cases else"
    )
    parser.add_argument("--size", type=int, default=1024, help="size of the disks, in MiB")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=CHECKOUT / "docs" / "benchmarks")
    chosen = parser.parse_args()
    if os.geteuid():
        parser.error("only root can make network namespaces")
    images = make_images(chosen.size * MIB)
    wanted = [case for case in CASES if all(word in case.name for word in chosen.cases)]
    measured = {}
    with tempfile.TemporaryDirectory(prefix="bench-", dir=images.dense.parent) as folder:
        for case in wanted:
            print(case.name, flush=True)
            measured[case] = measure_case(case, images, chosen.repeats, Path(folder))
    command = " ".join(["python -m tests.bench", *sys.argv[1:]])
    page = table(measured, size=chosen.size * MIB, repeats=chosen.repeats, command=command)
    chosen.out.mkdir(parents=True, exist_ok=True)
    head = f"# Benchmarks\n\n{datetime.date.today()}, {os.cpu_count()} processors.\n\n![](bench.svg)\n\n"
    (chosen.out / "README.md").write_text(head + page)
    draw(measured, chosen.out / "bench.svg")
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
