# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of several files share, and which of the files may be at work at the same time."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

USES_ALONE = 'usefixtures("alone")'


class Groups(LoadFileScheduling):  # type: ignore[misc]  # xdist says no types.
    """Each file is one worker's, for its servers' sake; those that must be alone are all the same worker's.

    Else a second worker would wait for the first one's lock. (Groups by xdist's marks have no effect: xdist
    3.8 writes them to a field that pytest 9 no longer reads.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return "alone" if USES_ALONE in Path(self.config.rootpath, file).read_text() else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups:
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The group that is alone is begun with: it takes longest."""
    items.sort(key=lambda item: "alone" not in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="module")
def alone() -> Iterator[None]:
    """No other file with this fixture is at work: all of Ferry's processes here are this file's."""
    with (Path(tempfile.gettempdir()) / "ferry-test-processes.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
