# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A source's answers: how much of what is asked is on its way at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication import messages as m
from ansible_collections.ferry.hvm.plugins.module_utils.replication.answers import Answers
from ansible_collections.ferry.hvm.plugins.module_utils.replication.digests import Algorithm, Hasher
from ansible_collections.ferry.hvm.plugins.module_utils.replication.export import Account
from ansible_collections.ferry.hvm.plugins.module_utils.replication.governor import Governor
from ansible_collections.ferry.hvm.plugins.module_utils.replication.ledger import Ledger
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import (
    CHUNK,
    COMPARE_CHUNKS,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.memory_disk import MemoryDisk
from ansible_collections.ferry.hvm.plugins.module_utils.replication.readahead import DEPTH

# Forty frames of digests; what is not kept of the disk is never read here.
SIZE = 40 * COMPARE_CHUNKS * CHUNK


class Listener:
    """A channel's place; it keeps what is said."""

    def __init__(self) -> None:
        self.said: list[m.Frame] = []

    def send(self, frame: m.Frame, _payload: bytes = b"") -> None:
        """Hear a frame."""
        self.said.append(frame)

    def wake(self) -> None:
        """Nobody sleeps."""

    def tend(self) -> None:
        """Nobody waits."""


def digest_of(chunk: int) -> bytes:
    return (chunk + 1).to_bytes(16, "big")


REQUESTS: dict[str, Callable[[], list[m.Request]]] = {
    "a recall of all": lambda: [m.Recall(0, SIZE)],
    "many recalls": lambda: [m.Recall(0, SIZE)] * 3,
    "chunks, then a recall": lambda: [m.Fetch(0, 8 * CHUNK), m.Recall(0, SIZE)],
}


@pytest.mark.parametrize("ask", REQUESTS.values(), ids=REQUESTS.keys())
def test_no_request_has_more_begun_than_can_be_read_ahead(
    ask: Callable[[], list[m.Request]],
) -> None:
    listener: Any = Listener()
    account = Account(Ledger(SIZE, Hasher(Algorithm.SHA256)))
    for chunk in range(SIZE // CHUNK):
        account.ledger.note(chunk, digest_of(chunk))
    answers = Answers(listener, MemoryDisk(bytes(8 * CHUNK)), account, (), Governor(lambda: 0))
    requests = ask()
    with closing(answers):
        for request in requests:
            answers.add(request)
            assert 0 < answers.begun_count <= DEPTH
        while answers.has_work:
            answers.step()
            assert answers.begun_count <= DEPTH

    recorded = [each for each in listener.said if isinstance(each, m.Recorded)]
    recalls = sum(isinstance(request, m.Recall) for request in requests)
    assert sum(each.length for each in recorded) == recalls * SIZE
    assert recorded[-1].digests[-1] == digest_of(SIZE // CHUNK - 1)
