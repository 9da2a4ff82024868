# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The export of a snapshot, asked of the vCenter. PRIVATE. Part of the source worker's sender.

The vCenter's side of `nfc_lease.Lease`: made ready here, kept alive and ended by who reads.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence, Tuple

from ..waiting import Waiter
from . import properties
from .errors import RefusedError
from .nfc_lease import Device
from .sdk import vim
from .session import Session

# A host that is busy prepares an export for minutes.
READY = 600

_PATHS = ("state", "error", "info")


class ExportLease:
    """A lease that is ready. See nfc_lease.Lease."""

    def __init__(self, session: Session, lease: Any, info: Any) -> None:
        """`info` is the lease's own (HttpNfcLeaseInfo)."""
        self._session = session
        self._lease = lease
        self.timeout = float(info.leaseTimeout)
        self.devices: Sequence[Device] = tuple(_devices(info))

    def progress(self, percent: int) -> None:
        """See nfc_lease.Lease."""
        self._tell("a sign of life", lambda: self._lease.HttpNfcLeaseProgress(percent))

    def complete(self) -> None:
        """See nfc_lease.Lease."""
        self._tell("the end of an export", self._lease.HttpNfcLeaseComplete)

    def abort(self) -> None:
        """See nfc_lease.Lease."""
        self._tell("the end of an export", lambda: self._lease.HttpNfcLeaseAbort(None))

    def _tell(self, what: str, call: Callable[[], Any]) -> None:
        """None of them changes anything by being said twice."""
        self._session.read(what, call)


def open_lease(session: Session, snapshot: str) -> ExportLease:
    """Return a lease for all disks of the snapshot with this reference.

    Raises RefusedError where the vCenter cannot export it, TooSlowError. A lease whose answer is lost ends
    by its timeout.
    """
    taken = session.object(vim.vm.Snapshot, snapshot)
    what = f"the export of {snapshot}"
    lease = session.change(what, taken.ExportSnapshot)
    waiter = Waiter(timeout=READY)
    seen = waiter.until(
        lambda: properties.read(session, lease, _PATHS),
        lambda found: found["state"] in ("ready", "error", "done"),
        what=what,
        describe=lambda found: str(found["state"]),
    )
    if seen["state"] != "ready":
        fault = seen.get("error")
        raise RefusedError(
            f"The vCenter could not prepare {what}: {_text_of(fault) or seen['state']}.",
            hint="See the VM's events; the user needs VApp.Export.",
        )
    return ExportLease(session, lease, seen["info"])


def _text_of(fault: Optional[Any]) -> str:
    return str(getattr(fault, "msg", None) or "") if fault is not None else ""


def _devices(info: Any) -> Tuple[Device, ...]:
    return tuple(
        Device(each.key, each.url, each.sslThumbprint or "", is_disk=bool(each.disk))
        for each in info.deviceUrl
    )
