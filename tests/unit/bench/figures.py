# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples as a run would have measured them."""

from __future__ import annotations

from typing import Any

from tests.bench.samples import Case, Sample, Summary, summarize

MIB, GIB = 1 << 20, 1 << 30

DENSE = Case("loopback", "dense", GIB)
DELTA = Case("1gbit", "delta", GIB)


def sample(wall: float = 1.0, *, case: Case = DENSE, way: str = "ours", **other: Any) -> Sample:
    """Return a sample; its family is its way unless said otherwise."""
    values: dict[str, Any] = {
        "family": way,
        "source_time": 2.0,
        "target_time": 3.0,
        "wire": 100 * MIB,
        "source_peak": 30 * MIB,
        "target_peak": 40 * MIB,
    }
    return Sample(case=case, way=way, wall=wall, **{**values, **other})


def rounds(*walls: float, **other: Any) -> list[Sample]:
    """Return a sample for each wall time."""
    return [sample(wall, **other) for wall in walls]


def summaries(*groups: list[Sample]) -> list[Summary]:
    """Return the summaries of all samples."""
    return summarize(one for group in groups for one in group)
