# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results as one SVG: a group of bars for each case, medians, with a line from least to most. Pure.

Written by hand: it is rectangles and text. docs/decisions/0050-benchmark.md says why.
"""

from __future__ import annotations

from html import escape
from typing import Iterator, Sequence

from tests.bench.limits import OURS
from tests.bench.samples import Case, Summary
from tests.bench.table import show_case

WIDTH = 860
NAMES = 200  # Left of the bars.
NUMBERS = 70  # Right of them.
ROW, BAR, GAP = 20, 13, 34

# Readable on light and dark pages; ours stands out without colour too, by its weight.
_STYLE = (
    "text{font:12px sans-serif;fill:#222}.h{font-weight:bold}.n{text-anchor:end}"
    ".ours{fill:#0b6e4f}.peer{fill:#9aa5b1}.span{stroke:#222;stroke-width:1}"
)


def draw(summaries: Sequence[Summary], title: str) -> str:
    """Return the picture. Each case has a scale of its own: they differ by orders of magnitude."""
    parts: list[str] = [_text(10, 22, title, "h")]
    top = 34
    for case in dict.fromkeys(one.case for one in summaries):
        here = [one for one in summaries if one.case == case]
        parts += _draw_case(case, here, top)
        top += GAP + ROW * len(here)
    height = top + 10
    frame = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    about = f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    return "\n".join([head, about, frame, *parts, "</svg>", ""])


def _draw_case(case: Case, here: Sequence[Summary], top: int) -> Iterator[str]:
    """Yield the case's heading and bars; the slowest copy fills the width."""
    yield _text(10, top + GAP - 14, f"{show_case(case)}: wall time in seconds", "h")
    scale = (WIDTH - NAMES - NUMBERS) / max(one.slowest for one in here)
    for number, one in enumerate(here):
        yield from _draw_bar(one, top + GAP - 8 + ROW * number, scale)


def _draw_bar(one: Summary, top: int, scale: float) -> Iterator[str]:
    kind = "ours" if one.family == OURS else "peer"
    middle = top + BAR / 2
    yield _text(NAMES - 8, top + 11, one.way, "n h" if kind == "ours" else "n")
    yield (
        f'<rect class="{kind}" x="{NAMES}" y="{top}" width="{one.wall * scale:.1f}" height="{BAR}"/>'
    )
    ends = [NAMES + value * scale for value in (one.fastest, one.slowest)]
    yield (
        f'<line class="span" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{middle}" y2="{middle}"/>'
    )
    yield _text(round(ends[1]) + 6, top + 11, f"{one.wall:.2f}", "")


def _text(left: float, top: float, text: str, kind: str) -> str:
    return f'<text x="{left}" y="{top}" class="{kind}">{escape(text)}</text>'
