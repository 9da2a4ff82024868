# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plot beside the table: how long each tool took, case by case."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pygal

from .results import Case, Samples, median


def draw(measured: Mapping[Case, Samples], path: Path) -> None:
    """Write an SVG with a group of bars for each case."""
    chart = pygal.Bar(
        title="Seconds per copy, median",
        x_title="case",
        truncate_legend=-1,
        js=[],
        pretty_print=True,
    )
    chart.x_labels = [case.name for case in measured]
    tools = list(dict.fromkeys(tool for samples in measured.values() for tool in samples))
    for tool in tools:
        seconds = [
            round(median(samples[tool], "wall"), 2) if tool in samples else None
            for samples in measured.values()
        ]
        chart.add(tool, seconds)
    chart.render_to_file(str(path))
