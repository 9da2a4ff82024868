# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The sync of one disk: ask for what is missing until both ends agree on its root. PRIVATE.

[offered by the source -> a sample is as offered -> not missing]

missing chunks -> connections -> flush, read back -> roots equal? -- yes -> claim
      ^                                |                  | no
      |_________ not as written _______|                  |
      |_________ differing chunk digests, recalled _______|
"""

from __future__ import annotations

import contextlib
import logging
import math
import secrets
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any, Callable, Iterator, Sequence, TypeVar

from ..errors import FerryError, InputError, RestartSyncError, TransientError
from ..units import MIB, show_exact_size
from .adoption import Adoption
from .channel import Channel
from .dialer import Dialer, Patience
from .digests import ZERO_CHUNK, Hasher, is_zero
from .disks import aligned_buffer
from .errors import DamagedDataError, RemoteProtocolError, StoppedError
from .geometry import Span, chunk_span, split
from .job import DiskJob
from .ledger import Ledger
from .limits import CHUNK, GRANULE
from .messages import DiskInfo, EndOfDisk, Error, Goodbye, Recall, Recorded, Root, span_of
from .plan import Claim, DiskPair, DiskReport, SourceRead, SyncPlan
from .progress import DiskProgress
from .settler import Settler
from .target import TargetSession, depth_of
from .target_disks import TargetDisk
from .watch import DiskWatch
from .wire import SYNC_ID_SIZE
from .worklist import WorkList

log = logging.getLogger(__name__)

T = TypeVar("T")

# Rounds of asking; the second mends what a damaged write, a restarted source or an answer on a lost
# connection left, a third should not be needed. A difference that stays is not the network's.
ROUNDS = 4

# One connection is enough for no link: while it waits for a disk, another sends.
LEAST_CONNECTIONS = 2

# What is on its way in one connection: the window of a socket that the kernel sizes grows to about this.
WINDOW = 4 * MIB

# Seconds between two looks at whether more connections would help.
LOOK = 2.0


def connections_for(rate: float, round_trip: float) -> int:
    """Return how many connections carry `rate` bytes per second over so many seconds there and back."""
    return max(LEAST_CONNECTIONS, math.ceil(rate * round_trip / WINDOW))


class DiskSync:
    """One disk of a plan. `run` is called once."""

    def __init__(
        self,
        plan: SyncPlan,
        dialer: Dialer,
        disk: TargetDisk,
        progress: DiskProgress,
        *,
        pair: DiskPair,
        watch: DiskWatch,
        stop: threading.Event,
    ) -> None:
        self._plan = plan
        self._dialer = dialer
        self._disk = disk
        self._progress = progress
        self._pair = pair
        self._watch = watch
        self._stop = stop
        self._sync = secrets.token_bytes(SYNC_ID_SIZE)
        self._repaired = 0
        self._round_trip = 0.0
        self._looked = (time.monotonic(), 0)
        self._adoption: Adoption | None = None

    def run(self) -> DiskReport:
        """Make the target equal to the source, as far as the source holds still; return the proof."""
        with self._watch:
            return self._run()

    def _run(self) -> DiskReport:
        log.info("Syncing %s to %s", self._pair.source, self._pair.target)
        self._patiently(self._check_source)
        hasher = Hasher(self._dialer.algorithm)
        # In every sync: the disk may be smaller than the one that the volume took before, and a preparation
        # put the backup of the partition table there.
        zero_tail(self._disk, self._pair.size)
        ledger = Ledger(self._pair.size, hasher)
        if self._pair.target_index:
            self._adopt(ledger)
        settler = Settler(self._disk, hasher, read_back=not self._plan.initial)
        try:
            root = self._rounds(ledger, settler)
        finally:
            settler.close()
        return self._report(root, hasher, settler)

    def _check_source(self) -> None:
        """Refuse a source that is not what the plan says, before anything is written."""
        with self._open_channel():
            pass

    def _adopt(self, ledger: Ledger) -> None:
        """Take what the source vouches for into the ledger, unread but for a sample; or nothing of it."""
        offer = Ledger(ledger.size, ledger.hasher)
        self._patiently(lambda: self._hear_offer(offer))
        self._adoption = Adoption(offer, self._disk, self._progress)
        self._adoption.try_out(ledger, self._stop)

    def _hear_offer(self, offer: Ledger) -> None:
        with self._open_channel() as channel:
            for span, digests in self._recall(channel, offer.size):
                for chunk, digest in enumerate(digests, span.start // CHUNK):
                    offer.note(chunk, digest)

    def _rounds(self, ledger: Ledger, settler: Settler) -> Root:
        """Ask for what is missing until nothing is and the roots agree; return the source's."""
        for attempt in range(ROUNDS):
            missing = ledger.missing_count
            if attempt:
                self._repaired += missing
                log.warning("Asking again for %d chunks of %s", missing, self._pair.source)
            if missing:
                self._ask_for_missing(ledger, settler)
            for chunk in settler.finish():
                log.warning("Chunk %d of %s is not what was written", chunk, self._pair.target)
                self._forget(chunk, ledger)
            root = None if ledger.missing_count else self._agree(ledger)
            if root is not None:
                log.info("Agreed on the root of %s: %s", self._pair.source, root.root.hex())
                return root
        raise RestartSyncError(
            f"Disk {self._pair.target} differs from the source's {self._pair.source} "
            f"after {ROUNDS} rounds, first in chunk {next(ledger.missing())}.",
            hint="If a new sync ends the same way, look for faults of the storage or of memory.",
        )

    def _ask_for_missing(self, ledger: Ledger, settler: Settler) -> None:
        """Ask over all connections. The first error ends them all and is raised here."""
        most = 1 if self._dialer.is_ascending else self._plan.most_for_a_disk
        most = min(most, ledger.missing_count)
        at_first = min(most, self._plan.connections or LEAST_CONNECTIONS)
        job = DiskJob(
            self._sync,
            self._pair,
            self._disk,
            ledger,
            settler,
            WorkList(ledger.missing()),
            self._progress,
            self._watch,
            depth_of(at_first * self._plan.most_disks),
        )
        later = job._replace(depth=depth_of(self._plan.most_connections))
        with ThreadPoolExecutor(most, "ferry-connection") as executor:
            links = [executor.submit(self._drive, job) for _unused in range(at_first)]
            while self._is_going_on(links):
                if len(links) < most and not job.work.is_empty and self._wants_more(len(links)):
                    links.append(executor.submit(self._drive, later))
        raise_first(links)

    def _is_going_on(self, links: Sequence[Future[None]]) -> bool:
        """Wait for a while; return whether links are at work and none has failed. The others are stopped."""
        ended, running = wait(links, LOOK, return_when=FIRST_EXCEPTION)
        has_failed = any(link.exception() for link in ended)
        if has_failed and running:
            self._stop.set()
        return bool(running) and not has_failed

    def _wants_more(self, links: int) -> bool:
        """Tell whether the bytes on their way, at the rate since the last look, fill the windows of so many."""
        now, sent = time.monotonic(), self._progress.sent
        since, before = self._looked
        self._looked = now, sent
        rate = (sent - before) / max(now - since, 1e-9)
        return connections_for(rate, self._round_trip) > links

    def _drive(self, job: DiskJob) -> None:
        """Drive one connection, made anew as often as it takes, until the work list is empty."""

        def work() -> None:
            with self._open_channel() as channel:
                TargetSession(channel, job).run()

        while not job.work.is_empty:
            self._patiently(work)

    def _patiently(self, work: Callable[[], T]) -> T:
        """Return what `work` returns; where its connection is lost it is done again, and again."""
        patience = Patience(self._plan.patience, self._stop, lambda: self._progress.done)
        while True:
            self._watch.moved()  # How long a lost source may stay away is for `patience` to say.
            try:
                return work()
            except (TransientError, DamagedDataError) as error:
                if not self._dialer.has_reached:  # More likely a wrong address than a fault.
                    raise
                patience.lost(error)

    def _agree(self, ledger: Ledger) -> Root | None:
        """Return the source's root if it is ours, else forget the chunks that differ."""
        return self._patiently(lambda: self._compare_roots(ledger))

    def _compare_roots(self, ledger: Ledger) -> Root | None:
        with self._open_channel() as channel:
            ours = ledger.root()
            channel.send(EndOfDisk(ours))
            root = self._dialer.await_frame(channel)
            if not isinstance(root, Root):
                raise RemoteProtocolError("The source did not tell its root.")
            if root.root == ours:
                return root
            for chunk in self._find_differences(channel, ledger):
                self._forget(chunk, ledger)
        if not ledger.missing_count:
            raise RemoteProtocolError("The two ends' roots differ, but no chunk does.")
        return None

    def _find_differences(self, channel: Channel, ledger: Ledger) -> list[int]:
        """Return the chunks whose digests the two ends do not account for alike."""
        differing: list[int] = []
        for span, digests in self._recall(channel, ledger.size):
            pairs = enumerate(zip(ledger.digests(span), digests), span.start // CHUNK)
            differing += [chunk for chunk, (our, their) in pairs if our != their]
        return differing

    def _recall(self, channel: Channel, size: int) -> Iterator[tuple[Span, Sequence[bytes]]]:
        """Yield the chunk digests that the source accounts for, with where they lie, as they come."""
        channel.send(Recall(0, size))
        while channel.connection.unanswered:
            recorded = self._dialer.await_frame(channel)
            self._watch.moved()
            if isinstance(recorded, Recorded):
                yield span_of(recorded), recorded.digests

    def _forget(self, chunk: int, ledger: Ledger) -> None:
        ledger.forget(chunk)
        self._progress.count(done=-chunk_span(chunk, ledger.size).length)

    @contextlib.contextmanager
    def _open_channel(self) -> Iterator[Channel]:
        """Lend a channel with the disk opened, as planned; at the end the source hears how it went."""
        channel = self._dialer.dial()
        channel.peer_moved = self._watch.moved
        try:
            self._check(self._dialer.open_disk(channel, self._sync, self._pair.source))
            self._round_trip = channel.round_trip()
            yield channel
            channel.leave(Goodbye())
        except FerryError as error:
            channel.leave(Error(error.kind, error.what, error.hint))
            raise
        finally:
            channel.close()

    def _check(self, info: DiskInfo) -> None:
        """Refuse a disk that is not what the plan says; a source that came back may have another."""
        pair = self._pair
        if info.size != pair.size:
            raise InputError(
                f"Disk {pair.source} of the source has {show_exact_size(info.size)}, "
                f"but the plan says {show_exact_size(pair.size)}.",
                hint="Plan the sync anew.",
            )
        if info.view.word != self._plan.source_view:
            raise InputError(
                f"The source reads disk {pair.source} as {info.view.word}, "
                f"but the plan says {self._plan.source_view}.",
                hint="Export the source again.",
            )

    def _report(self, root: Root, hasher: Hasher, settler: Settler) -> DiskReport:
        claim = Claim(
            root=root.root.hex(),
            algorithm=hasher.algorithm.name.lower(),
            source_view=self._plan.source_view,
            source_read=SourceRead(
                root.bytes_read, root.bytes_indexed, root.bytes_sampled, root.bytes_missed
            ),
            target_read=self._target_read(settler),
            source_unused=self._pair.unused,
            target_index=self._adoption.as_read() if self._adoption else None,
        )
        counted = self._progress
        return DiskReport(
            name=self._pair.source,
            target=self._pair.target,
            size=self._pair.size,
            same=counted.same,
            zero=counted.zero,
            data=counted.data,
            sent=counted.sent,
            asked=counted.asked,
            repaired=self._repaired,
            claim=claim,
        )

    def _target_read(self, settler: Settler) -> str:
        if self._adoption and self._adoption.adopted:
            return "index"
        was_read = not self._plan.initial or not settler.bytes_written
        return "read_back" if was_read else "before_write"


def zero_tail(disk: TargetDisk, size: int) -> None:
    """Make zero what the target has beyond the source's `size`: outside of the root, but no leftovers.

    source    |----------------------|
    target    |----------------------xxxxxxxxxx|
    granules  |----|----|----|----|----|----|--|    the first one read also holds the source's end
    """
    buffer = aligned_buffer()
    first = size // GRANULE * GRANULE
    for piece in split(Span(first, disk.size - first), CHUNK):
        data = disk.read(piece.start, piece.length, buffer)
        tail = data[max(0, size - piece.start) :]
        if not is_zero(tail):
            tail[:] = ZERO_CHUNK[: len(tail)]
            disk.write(piece.start, data)


def raise_first(ended: Sequence[Future[Any]]) -> None:
    """Raise what ended the work of several threads: the others only heard of it and stopped."""
    errors = [error for error in (each.exception() for each in ended) if error is not None]
    errors.sort(key=lambda error: isinstance(error, StoppedError))
    if errors:
        raise errors[0]
