# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lab's hypervisor puts an instance's disks, and that a test may turn that around."""

from __future__ import annotations

from lab.appliance.machines import place_disks


def test_disks_have_the_places_of_their_units() -> None:
    assert place_disks([0, 3, 1], is_reversed=False) == [0, 3, 1]


def test_reversed_disks_take_the_same_places_from_the_other_end() -> None:
    assert place_disks([0, 3, 1], is_reversed=True) == [3, 0, 1]
