# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From measurements to a table: medians, ratios to the peers, and whether they keep their limits."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .measure import Usage

GIB = 1 << 30
MIB = 1 << 20


@dataclass(frozen=True)
class Limit:
    """Ours by the best of the peers whose names begin so, in wall time or in bytes on the wire."""

    peer: str
    most: float
    ours: str = "ferry"
    of: str = "wall"


@dataclass(frozen=True)
class Case:
    """One thing to copy over one link, and what we hold ourselves to."""

    name: str
    image: str
    link: str
    limits: tuple[Limit, ...]
    is_delta: bool = False


Samples = Mapping[str, Sequence[Usage]]


def median(samples: Sequence[Usage], of: str) -> float:
    """Return the median of one quantity."""
    return float(statistics.median(getattr(sample, of) for sample in samples))


def ratio(samples: Samples, limit: Limit) -> float:
    """Return ours by the best of the peers that the limit names."""
    peers = [median(of, limit.of) for name, of in samples.items() if name.startswith(limit.peer)]
    return median(samples[limit.ours], limit.of) / min(peers)


def rows(case: Case, samples: Samples, size: int) -> list[str]:
    """Return the Markdown rows of a case, a tool each."""
    return [
        f"| {case.name} | {tool} | {median(of, 'wall'):.2f} | {median(of, 'cpu') * GIB / size:.2f} "
        f"| {median(of, 'source_peak') / MIB:.0f} | {median(of, 'target_peak') / MIB:.0f} "
        f"| {median(of, 'wire') / MIB:.1f} |"
        for tool, of in samples.items()
    ]


def verdicts(case: Case, samples: Samples) -> list[str]:
    """Return the Markdown rows of a case's limits."""
    lines = []
    for limit in case.limits:
        found = ratio(samples, limit)
        word = "yes" if found <= limit.most else "**no**"
        what = "time" if limit.of == "wall" else "bytes on the wire"
        lines.append(
            f"| {case.name} | {limit.ours} by {limit.peer}, {what} | {found:.2f} | {limit.most:.2f} | {word} |"
        )
    return lines


def table(measured: Mapping[Case, Samples], *, size: int, repeats: int, command: str) -> str:
    """Return the whole page."""
    costs = [row for case, samples in measured.items() for row in rows(case, samples, size)]
    kept = [row for case, samples in measured.items() for row in verdicts(case, samples)]
    return "\n".join(
        [
            f"Median of {repeats} interleaved copies of {size / GIB:g} GiB; every copy was compared.",
            f"To repeat: `{command}`.",
            "",
            "| case | tool | s | CPU s/GiB, both ends | source, peak MiB | target, peak MiB | wire MiB |",
            "|---|---|---:|---:|---:|---:|---:|",
            *costs,
            "",
            "| case | by the best of its kind | ratio | limit | kept |",
            "|---|---|---:|---:|---|",
            *kept,
            "",
        ]
    )
