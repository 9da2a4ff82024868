# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What a sender serves for one run: disks, and what its syncs were told. PRIVATE. Python 3.6."""

import logging
import os
import threading
from functools import partial
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ..errors import FerryError, InputError
from .digests import Hasher, Offer
from .disks import Disk
from .errors import StoppedError
from .geometry import chunk_span
from .governor import Governor
from .headway import Headway
from .index import known_head
from .indexed import IndexedReads, IndexOrder
from .ledger import Ledger
from .messages import Order, Root, View
from .readahead import ChunkRead, read_chunk

log = logging.getLogger(__name__)

# A server's `sync` waits for all its file systems, for ever if one of them is on a server that is gone.
MOST_SETTLING = 60.0


def write_out_file_systems() -> None:
    """Have all file systems write out what they hold back; gives up waiting, with a word in the log."""
    syncing = threading.Thread(target=os.sync, name="ferry-sync", daemon=True)
    syncing.start()
    syncing.join(MOST_SETTLING)
    if syncing.is_alive():
        log.warning("Going on though sync has not ended after %.0f s", MOST_SETTLING)


class Account:
    """What one sync was answered about one disk, over all its connections."""

    def __init__(self, ledger: Ledger, indexed: Optional[IndexedReads] = None) -> None:
        self.ledger = ledger
        self.indexed = indexed
        self.bytes_read = self.bytes_indexed = 0
        self._lock = threading.Lock()

    def reader(self, disk: Disk) -> Callable[..., ChunkRead]:
        """Return what reads a chunk of `disk` into a buffer; see IndexedReads.read for what it is told."""
        if self.indexed is not None:
            return partial(self.indexed.read, disk)
        return lambda span, buffer, _theirs: read_chunk(disk, self.ledger.hasher, span, buffer)

    def count(self, read: ChunkRead) -> None:
        """Count where a chunk came from."""
        with self._lock:
            self.bytes_read += read.bytes_read
            self.bytes_indexed += read.bytes_indexed

    def note(self, chunk: int, digest: bytes, granules: Tuple[bytes, ...]) -> None:
        """Account for a chunk by its digest; those of its granules go into the next index."""
        self.ledger.note(chunk, digest)
        if self.indexed is not None:
            self.indexed.note(chunk, granules)

    def note_vouched(self) -> None:
        """Account for what both ends are known to hold alike. The target learns of it by `Recall`."""
        if self.indexed is None:
            return
        for chunk, granules in self.indexed.vouched():
            self.note(chunk, self.ledger.hasher.chunk(granules), granules)
            self.bytes_indexed += chunk_span(chunk, self.ledger.size).length

    def root(self, agreed: bytes) -> Root:
        """Return the root of the answers. If the target has the same, `agreed`, there is an index of it after this."""
        root = self.ledger.root()
        if self.indexed is None:
            return Root(root, self.bytes_read, 0, 0, 0)
        if root == agreed:
            self.indexed.finish(root)
        sampled, missed = self.indexed.bytes_sampled, self.indexed.bytes_missed
        return Root(root, self.bytes_read, self.bytes_indexed, sampled, missed)

    def close(self) -> None:
        """Let go of the index."""
        if self.indexed is not None:
            self.indexed.close()


class _Newest:
    """The newest sync of one disk, once it has begun; one thread at a time begins one, under `lock`."""

    def __init__(self, headway: Headway) -> None:
        self.headway = headway
        self.lock = threading.Lock()
        self.sync = b""
        self.account: Optional[Account] = None

    def drop(self) -> None:
        """Let go of it."""
        account, self.account = self.account, None
        if account is not None:
            account.close()


class Export:
    """The disks of one run by name, and the account of each one's newest sync. Threads share it."""

    def __init__(
        self,
        disks: Mapping[str, Callable[[], Disk]],
        offers: List[Offer],
        *,
        view: View = View.MOVING,
        order: Order = Order.ANY,
        governor: Optional[Governor] = None,
        settle: Callable[[], None] = write_out_file_systems,
        check_view: Callable[[], None] = lambda: None,
        indexes: Optional[Mapping[str, IndexOrder]] = None,
    ) -> None:
        """`check_view` raises InputError when the disks are not, or no more, what `view` says.

        `order` is ASCENDING where a disk is a forward stream, that begins anew for each step back.
        """
        self.check_view = check_view
        self.offers = offers
        self.view = view
        self.order = order
        self.governor = governor or Governor(lambda: 0)
        self._disks = disks
        self._settle = settle
        self._indexes = dict(indexes or {})
        self._newest: Dict[str, _Newest] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def offers_to(self, theirs: Sequence[Offer]) -> List[Offer]:
        """Return of what a target's digest may be chosen: those of the indexes, where the target has one.

        An index of another digest would be dropped; which of two fast ones wins a calibration is chance.
        """
        heads = (known_head(order.path) for order in self._indexes.values() if order.since)
        common = {offer.algorithm.name.lower() for offer in theirs}
        wanted = common & {head.algorithm for head in heads if head is not None}
        kept = [offer for offer in self.offers if offer.algorithm.name.lower() in wanted]
        return kept or self.offers

    def open_disk(self, name: str) -> Disk:
        """Return the run's disk of this name, opened for the caller. Raises InputError, DiskError."""
        if name not in self._disks:
            raise InputError(
                "The run has no disk {!r}; it has {}.".format(name, ", ".join(sorted(self._disks)))
            )
        return self._disks[name]()

    def begin(self, name: str, sync: bytes, disk: Disk, hasher: Hasher) -> Account:
        """Return the account of a disk in a sync; 16 bytes per chunk. May take long where the sync is a new one.

        First the server's file systems write out what they hold back (`settle`): a sync carries all that was
        written before it began. Then an index proves itself, and the first sync is told what of the target need
        not be compared: nobody knows how far that one came. Disks wait only for themselves. Raises InputError for
        an order that cannot be, StoppedError after `stop`.
        """
        newest = self._newest_of(name)
        with newest.lock:
            if self._stop.is_set():
                raise StoppedError("The source was stopped.")
            if newest.account is None or newest.sync != sync:
                self._settle()
                newest.drop()
                order = self._take_order(name)
                newest.account = _new_account(order, disk, hasher, newest.headway)
                newest.sync = sync
            return newest.account

    def headway(self, name: str) -> int:
        """Return how many bytes were read so far, of the disk or its index, without an answer to tell it."""
        return self._newest_of(name).headway.bytes

    def stop(self) -> None:
        """Begin no sync any more; what reads before its first answer ends at its next read."""
        self._stop.set()

    def close(self) -> None:
        """Let go of the indexes; no sync goes on after this."""
        self.stop()
        with self._lock:
            all_newest = list(self._newest.values())
        for newest in all_newest:
            with newest.lock:
                newest.drop()

    def _newest_of(self, name: str) -> _Newest:
        with self._lock:
            return self._newest.setdefault(name, _Newest(Headway(self._stop)))

    def _take_order(self, name: str) -> Optional[IndexOrder]:
        """Return the order for the disk's index; what it says of the target is for one sync only."""
        order = self._indexes.get(name)
        if order is not None:
            self._indexes[name] = order._replace(prepared=None)
        return order


def _new_account(
    order: Optional[IndexOrder], disk: Disk, hasher: Hasher, headway: Headway
) -> Account:
    indexed = IndexedReads(order, disk, hasher, headway) if order else None
    account = Account(Ledger(disk.size, hasher), indexed)
    try:
        account.note_vouched()
    except FerryError:
        account.close()
        raise
    return account
