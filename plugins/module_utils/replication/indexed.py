# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""One sync of a disk with an index: what is read, and what is remembered. PRIVATE. Python 3.6.

    asked by            granules in the changed extents    granules outside of them
    -----------------   --------------------------------   ------------------------------------------
    digest of a chunk   not read: the chunk differs        remembered
    their digests       read                               remembered, and read if they must be sent

Before the first answer a sample of what would be remembered is read. One difference there, and all is read and
the index is gone. The sync fills the next index; whether it comes into being is for both ends' roots to say.

Where the target is known to hold what the index says, a chunk that neither side changed is vouched for: it is
accounted for before anything is asked.
"""

import logging
import random
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import (
    Any,
    Deque,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from ..errors import FerryError, InputError, RestartSyncError
from .digests import Hasher
from .disks import Disk, aligned_buffer
from .geometry import Span, granule_count, merge, split
from .granule_set import GranuleSet
from .headway import Headway
from .index import DoubtError, Head, Index, IndexWriter, drop_index, open_index
from .limits import CHUNK, GRANULE
from .readahead import ChunkRead, read_chunk

log = logging.getLogger(__name__)

# Of the granules that would be remembered one in so many is read all the same, and at least so many.
SAMPLE = 200
LEAST_SAMPLE = 256

# Reads of the sample at a time: as many as a datastore has connections. A disk that reads one after the other has
# them wait.
SAMPLERS = 4

# What the sample is must not be known to whoever writes to the disk.
_RANDOM = random.SystemRandom()


class IndexOrder(NamedTuple):
    """What a sender is told of the index of one disk.

    `extents` are the bytes that changed between the change ids `since` and `change_id`; without `since` nothing
    is known of changes. `is_full`: read all of the disk, and tell what the index would have missed. `prepared` are
    the bytes in which the target differs from the index; None where nothing is known of the target.
    """

    path: str
    identity: Dict[str, str]
    generation: int
    change_id: str
    since: str = ""
    extents: Sequence[Tuple[int, int]] = ()
    is_full: bool = False
    prepared: Optional[Sequence[Tuple[int, int]]] = None


def read_index_order(document: Mapping[str, Any]) -> IndexOrder:
    """Return the order that JSON holds. Raises InputError."""
    try:
        return IndexOrder(**document)
    except TypeError as error:
        raise InputError("The order for an index is wrong: {}.".format(error)) from error


class ChangedGranules(GranuleSet):
    """The granules that extents touch."""

    def __init__(self, size: int, extents: Sequence[Tuple[int, int]]) -> None:
        """Raises InputError for an extent outside of the disk."""
        super().__init__(size)
        for start, length in extents:
            if start < 0 or length < 0 or start + length > size:
                raise InputError(
                    "Changed extent {}+{} is outside of the disk of {} bytes.".format(
                        start, length, size
                    )
                )
            if length:
                self.add_touched(Span(start, length))

    def sample(self, share: int, least: int) -> List[int]:
        """Return numbers of granules that no extent touches, at random and rising: one in `share`, at least `least`."""
        count = granule_count(self.size)
        unchanged = count - self.count()
        wanted = min(unchanged, max(least, unchanged // share))
        if 2 * wanted >= unchanged:
            few = [number for number in range(count) if number not in self]
            return sorted(_RANDOM.sample(few, wanted))
        chosen: Set[int] = set()
        while len(chosen) < wanted:
            number = _RANDOM.randrange(count)
            if number not in self:
                chosen.add(number)
        return sorted(chosen)


def _taken(left: "Deque[int]") -> Iterator[int]:
    """Yield what is left as long as something is; threads take from the same."""
    while True:
        try:
            number = left.popleft()
        except IndexError:
            return
        yield number


class IndexedReads:
    """The reads of one disk in one sync. Threads share it; `disk` is the calling thread's own."""

    def __init__(
        self, order: IndexOrder, disk: Disk, hasher: Hasher, headway: Optional[Headway] = None
    ) -> None:
        """The index has proven itself and the sample was read, or nothing will be remembered.

        `headway` counts what is read for that; this may take minutes, and ends with its StoppedError.
        """
        self.bytes_sampled = 0
        self.bytes_missed = 0
        self._order = order
        self._hasher = hasher
        self._headway = headway or Headway()
        self._lock = threading.Lock()
        self._changed = ChangedGranules(disk.size, order.extents)
        self._index = self._open(disk.size)
        self._writer = self._begin_next(disk.size)
        try:
            if self._index and not order.is_full:
                self._sample(self._index, disk)
        except FerryError:
            self.close()
            raise

    def read(
        self,
        disk: Disk,
        span: Span,
        buffer: memoryview,
        theirs: Optional[Sequence[bytes]],
    ) -> ChunkRead:
        """Return the digests of a chunk, and of its bytes those that may have to be sent.

        `theirs` are the target's of its granules, None where it told the chunk's only. No digests
        stand for a chunk that differs as far as is known. Raises DiskError, and RestartSyncError
        when what is read is not what is remembered.
        """
        index = self._index
        if index is None or self._order.is_full:
            return self._read_all(index, disk, span, buffer)
        mask = self._changed.of_chunk(span.start // CHUNK)
        if theirs is None:
            known = () if mask else index.granules(span)
            return ChunkRead(span, buffer[:0], known, buffer, 0, 0 if mask else span.length)
        return self._read_some(index, mask, disk, span, buffer, theirs)

    def vouched(self) -> Iterator[Tuple[int, Tuple[bytes, ...]]]:
        """Yield each chunk, rising, that both ends hold as the index says, with the digests of its granules."""
        index, prepared = self._index, self._order.prepared
        if index is None or prepared is None or self._order.is_full:
            return
        differing = ChangedGranules(index.size, prepared)
        for chunk, granules in index.chunks():
            if not self._changed.of_chunk(chunk) and not differing.of_chunk(chunk):
                yield chunk, granules

    def note(self, chunk: int, granules: Tuple[bytes, ...]) -> None:
        """Keep for the next index what was answered for a chunk; where it cannot be kept there will be none."""
        writer = self._writer
        if writer is None:
            return
        try:
            writer.note(chunk, granules)
        except OSError as error:
            log.warning("There will be no index %s: %s", self._order.path, error)
            taken = self._take_writer()
            if taken is not None:
                taken.close()

    def finish(self, root: bytes) -> None:
        """Make the next index, when both ends agree on `root`. A second call changes nothing."""
        writer = self._take_writer()
        if writer is None:
            return
        try:
            writer.finish(self._head(writer.size, self._order.change_id, root.hex()), self._hasher)
        except (DoubtError, OSError) as error:
            log.warning("No index of this generation: %s", error)
        finally:
            writer.close()

    def close(self) -> None:
        """Let go of the files; what was not finished is gone."""
        for each in (self._take_writer(), self._index):
            if each is not None:
                each.close()

    def _take_writer(self) -> Optional[IndexWriter]:
        with self._lock:
            writer, self._writer = self._writer, None
        return writer

    def _begin_next(self, size: int) -> Optional[IndexWriter]:
        try:
            return IndexWriter(self._order.path, size, self._headway)
        except OSError as error:
            log.warning("There will be no index %s: %s", self._order.path, error)
            return None

    def _open(self, size: int) -> Optional[Index]:
        if not self._order.since:
            return None
        try:
            expected = self._head(size, self._order.since, "")
            return open_index(self._order.path, expected, self._headway)
        except DoubtError as doubt:
            log.warning("The index %s is not used: %s", self._order.path, doubt)
            drop_index(self._order.path)
            return None

    def _head(self, size: int, change_id: str, root: str) -> Head:
        algorithm = self._hasher.algorithm.name.lower()
        order = self._order
        return Head(order.identity, size, algorithm, change_id, order.generation, root)

    def _sample(self, index: Index, disk: Disk) -> None:
        left = deque(self._changed.sample(SAMPLE, LEAST_SAMPLE))
        with ThreadPoolExecutor(SAMPLERS, "ferry-sample") as executor:
            readers = [
                executor.submit(self._read_sample, index, disk, left) for _unused in range(SAMPLERS)
            ]
        for reader in readers:
            reader.result()
        if self.bytes_missed:
            path = self._order.path
            log.warning("The index %s is wrong and dropped: its sample changed", path)
            drop_index(path)
            self._index = None
            index.close()

    def _read_sample(self, index: Index, disk: Disk, left: "Deque[int]") -> None:
        """Read of the granules that are left until none is, or another thread failed."""
        buffer = aligned_buffer()
        try:
            for number in _taken(left):
                start = number * GRANULE
                span = Span(start, min(GRANULE, disk.size - start))
                data = disk.read(span.start, span.length, buffer)
                self._headway.step(span.length)
                is_missed = self._hasher.granules(data) != index.granules(span)
                with self._lock:
                    self.bytes_sampled += span.length
                    self.bytes_missed += span.length * is_missed
        except BaseException:
            left.clear()
            raise

    def _read_all(
        self, index: Optional[Index], disk: Disk, span: Span, buffer: memoryview
    ) -> ChunkRead:
        read = read_chunk(disk, self._hasher, span, buffer)
        if index is not None:
            self._count_missed(index, span, read.granules)
        return read

    def _count_missed(self, index: Index, span: Span, granules: Tuple[bytes, ...]) -> None:
        mask = self._changed.of_chunk(span.start // CHUNK)
        pieces = zip(split(span, GRANULE), granules, index.granules(span))
        for number, (piece, ours, known) in enumerate(pieces):
            if ours != known and not mask >> number & 1:
                with self._lock:
                    self.bytes_missed += piece.length
                    self._changed.add_touched(piece)  # So it counts once.

    def _read_some(
        self,
        index: Index,
        mask: int,
        disk: Disk,
        span: Span,
        buffer: memoryview,
        theirs: Sequence[bytes],
    ) -> ChunkRead:
        granules = list(index.granules(span))
        zeros = self._hasher.zeros(span.length)
        wanted = [
            part
            for number, part in enumerate(split(span, GRANULE))
            if mask >> number & 1
            or granules[number] not in (zeros[number], *theirs[number : number + 1])
        ]
        read = 0
        for part in merge(wanted, CHUNK):
            at, first = part.start - span.start, (part.start - span.start) // GRANULE
            data = disk.read(part.start, part.length, buffer[at:])
            for number, digest in enumerate(self._hasher.granules(data), first):
                if granules[number] != digest and not mask >> number & 1:
                    raise self._lied(span)
                granules[number] = digest
            read += part.length
        return ChunkRead(
            span, buffer[: span.length], tuple(granules), buffer, read, span.length - read
        )

    def _lied(self, span: Span) -> RestartSyncError:
        drop_index(self._order.path)
        return RestartSyncError(
            "Bytes at {} changed, but no changed extent told of it; the index is dropped.".format(
                span.start
            ),
            hint="Sync again: all of the disk will be read.",
        )
