# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ferry promises against its peers, as ratios ours / theirs; the lower, the better. Pure."""

from __future__ import annotations

from typing import Callable, NamedTuple, Sequence

from tests.bench.samples import Summary

MIB = 1 << 20

OURS = "ours"
PLAIN = "ours, stdlib only"

# Less than this many rounds is an impression, not a verdict.
ROUNDS = 5

# Memory of one end at most, however large the disk.
PEAK = 64 * MIB

# Between the two largest disks a GiB may cost this much more than between the two smallest, and memory may
# grow by this from the smallest to the largest: the noise of a quiet machine.
GROWTH = 1.25


class Limit(NamedTuple):
    """Ours may take `most` times what the best of a peer's family takes."""

    link: str
    image: str
    ours: str
    family: str
    what: str  # "wall" or "wire"
    most: float


LIMITS = (
    Limit("loopback", "dense", OURS, "nbdcopy TLS", "wall", 1.10),
    Limit("loopback", "dense", PLAIN, "nbdcopy TLS", "wall", 1.80),
    Limit("loopback", "thick", OURS, "nbdcopy TLS", "wall", 0.60),
    Limit("1gbit", "thick", OURS, "nbdcopy TLS", "wall", 0.30),
    Limit("1gbit", "thick", OURS, "dd, zstd, ssh", "wall", 0.50),
    Limit("1gbit", "dense", OURS, "nbdcopy TLS", "wall", 0.60),
    Limit("1gbit", "dense", PLAIN, "nbdcopy TLS", "wall", 1.00),
    Limit("loopback", "delta", OURS, "rsync", "wall", 0.33),
    Limit("loopback", "delta", OURS, "rsync", "wire", 1.00),
    Limit("1gbit", "delta", OURS, "rsync", "wall", 0.33),
    Limit("1gbit", "delta", OURS, "rsync", "wire", 1.00),
)


class Verdict(NamedTuple):
    """One promise, looked at."""

    what: str
    most: str
    measured: str
    holds: bool
    rounds: int


def judge(summaries: Sequence[Summary]) -> list[Verdict]:
    """Return a verdict for each promise that something was measured for."""
    ratios = [_judge_ratio(limit, summaries) for limit in LIMITS]
    found = [verdict for verdict in ratios if verdict is not None]
    return [*found, *_judge_memory(summaries), *_judge_growth(summaries)]


def _judge_ratio(limit: Limit, summaries: Sequence[Summary]) -> Verdict | None:
    here = [one for one in summaries if one.case[:2] == (limit.link, limit.image)]
    ours = [one for one in here if one.way == limit.ours]
    peers = [one for one in here if one.family == limit.family]
    if not ours or not peers:
        return None
    best = min(peers, key=lambda peer: _value(peer, limit.what))
    ratio = _value(ours[0], limit.what) / _value(best, limit.what)
    return Verdict(
        what=f"{limit.image}, {limit.link}, {limit.what}: {limit.ours} / {best.way}",
        most=f"{limit.most:.2f}",
        measured=f"{ratio:.2f}",
        holds=ratio <= limit.most,
        rounds=min(len(ours[0].samples), len(best.samples)),
    )


def _value(summary: Summary, what: str) -> float:
    return summary.wall if what == "wall" else summary.wire


def _judge_memory(summaries: Sequence[Summary]) -> list[Verdict]:
    """Judge the highest peaks of all that ours copied."""
    ours = [one for one in summaries if one.family == OURS]
    if not ours:
        return []
    peaks = [max(one.peaks[end] for one in ours) for end in (0, 1)]
    rounds = min(len(one.samples) for one in ours)
    return [
        Verdict(
            what=f"memory of our {end}, the most in any case",
            most=f"{PEAK // MIB} MiB",
            measured=f"{peak / MIB:.0f} MiB",
            holds=peak <= PEAK,
            rounds=rounds,
        )
        for end, peak in zip(("source", "target"), peaks)
    ]


def _judge_growth(summaries: Sequence[Summary]) -> list[Verdict]:
    """Judge how cost and memory grow with the size of sparse disks, of three sizes at least."""
    sparse = [one for one in summaries if one.case.image == "sparse" and one.way == OURS]
    sparse.sort(key=lambda one: one.case.size)
    if len(sparse) < 3:
        return []
    growths = {
        "wall of a GiB": _steepening(sparse, lambda one: one.wall),
        "CPU of a GiB": _steepening(sparse, lambda one: one.processor_time),
        "memory": max(sparse[-1].peaks) / max(sparse[0].peaks),
    }
    sizes = f"{sparse[0].case.size >> 30} to {sparse[-1].case.size >> 30} GiB"
    rounds = min(len(one.samples) for one in sparse)
    return [
        Verdict(
            f"sparse, {sizes}: growth of {what}",
            f"{GROWTH:.2f}",
            f"{growth:.2f}",
            growth <= GROWTH,
            rounds,
        )
        for what, growth in growths.items()
    ]


def _steepening(rising: Sequence[Summary], cost: Callable[[Summary], float]) -> float:
    """Return how much steeper the cost is at the end than at the beginning; programs' start cancels out.

    cost |            x     1.0: a straight line
         |       x
         |   x
         +-------------- size
    """
    slopes = [
        (cost(large) - cost(small)) / (large.case.size - small.case.size)
        for small, large in (rising[:2], rising[-2:])
    ]
    return slopes[1] / slopes[0]
