# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of the system tests' files."""

from __future__ import annotations

from pathlib import Path

import pytest

# Begun later, one of them would be at work alone in the end. As many as are at work at once (system.sh): a
# worker takes its next file when two tests of its first are left, however long those are.
LONGEST = ("test_migration.py", "test_vm_migration.py", "test_prepare_guest.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest are begun with."""
    items.sort(key=lambda item: _is_of_system(item) and item.path.name not in LONGEST)


def _is_of_system(item: pytest.Item) -> bool:
    return item.path.parent == Path(__file__).parent
