# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured: one sample per copy, and what several samples of the same copy come to. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Callable, Iterable, NamedTuple, Sequence


class Case(NamedTuple):
    """What is copied, and over what."""

    link: str
    image: str
    size: int  # In bytes.


@dataclass(frozen=True)
class Sample:
    """One copy, verified. Times in seconds, the rest in bytes."""

    case: Case
    way: str
    family: str
    wall: float
    source_time: float  # Of processors.
    target_time: float
    wire: int
    source_peak: int  # Of memory.
    target_peak: int
    remark: str = ""


@dataclass(frozen=True)
class Summary:
    """Several samples of one way in one case."""

    samples: Sequence[Sample]

    @property
    def case(self) -> Case:
        """The case of all of them."""
        return self.samples[0].case

    @property
    def way(self) -> str:
        """The way of all of them."""
        return self.samples[0].way

    @property
    def family(self) -> str:
        """The way's family."""
        return self.samples[0].family

    @property
    def wall(self) -> float:
        """Median."""
        return self.middle(lambda sample: sample.wall)

    @property
    def wire(self) -> float:
        """Median."""
        return self.middle(lambda sample: sample.wire)

    @property
    def processor_time(self) -> float:
        """Median, both ends together."""
        return self.middle(lambda sample: sample.source_time + sample.target_time)

    @property
    def fastest(self) -> float:
        """The least wall time."""
        return min(sample.wall for sample in self.samples)

    @property
    def slowest(self) -> float:
        """The most wall time."""
        return max(sample.wall for sample in self.samples)

    @property
    def peaks(self) -> tuple[int, int]:
        """The most memory that the source's end and the target's ever had."""
        sources = (sample.source_peak for sample in self.samples)
        return max(sources), max(sample.target_peak for sample in self.samples)

    @property
    def remark(self) -> str:
        """What the samples have to say; not always the same."""
        return ", ".join(sorted({sample.remark for sample in self.samples} - {""}))

    def middle(self, of: Callable[[Sample], float]) -> float:
        """Return the median of something over the samples."""
        return median(of(sample) for sample in self.samples)


def summarize(samples: Iterable[Sample]) -> list[Summary]:
    """Return a summary for each way in each case, in the order in which they first came."""
    groups: dict[tuple[Case, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.case, sample.way), []).append(sample)
    return [Summary(group) for group in groups.values()]
