# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils import units


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * units.GIB, "5.0 GiB")],
)
def test_sizes_are_shown_with_one_decimal(size: int, shown: str) -> None:
    assert units.show_size(size) == shown


def test_an_exact_size_shows_its_last_byte() -> None:
    assert units.show_exact_size(10 * units.GIB + 1) == "10.0 GiB (10737418241)"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 s"), (59.4, "59 s"), (125, "2 min 05 s"), (3 * 3600 + 420, "3 h 07 min")],
)
def test_durations_are_shown_in_two_units_at_most(seconds: float, shown: str) -> None:
    assert units.show_duration(seconds) == shown


@pytest.mark.parametrize(("size", "whole"), [(1, 1), (1 << 30, 1), ((1 << 30) + 1, 2)])
def test_volumes_are_whole_gib_that_hold_the_size(size: int, whole: int) -> None:
    assert units.up_to_gib(size) == whole << 30
