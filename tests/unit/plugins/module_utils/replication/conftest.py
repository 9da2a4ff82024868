# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the replication engine share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication import receiver
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK

from tests.unit.plugins.module_utils.replication.processes import Sender
from tests.unit.plugins.module_utils.replication.rig import Papers, Rig, make_papers, noise


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


@pytest.fixture
def sender(tmp_path: Path, source_papers: Papers, target_papers: Papers) -> Iterator[Sender]:
    """The zipapp and a disk of one chunk; it serves nothing yet, and nothing any more afterwards."""
    sender = Sender(tmp_path, source_papers, target_papers)
    sender.disk.write_bytes(noise(CHUNK))
    yield sender
    sender.stop()


@pytest.fixture
def no_receiver_stays(rig: Rig) -> Iterator[None]:
    """A test that failed leaves no daemon behind."""
    yield
    receiver.stop(str(rig.directory))
