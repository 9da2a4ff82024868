# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fuzzer's oracles over its first inputs, over what it ever found, and over those with damages."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication.messages import Frame
from ansible_collections.ferry.hvm.plugins.module_utils.replication.wire import LAYOUTS

from tests.fuzz.peer import ORACLES, converse
from tests.fuzz.seeds import seeds

CORPUS = Path(__file__).resolve().parents[4] / "fuzz" / "corpus"


def inputs(name: str) -> list[bytes]:
    return seeds()[name] + [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


def test_the_first_inputs_say_every_frame() -> None:
    heard: list[Frame] = [frame for seed in seeds()["peer"] for frame in converse(seed)]
    assert {type(frame) for frame in heard} == {layout.frame for layout in LAYOUTS}


@pytest.mark.parametrize("name", list(ORACLES))
def test_what_was_found_once_is_handled_for_ever(name: str) -> None:
    for data in inputs(name):
        ORACLES[name](data)


@pytest.mark.parametrize("name", list(ORACLES))
def test_damaged_words_are_understood_or_refused(name: str) -> None:
    chance = random.Random(name)
    for data in inputs(name):
        for _round in range(200):
            ORACLES[name](damaged(data, chance))


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The input with a few bits flipped, or cut, or with a piece of it said twice."""
    changed = bytearray(data)
    for _flip in range(chance.randint(0, 3)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    start, end = sorted(chance.randrange(len(changed)) for _unused in range(2))
    cut = chance.choice(("nothing", "the end", "a piece", "twice"))
    if cut == "the end":
        del changed[end:]
    elif cut == "a piece":
        del changed[start:end]
    elif cut == "twice":
        changed[end:end] = changed[start:end]
    return bytes(changed)
