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
from .geometry import chunk_span
from .governor import Governor
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
        self._accounts: Dict[str, Tuple[bytes, Account]] = {}  # With the id of the sync.
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
        not be compared: nobody knows how far that one came. Raises InputError for an order that cannot be.
        """
        with self._lock:
            known, account = self._accounts.get(name, (b"", None))
            if account is None or known != sync:
                self._settle()
                self._drop(name)
                account = self._new_account(self._take_order(name), disk, hasher)
                self._accounts[name] = sync, account
            return account

    def close(self) -> None:
        """Let go of the indexes; no sync goes on after this."""
        with self._lock:
            for name in list(self._accounts):
                self._drop(name)

    def _take_order(self, name: str) -> Optional[IndexOrder]:
        """Return the order for the disk's index; what it says of the target is for one sync only."""
        order = self._indexes.get(name)
        if order is not None:
            self._indexes[name] = order._replace(prepared=None)
        return order

    def _new_account(self, order: Optional[IndexOrder], disk: Disk, hasher: Hasher) -> Account:
        indexed = IndexedReads(order, disk, hasher) if order else None
        account = Account(Ledger(disk.size, hasher), indexed)
        try:
            account.note_vouched()
        except FerryError:
            account.close()
            raise
        return account

    def _drop(self, name: str) -> None:
        if name in self._accounts:
            _sync, account = self._accounts.pop(name)
            account.close()
