# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Carry out a plan in a mounted Windows: files through ntfs-3g, values through libhivex."""

from __future__ import annotations

from itertools import groupby
from typing import List

from . import hives
from .apply import Timer
from .changes import EditFile, PlaceFile, PlaceScript, Plan, SetValue
from .errors import PreparationError
from .windows_inspection import hive_path
from .windows_tree import WindowsTree


def apply_windows_plan(plan: Plan, tree: WindowsTree, timer: Timer) -> None:
    """Every change of the plan is made; each hive is written once, after all files are there.

    Raises PreparationError at the first failure.
    """
    with timer("place files"):
        for change in plan.changes:
            if isinstance(change, PlaceFile):
                tree.place(change.source, change.path)
            elif isinstance(change, EditFile):
                tree.write(change.path, change.after)
            elif isinstance(change, PlaceScript):
                tree.write_privately(change.path, change.text)
            elif not isinstance(change, SetValue):
                raise PreparationError(f"No program of a Windows guest runs here: {change}.")
    with timer("set registry values"):
        _set_values([each for each in plan.changes if isinstance(each, SetValue)], tree)


def _set_values(changes: List[SetValue], tree: WindowsTree) -> None:
    ordered = sorted(changes, key=lambda each: each.name.hive)
    for name, group in groupby(ordered, key=lambda each: each.name.hive):
        with hives.change_hive(hive_path(tree, name), name) as hive:
            for change in group:
                hive.set(change.name.key, change.name.name, change.after)
