# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the replication engine share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.plugins.module_utils.replication.rig import Papers, Rig, make_papers


@pytest.fixture(scope="session")
def source_papers() -> Papers:
    """The source's key and certificate."""
    return make_papers()


@pytest.fixture(scope="session")
def target_papers() -> Papers:
    """The target's key and certificate."""
    return make_papers()


@pytest.fixture(scope="session")
def stranger_papers() -> Papers:
    """Those of somebody who does not belong to the run."""
    return make_papers()


@pytest.fixture
def rig(tmp_path: Path, source_papers: Papers, target_papers: Papers) -> Rig:
    """A receiver's directory with keys, and what makes sources for it."""
    return Rig(tmp_path, source_papers, target_papers)
