# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The frames of the protocol, as values. PRIVATE to the collection.

Their bytes are in `wire.py`, their order in `state.py`, the rules of asking and answering in
`requests.py`. Starts and lengths are bytes of a disk; digests are DIGEST_SIZE bytes each. Python 3.6.
"""

import enum
from typing import NamedTuple, Tuple, Union

from .digests import Algorithm, Offer
from .geometry import Span


class Codec(enum.IntEnum):
    """How the payload of a `Data` frame is encoded, by its number on the wire."""

    STORED = 0
    ZLIB = 1
    ZSTD = 2


class Order(enum.IntEnum):
    """In which order the source can be read."""

    ANY = 0
    ASCENDING = 1  # One forward stream: one connection, each span once, rising.


class View(enum.IntEnum):
    """What the source's disks are while they are read; the word of it goes into the claim."""

    MOVING = 0
    STOPPED = 1
    LVM_SNAPSHOT = 2
    VCENTER_SNAPSHOT = 3

    @property
    def word(self) -> str:
        """The view's word in claims and reports: `vcenter_snapshot`."""
        return self.name.lower()


class Hello(NamedTuple):
    """Both: what I can do (target); what we do (source: exactly one digest)."""

    version: int
    chunk: int
    granule: int
    order: Order
    digests: Tuple[Offer, ...]
    codecs: Tuple[Codec, ...]

    @property
    def algorithm(self) -> Algorithm:
        """The agreed digest; of the source's answer only."""
        return self.digests[0].algorithm


class OpenDisk(NamedTuple):
    """Target: what follows is about the disk of this name, for the sync of this id."""

    sync: bytes
    name: str


class DiskInfo(NamedTuple):
    """Source: the disk's size in bytes, and what its content is a view of."""

    size: int
    view: View


class Compare(NamedTuple):
    """Target: these are the digests of my chunks. Same, Zero or Differ?"""

    start: int
    length: int
    digests: Tuple[bytes, ...]


class CompareGranules(NamedTuple):
    """Target: these are the digests of my granules. Same, Zero or Data?"""

    start: int
    length: int
    digests: Tuple[bytes, ...]


class Fetch(NamedTuple):
    """Target: I have nothing but zeros here. Zero or Data?"""

    start: int
    length: int


class Recall(NamedTuple):
    """Target: which chunk digests do you account for here? Asked where our roots differ, or before anything else."""

    start: int
    length: int


class Same(NamedTuple):
    """Source: these bytes are what you have."""

    start: int
    length: int


class Differ(NamedTuple):
    """Source: these chunks are not what you have; ask with the digests of their granules."""

    start: int
    length: int


class Zero(NamedTuple):
    """Source: these bytes are zero."""

    start: int
    length: int


class Data(NamedTuple):
    """Source: the payload that follows this frame decodes to granules with these digests."""

    start: int
    length: int
    payload_length: int
    codec: Codec
    digests: Tuple[bytes, ...]


class Recorded(NamedTuple):
    """Source: the chunk digests that I accounted for; zero bits where there is none."""

    start: int
    length: int
    digests: Tuple[bytes, ...]


class EndOfDisk(NamedTuple):
    """Target: all is answered, written and flushed; this is my root."""

    root: bytes


class Root(NamedTuple):
    """Source: the root of my answers in this sync, and where I had them from, in bytes.

    `bytes_missed` had changed though no changed extent told of it; none of them was answered from the index.
    """

    root: bytes
    bytes_read: int
    bytes_indexed: int
    bytes_sampled: int
    bytes_missed: int


class Alive(NamedTuple):
    """Both: I am busy, not dead.

    `headway` of a source: bytes that it read, or passed, of the disk for which it owes no answer. Where the number
    is another than before, its disk does not hang. A target says 0.
    """

    headway: int


class Error(NamedTuple):
    """Both: I give up, for this reason. The last frame of its speaker."""

    kind: str
    what: str
    hint: str


class Goodbye(NamedTuple):
    """Both: nothing more will come. The last frame of its speaker."""


Request = Union[Compare, CompareGranules, Fetch, Recall]
Answer = Union[Same, Differ, Zero, Data, Recorded]
Frame = Union[Hello, OpenDisk, DiskInfo, Request, Answer, EndOfDisk, Root, Alive, Error, Goodbye]

REQUESTS = (Compare, CompareGranules, Fetch, Recall)
ANSWERS = (Same, Differ, Zero, Data, Recorded)


def span_of(frame: Union[Request, Answer]) -> Span:
    """Return the bytes of the disk that a request or an answer is about."""
    return Span(frame.start, frame.length)
