# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ferry promises against its peers, as ratios ours / theirs; the lower, the better. Pure."""

from __future__ import annotations

from typing import NamedTuple, Sequence

from tests.bench.samples import Summary

MIB = 1 << 20

OURS = "ours"
PLAIN = "ours, stdlib only"

# Less than this many rounds is an impression, not a verdict.
ROUNDS = 5

# Memory of one end at most, however large the disk.
PEAK = 64 * MIB

# The dearest GiB of a large disk may cost this much more than the cheapest of a small one, and memory
# may grow by this: the noise of a quiet machine.
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
    """Judge how cost and memory grow from the smallest sparse disk to the largest."""
    sparse = [one for one in summaries if one.case.image == "sparse" and one.way == OURS]
    sparse.sort(key=lambda one: one.case.size)
    if len(sparse) < 2:
        return []
    small, large = sparse[0], sparse[-1]
    growths = {
        "wall per GiB": _per_byte(large) / _per_byte(small),
        "memory": max(large.peaks) / max(small.peaks),
    }
    sizes = f"{large.case.size >> 30} GiB sparse / {small.case.size >> 30} GiB"
    rounds = min(len(small.samples), len(large.samples))
    return [
        Verdict(f"{what}: {sizes}", f"{GROWTH:.2f}", f"{growth:.2f}", growth <= GROWTH, rounds)
        for what, growth in growths.items()
    ]


def _per_byte(summary: Summary) -> float:
    return summary.wall / summary.case.size
