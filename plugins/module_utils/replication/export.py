# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What a sender serves for one run: disks, and what its syncs were told. PRIVATE. Python 3.6."""

import logging
import os
import threading
from typing import Callable, Dict, List, Mapping, Optional

from ..errors import InputError
from .digests import Hasher, Offer
from .disks import Disk
from .governor import Governor
from .ledger import Ledger
from .messages import View

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

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.bytes_read = 0
        self._lock = threading.Lock()

    def count_read(self, length: int) -> None:
        """Count bytes read from the disk for this sync."""
        with self._lock:
            self.bytes_read += length


class Export:
    """The disks of one run by name, and the account of each one's newest sync. Threads share it."""

    def __init__(
        self,
        disks: Mapping[str, Callable[[], Disk]],
        offers: List[Offer],
        *,
        view: View = View.MOVING,
        governor: Optional[Governor] = None,
        settle: Callable[[], None] = write_out_file_systems,
        check_view: Callable[[], None] = lambda: None,
    ) -> None:
        """`check_view` raises InputError when the disks are not, or no more, what `view` says."""
        self.check_view = check_view
        self.offers = offers
        self.view = view
        self.governor = governor or Governor(lambda: 0)
        self._disks = disks
        self._settle = settle
        self._syncs: Dict[str, bytes] = {}
        self._accounts: Dict[str, Account] = {}
        self._lock = threading.Lock()

    def open_disk(self, name: str) -> Disk:
        """Return the run's disk of this name, opened for the caller. Raises InputError, DiskError."""
        if name not in self._disks:
            raise InputError(
                "The run has no disk {!r}; it has {}.".format(name, ", ".join(sorted(self._disks)))
            )
        return self._disks[name]()

    def begin(self, name: str, sync: bytes) -> None:
        """Start the account of a disk anew, unless the sync is the one that is going on.

        First the server's file systems write out what they hold back (`settle`): a sync carries all
        that was written before it began.
        """
        with self._lock:
            if self._syncs.get(name) != sync:
                self._settle()
                self._syncs[name] = sync
                self._accounts.pop(name, None)

    def account(self, name: str, size: int, hasher: Hasher) -> Account:
        """Return the account of a disk in its sync that was begun last; 16 bytes per chunk."""
        with self._lock:
            if name not in self._accounts:
                self._accounts[name] = Account(Ledger(size, hasher))
            return self._accounts[name]
