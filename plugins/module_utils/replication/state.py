# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Who may say what, when. PRIVATE to the collection.

Two rules. Everything that depends on the order of frames is in this one table; what depends on the
content of requests and answers is in `requests.py`. And this file does not know which end we are: both
ends judge both ends by the same table. One state serves both, because a frame that changes it is only
ever spoken by the end whose turn it is, with nothing unanswered. Python 3.6.
"""

import enum
from typing import Any, Dict, Tuple, Type

from .messages import (
    Alive,
    Compare,
    CompareGranules,
    Data,
    Differ,
    DiskInfo,
    EndOfDisk,
    Error,
    Fetch,
    Frame,
    Goodbye,
    Hello,
    OpenDisk,
    Recall,
    Recorded,
    Root,
    Same,
    Zero,
)


class Role(enum.Enum):
    """The two ends of a connection."""

    TARGET = "target"  # Dials and asks.
    SOURCE = "source"  # Listens and answers.


class State(enum.Enum):
    """Where a connection is."""

    START = "nothing was said"
    GREETED = "the target said Hello"
    READY = "version, digest and codecs are agreed"
    OPENING = "the target named a disk"
    OPEN = "requests and answers about the disk"
    ENDING = "the target told its root"
    CLOSED = "one end took its leave"


Speech = Tuple[Role, Type[Any]]

_TARGET, _SOURCE = Role.TARGET, Role.SOURCE

# Both ends, in any state but CLOSED. An Error may even answer a Hello that cannot be understood.
_ALWAYS: Dict[Speech, State] = {
    (role, frame): State.CLOSED for role in Role for frame in (Error, Goodbye)
}

_ASKING: Dict[Speech, State] = {
    (_TARGET, frame): State.OPEN for frame in (Compare, CompareGranules, Fetch, Recall)
}
_ANSWERING: Dict[Speech, State] = {
    (_SOURCE, frame): State.OPEN for frame in (Same, Differ, Zero, Data, Recorded)
}

TRANSITIONS: Dict[State, Dict[Speech, State]] = {
    State.START: {(_TARGET, Hello): State.GREETED},
    State.GREETED: {(_SOURCE, Hello): State.READY},
    State.READY: {(_TARGET, OpenDisk): State.OPENING},
    State.OPENING: {(_SOURCE, DiskInfo): State.OPEN},
    State.OPEN: {
        (_TARGET, OpenDisk): State.OPENING,
        (_TARGET, EndOfDisk): State.ENDING,
        **_ASKING,
        **_ANSWERING,
    },
    State.ENDING: {(_SOURCE, Root): State.OPEN},
    State.CLOSED: {},
}

# With these the target says that it waits for nothing more.
NOTHING_UNANSWERED = (OpenDisk, EndOfDisk)


def next_state(state: State, role: Role, frame: Frame) -> State:
    """Return the state after `role` said `frame` in `state`. Raises KeyError where it may not."""
    kind = type(frame)
    if kind is Alive and state is not State.CLOSED:
        return state
    if state is not State.CLOSED and (role, kind) in _ALWAYS:
        return _ALWAYS[role, kind]
    return TRANSITIONS[state][role, kind]
