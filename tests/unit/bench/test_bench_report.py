# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Medians, ratios, verdicts, and how they are shown."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.bench.limits import Verdict, judge
from tests.bench.plot import NAMES, NUMBERS, WIDTH, draw
from tests.bench.samples import Case, Sample
from tests.bench.table import case_tables, verdict_table
from tests.unit.bench.figures import DELTA, GIB, MIB, rounds, sample, summaries

NBD = "nbdcopy TLS"
SVG = "{http://www.w3.org/2000/svg}"


def verdicts(*groups: list[Sample]) -> dict[str, Verdict]:
    return {verdict.what: verdict for verdict in judge(summaries(*groups))}


def test_a_summary_is_the_median_and_the_worst_memory() -> None:
    group = [*rounds(1.0, 9.0), sample(2.0, source_peak=99 * MIB)]
    (summary,) = summaries(group)
    assert (summary.wall, summary.fastest, summary.slowest) == (2.0, 1.0, 9.0)
    assert summary.peaks == (99 * MIB, 40 * MIB)


def test_interleaved_samples_come_together_in_their_first_order() -> None:
    found = summaries(rounds(1.0), rounds(5.0, way=NBD), rounds(3.0), rounds(7.0, way=NBD))
    assert [(one.way, one.wall) for one in found] == [("ours", 2.0), (NBD, 6.0)]


def test_the_ratio_is_of_medians() -> None:
    found = verdicts(rounds(1.0, 1.1, 9.0), rounds(1.0, 1.0, 0.1, way=NBD))
    verdict = found[f"dense, loopback, wall: ours / {NBD}"]
    assert (verdict.measured, verdict.holds, verdict.rounds) == ("1.10", True, 3)


def test_just_above_a_limit_fails_even_if_it_is_shown_alike() -> None:
    found = verdicts(rounds(1.104), rounds(1.0, way=NBD))
    verdict = found[f"dense, loopback, wall: ours / {NBD}"]
    assert (verdict.measured, verdict.holds) == ("1.10", False)


def test_ours_is_held_against_the_best_of_a_family_in_each_measure() -> None:
    found = verdicts(
        rounds(1.0, case=DELTA, wire=10),
        rounds(4.0, case=DELTA, way="rsync small", family="rsync", wire=8),
        rounds(2.0, case=DELTA, way="rsync large", family="rsync", wire=20),
    )
    assert found["delta, 1gbit, wall: ours / rsync large"].measured == "0.50"
    assert found["delta, 1gbit, wire: ours / rsync small"].measured == "1.25"


def test_what_was_not_measured_has_no_verdict() -> None:
    assert not verdicts(rounds(1.0, way=NBD))
    assert set(verdicts(rounds(1.0))) == {
        "memory of our source, the most in any case",
        "memory of our target, the most in any case",
    }


def test_memory_is_judged_over_all_ways_of_ours() -> None:
    found = verdicts(
        rounds(1.0), rounds(1.0, way="ours, stdlib only", family="ours", target_peak=65 * MIB)
    )
    assert [verdict.holds for verdict in found.values()] == [True, False]


@pytest.mark.parametrize(
    ("wall", "cpu", "peak", "holds"),
    [
        pytest.param(65.0, 64.0, 40 * MIB, [True, True, True], id="linear and constant"),
        pytest.param(90.0, 64.0, 40 * MIB, [False, True, True], id="large disks take longer"),
        pytest.param(65.0, 90.0, 40 * MIB, [True, False, True], id="large disks cost more"),
        pytest.param(65.0, 64.0, 60 * MIB, [True, True, False], id="memory grows"),
    ],
)
def test_cost_grows_with_the_disk_and_memory_does_not(
    wall: float, cpu: float, peak: int, holds: list[bool]
) -> None:
    one, four, all_of_it = (Case("loopback", "sparse", size * GIB) for size in (1, 4, 64))
    found = verdicts(
        rounds(2.0, case=one, target_time=1.0),
        rounds(5.0, case=four, target_time=4.0),
        rounds(wall, case=all_of_it, target_time=cpu, target_peak=peak),
    )
    growth = [verdict for what, verdict in found.items() if "sparse, 1 to 64 GiB" in what]
    assert [verdict.holds for verdict in growth] == holds


@pytest.mark.parametrize(
    ("holds", "count", "word"),
    [
        pytest.param(True, 5, "pass", id="held in five rounds"),
        pytest.param(False, 7, "**fail**", id="not held"),
        pytest.param(True, 2, "pass (2 of 5 rounds)", id="too few rounds to tell"),
    ],
)
def test_a_verdict_says_what_it_is_worth(holds: bool, count: int, word: str) -> None:
    table = verdict_table([Verdict("a / b", "0.50", "0.49", holds, count)])
    assert table.splitlines()[-1] == f"| a / b | 0.50 | 0.49 | {word} |"


def test_each_case_has_a_table_with_the_cost_per_gib() -> None:
    half = Case("loopback", "dense", GIB // 2)
    found = summaries(rounds(1.0, case=half, remark="blake2b"), rounds(4.0, case=half, way=NBD))
    lines = case_tables(found).splitlines()
    assert lines[0] == "### dense, 512 MiB, loopback"
    assert (
        lines[-2] == "| ours | 1.00 | 1.00 to 1.00 |  | 4.00 | 6.00 | 100.0 | 30 | 40 | blake2b |"
    )
    assert lines[-1].startswith(f"| {NBD} | 4.00 | 4.00 to 4.00 | 0.25 |")


def test_the_plot_is_a_picture_with_a_bar_for_each_way() -> None:
    found = summaries(rounds(1.0, 2.0, 3.0), rounds(4.0, way="a <b> & c"))
    root = ElementTree.fromstring(draw(found, "Title & more"))
    bars = {shape.get("class"): shape for shape in root.iter(f"{SVG}rect") if shape.get("class")}
    assert set(bars) == {"ours", "peer"}
    full = WIDTH - NAMES - NUMBERS
    assert [float(bars[kind].get("width", 0)) for kind in ("ours", "peer")] == [full / 2, full]
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"Title & more", "a <b> & c", "2.00"} <= set(texts)


def test_nothing_of_the_plot_is_outside_of_it() -> None:
    found = summaries(*(rounds(1.0, case=Case(link, "dense", GIB)) for link in ("a", "b", "c")))
    root = ElementTree.fromstring(draw(found, "Title"))
    bottom = max(
        float(shape.get("y", 0)) + float(shape.get("height", 0))
        for shape in root.iter(f"{SVG}rect")
    )
    assert bottom <= float(root.get("height", 0))
