# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results as Markdown: what was promised, then a table for each case. Pure."""

from __future__ import annotations

from typing import Iterable, Sequence

from tests.bench.limits import OURS, ROUNDS, Verdict
from tests.bench.samples import Case, Summary

MIB, GIB = 1 << 20, 1 << 30

_COLUMNS = (
    "way",
    "wall s",
    "least to most",
    "ours / it",
    "CPU s/GiB, source",
    "target",
    "wire MiB",
    "memory MiB, source",
    "target",
    "remark",
)


def show_size(size: int) -> str:
    """Return the size as people say it."""
    return f"{size // GIB} GiB" if size % GIB == 0 else f"{size / MIB:.0f} MiB"


def show_case(case: Case) -> str:
    """Return a heading for the case."""
    return f"{case.image}, {show_size(case.size)}, {case.link}"


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """Return what was promised and what was measured."""
    rows = [(verdict.what, verdict.most, verdict.measured, _word(verdict)) for verdict in verdicts]
    return _table(("ours / the best of the peer's", "at most", "measured", "verdict"), rows)


def _word(verdict: Verdict) -> str:
    word = "pass" if verdict.holds else "**fail**"
    return word if verdict.rounds >= ROUNDS else f"{word} ({verdict.rounds} of {ROUNDS} rounds)"


def case_tables(summaries: Sequence[Summary]) -> str:
    """Return a heading and a table for each case, in the order in which they come."""
    cases = list(dict.fromkeys(one.case for one in summaries))
    return "\n".join(_case_table(case, summaries) for case in cases)


def _case_table(case: Case, summaries: Sequence[Summary]) -> str:
    here = [one for one in summaries if one.case == case]
    ours = next((one for one in here if one.way == OURS), None)
    return f"### {show_case(case)}\n\n{_table(_COLUMNS, [_row(one, ours) for one in here])}"


def _row(one: Summary, ours: Summary | None) -> tuple[str, ...]:
    gib = one.case.size / GIB
    peaks = [f"{peak / MIB:.0f}" for peak in one.peaks]
    return (
        one.way,
        f"{one.wall:.2f}",
        f"{one.fastest:.2f} to {one.slowest:.2f}",
        f"{ours.wall / one.wall:.2f}" if ours and ours is not one else "",
        f"{one.middle(lambda sample: sample.source_time) / gib:.2f}",
        f"{one.middle(lambda sample: sample.target_time) / gib:.2f}",
        f"{one.wire / MIB:.1f}",
        *peaks,
        one.remark,
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first are numbers, to the right."""
    line = ["---", *["--:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, line, *rows))
