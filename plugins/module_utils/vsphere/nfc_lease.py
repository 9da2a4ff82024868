# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The lease of an export, kept alive while its disk is read. PRIVATE. Part of the source worker's sender.

A host ends an export whose client gives no sign of life for `timeout` seconds (vSphere's HttpNfcLease,
300 s as a rule). A target that is slow, or busy with another disk, must not cost the export, so the
signs come from a thread of their own.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Callable, NamedTuple, Optional, Protocol, Sequence

from ..errors import FerryError, InputError, TransientError

log = logging.getLogger(__name__)

# Six signs in each timeout: five may be lost or slow.
SIGNS = 6

# No rarer than this however long the timeout is: a vCenter forgets a session that is idle for longer.
RAREST = 120.0

_PREFIX = "Virtual"


class LeaseLostError(TransientError):
    """The host or the vCenter ended the export. A new one shows the same frozen bytes."""


class Device(NamedTuple):
    """One body of an export. `key` ends with the device's place, "VirtualLsiLogicController0:1"."""

    key: str
    url: str
    thumbprint: str = ""
    is_disk: bool = True


class Lease(Protocol):
    """An HttpNfcLease that is ready. `progress` is called in another thread than the rest."""

    @property
    def timeout(self) -> float:
        """After how many seconds without a sign of life the host ends it."""

    @property
    def devices(self) -> Sequence[Device]:
        """The bodies, disks and others."""

    def progress(self, percent: int) -> None:
        """Give a sign of life. Raises TransientError where it may have been lost, else FerryError."""

    def complete(self) -> None:
        """All was read. Raises FerryError."""

    def abort(self) -> None:
        """No more is wanted. Raises FerryError."""


def find_device(devices: Sequence[Device], place: str) -> Device:
    """Return the one disk whose key ends with `place`, such as "VirtualLsiLogicController0:1".

    The API's "Virtual" before the controller's name may be left out of it. Never by order or size: two
    disks may be alike, and one of them would be the wrong one. Raises InputError.
    """
    disks = [device for device in devices if device.is_disk]
    found = [device for device in disks if _bare(device.key.rpartition("/")[2]) == _bare(place)]
    if len(found) != 1:
        raise InputError(
            f"The export has {len(found)} disks at {place}; it has"
            f" {', '.join(device.key for device in disks) or 'none'}.",
            hint="An export leaves out what a snapshot does not hold. Leave the disk out, or use"
            " the reader vddk or datastore.",
        )
    return found[0]


def _bare(place: str) -> str:
    return place[len(_PREFIX) :] if place.startswith(_PREFIX) else place


class KeptLease:
    """Keeps a lease alive from now to `complete` or `abort`, one of which must be called."""

    def __init__(self, lease: Lease, percent: Callable[[], int]) -> None:
        """`percent` tells how much was read; it is called in a thread of this lease."""
        self._lease = lease
        self._percent = percent
        self._is_over = threading.Event()
        self._fault: Optional[FerryError] = None
        self._thread = threading.Thread(target=self._keep, name="ferry-lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise LeaseLostError if the export has ended without us."""
        if self._fault is not None:
            raise LeaseLostError(
                f"The export was ended at {self._percent()} %: {self._fault.what}",
                hint="It is opened again; a host that ends it each time has its reason in the VM's"
                " events.",
            )

    def complete(self) -> None:
        """Tell that all was read. A lease that cannot be told ends by itself."""
        self._end(self._lease.complete)

    def abort(self) -> None:
        """Tell that no more is wanted. A lease that cannot be told ends by itself."""
        self._end(self._lease.abort)

    def _end(self, tell: Callable[[], None]) -> None:
        self._is_over.set()
        self._thread.join()
        if self._fault is not None:
            return
        try:
            tell()
        except FerryError as error:
            log.warning("Leaving a lease to its timeout of %s s: %s", self._lease.timeout, error)

    def _keep(self) -> None:
        heard = time.monotonic()
        while not self._is_over.wait(min(self._lease.timeout / SIGNS, RAREST)):
            try:
                self._lease.progress(self._percent())
            except TransientError as error:
                if time.monotonic() - heard > self._lease.timeout:
                    self._fault = error
            except FerryError as error:
                self._fault = error
            else:
                heard = time.monotonic()
            if self._fault is not None:
                return
