# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A disk of a snapshot, read from exports of it. PRIVATE. Part of the source worker's sender.

An export is one forward stream. Rising reads take from it; a read before its position begins a new
export and skips what is not wanted: right, because the snapshot is frozen, only slow.

    stream    |=======position------------------|      |===============>skipped  wanted|
    reads            1.  2.   3.                        a read below 3. begins anew

Reads that pause let the stream stand still (TCP's window); the lease is kept alive meanwhile.
"""

from __future__ import annotations

import http.client
import sys
import threading
from dataclasses import dataclass, replace
from typing import Callable, Iterator, Optional
from urllib.parse import urlsplit

from ..errors import FerryError, PermanentError, TransientError
from ..units import MIB
from .https import CONNECTION_FAULTS, Host, WebSession, check_status
from .nfc_lease import Device, KeptLease, Lease, find_device
from .stream_optimized import Grain, TruncatedError, read_grains

# What stands behind the last grain: no read comes so far.
NO_GRAIN = Grain(sys.maxsize, b"")

ZEROS = memoryview(bytes(MIB))


@dataclass(frozen=True)
class Exporter:
    """How exports of one snapshot are opened. `host` is the vCenter (or ESXi host) itself.

    `open_lease` returns a new lease that is ready, for all disks of the snapshot.
    """

    open_lease: Callable[[], Lease]
    host: Host
    session: WebSession

    def host_of(self, device: Device) -> Host:
        """Return where the device's body is fetched; "*" stands for the host that was asked."""
        url = urlsplit(device.url)
        name = url.hostname or "*"
        return replace(
            self.host,
            name=self.host.name if name == "*" else name,
            port=url.port or (self.host.port if name == "*" else 443),
            thumbprint=device.thumbprint,
        )

    def cookie_for(self, host: Host) -> str:
        """Return the session's cookie for its own host, "" for others: they go by the url alone."""
        is_own = (host.name, host.port) == (self.host.name, self.host.port)
        return self.session.cookie() if is_own else ""


class ExportDisk:
    """See the file's head. `size` in bytes; reads of several threads come one after the other.

    `passed` are the bytes of all grains that came, over all exports, wanted or skipped.

    No lease is held before the first read and after the last byte was read: a lease locks operations of
    the VM. Whatever fails ends the export, and the next read begins a new one.
    """

    def __init__(self, exporter: Exporter, place: str, size: int) -> None:
        """`place` is the disk's, see `find_device`."""
        self.size = size
        self.passed = 0
        self._exporter = exporter
        self._place = place
        self._lock = threading.Lock()
        self._is_closed = False
        self._export: Optional[_Export] = None

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        """Fill the head of `buffer` with `length` bytes, at most 1 MiB, and return that part.

        Raises TransientError where a new export may do better, else another FerryError.
        """
        with self._lock:
            export = self._take(start)
            try:
                export.fill(start, buffer[:length])
                if export.position < self.size:
                    self._export = export
            finally:
                if self._export is None:
                    export.end()
        return buffer[:length]

    def refresh(self) -> None:
        """A snapshot is frozen: there is nothing newer."""

    def close(self) -> None:
        """No lease is held any more; a read that skips to its place gives up."""
        self._is_closed = True
        with self._lock:
            export, self._export = self._export, None
            if export is not None:
                export.end()

    def _take(self, start: int) -> _Export:
        """Return an export that can read at `start`. The disk has none until it is given back.

        So one that failed is never read again: behind a broken stream all would seem absent, thus zero.
        """
        export, self._export = self._export, None
        if export is not None and start < export.position:
            export.end()
            export = None
        return export or self._open()

    def _open(self) -> _Export:
        lease = self._exporter.open_lease()
        export = _Export(lease, self.size, self._pass)
        try:
            device = find_device(lease.devices, self._place)
            export.begin(self._exporter.host_of(device), device, self._exporter)
        except BaseException:  # A lease that nobody ends would be kept alive for ever.
            export.end()
            raise
        return export

    def _pass(self, grain: Grain) -> None:
        """Note that a grain came."""
        if self._is_closed:
            raise TransientError("The disk was closed while it was read.")
        self.passed += len(grain.data)


class _Export:
    """One pass over the disk: a lease, a connection, and the grains that come over it.

    `note` is told of each grain when it is here.
    """

    def __init__(self, lease: Lease, size: int, note: Callable[[Grain], None]) -> None:
        self.position = 0
        self._note = note
        self._size = size
        self._kept = KeptLease(lease, self._percent)
        self._connection: Optional[http.client.HTTPSConnection] = None
        self._grains: Iterator[Grain] = iter(())
        self._grain = NO_GRAIN

    def begin(self, host: Host, device: Device, exporter: Exporter) -> None:
        """The first grain is here."""
        cookie = exporter.cookie_for(host)
        self._connection = host.connect()
        what = f"the export of {device.key}"
        try:
            target = urlsplit(device.url)._replace(scheme="", netloc="").geturl()
            self._connection.request("GET", target, headers={"Cookie": cookie} if cookie else {})
            response = self._connection.getresponse()
        except CONNECTION_FAULTS as error:
            raise host.lost(what, error) from error
        check_status(host, what, response, 200)
        self._grains = read_grains(_reader(host, what, response), self._size)
        self._next()

    def fill(self, start: int, view: memoryview) -> None:
        """Fill `view` with the disk's bytes from `start` on, which is not below `position`."""
        self._kept.check()
        view[:] = ZEROS[: len(view)]
        end = start + len(view)
        if end > self._size:
            raise PermanentError(f"The disk ends at {self._size}, not at {end}.")
        while self._grain.start < end:
            _copy(self._grain, start, view)
            if self._grain.end > end:
                break
            self._next()
        self.position = end

    def end(self) -> None:
        """The lease is completed if all was read, else aborted; the connection is closed."""
        if self._connection is not None:
            self._connection.close()
        if self.position == self._size:
            self._kept.complete()
        else:
            self._kept.abort()

    def _next(self) -> None:
        try:
            self._grain = next(self._grains, NO_GRAIN)
        except FerryError:
            # A host that ends a lease cuts the stream: the lease has the better words.
            self._kept.check()
            raise
        self._note(self._grain)

    def _percent(self) -> int:
        return self.position * 100 // self._size


def _reader(host: Host, what: str, response: http.client.HTTPResponse) -> Callable[[int], bytes]:
    def read(length: int) -> bytes:
        try:
            return response.read(length)
        except http.client.IncompleteRead as error:
            raise TruncatedError(f"{host} ended {what} early.") from error
        except CONNECTION_FAULTS as error:
            raise host.lost(what, error) from error

    return read


def _copy(grain: Grain, start: int, view: memoryview) -> None:
    """Copy what the grain has of the bytes from `start` on.

    grain            |---------------|
    view                   |--------------|  or  |----|  or inside it
    """
    first = max(start, grain.start)
    last = min(start + len(view), grain.end)
    if first < last:
        view[first - start : last - start] = grain.data[first - grain.start : last - grain.start]
