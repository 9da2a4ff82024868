# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A disk of a snapshot, read through VDDK. PRIVATE. Part of the source worker's sender.

nbdkit's plugin opens the disk, libnbd reads it; ESXi resolves the snapshot's whole chain. One process and
one connection for each disk: several handles on one disk slow each other (virt-v2v turns them off too).
libnbd's Python module is a package of the distribution, and is looked for only here.
"""

from __future__ import annotations

import threading
from typing import Any, List, NamedTuple, Tuple

from ..errors import InputError, PermanentError, TransientError
from ..units import GIB, MIB, show_exact_size
from .nbdkit import Nbdkit, VddkDiskName, VddkSettings

# base:allocation of the NBD protocol. A hole alone may read as anything.
READS_AS_ZERO = 0x2

# Asked about in one question. VDDK answers by 64 KiB, and each question goes to the host.
WINDOW = GIB

ZEROS = memoryview(bytes(MIB))


class VddkLostError(TransientError):
    """A read failed. The disk may be opened again."""


class Piece(NamedTuple):
    """Bytes from `start` up to `end`, all zero or of any content."""

    start: int
    end: int
    is_zero: bool


class VddkDisk:
    """See the file's head. `size` in bytes; reads of several threads come one after the other."""

    passed = 0  # See ExportDisk: nothing comes that nobody asked for.

    def __init__(self, settings: VddkSettings, name: VddkDiskName, size: int) -> None:
        """The disk is open. Raises InputError, NbdkitError, PermanentError for one of another size."""
        nbd = _import_libnbd()
        self.size = size
        self._file = name.file
        self._lock = threading.Lock()
        self._nbd_error = nbd.Error
        self._handle: Any = nbd.NBD()
        self._server = Nbdkit(settings, name)
        try:
            self._server.await_ready()
            self._connect(nbd.CONTEXT_BASE_ALLOCATION)
        except BaseException:
            self.close()
            raise
        self._allocation = Allocation(self._ask_allocation, size, is_told=self._tells_allocation)

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        """Fill the head of `buffer` with `length` bytes, at most 1 MiB, and return that part.

        Raises VddkLostError; for a disk that was closed too, since another thread may have found it lost.
        """
        view = buffer[:length]
        with self._lock:
            try:
                for piece in self._allocation.pieces(start, start + length):
                    self._fill(piece, view[piece.start - start : piece.end - start])
            except self._nbd_error as error:
                raise VddkLostError(
                    f"{length} bytes at {start} of {self._file} cannot be read: {error.string}."
                ) from error
        return view

    def refresh(self) -> None:
        """A snapshot is frozen: there is nothing newer."""

    def close(self) -> None:
        """nbdkit has ended, and so has its session with the host."""
        # The connection goes with its handle; nbdkit would wait for it.
        self._handle = None
        self._server.stop()

    @property
    def _connected(self) -> Any:
        """The connection's handle; whoever holds it keeps it from going while `close` is called."""
        handle = self._handle
        if handle is None:
            raise VddkLostError(f"{self._file} was closed by another connection that lost it.")
        return handle

    @property
    def _tells_allocation(self) -> bool:
        return bool(self._handle.can_meta_context(self._context))

    def _connect(self, context: str) -> None:
        self._context = context
        self._handle.add_meta_context(context)
        try:
            self._handle.connect_unix(self._server.socket)
        except self._nbd_error:
            raise self._server.failed("cannot open the disk") from None
        size = self._handle.get_size()
        if size != self.size:
            raise PermanentError(
                f"VDDK shows {self._file} with {show_exact_size(size)}, the snapshot's disk has"
                f" {show_exact_size(self.size)}."
            )

    def _fill(self, piece: Piece, view: memoryview) -> None:
        if piece.is_zero:
            view[:] = ZEROS[: len(view)]
        else:
            view[:] = self._connected.pread(len(view), piece.start)

    def _ask_allocation(self, start: int, length: int) -> List[Tuple[int, int]]:
        """Return lengths and flags of what comes from `start` on, as far as the server cares to tell."""
        told: List[Tuple[int, int]] = []

        def take(context: str, _offset: int, entries: List[int], _error: Any) -> None:
            if context == self._context:
                told.extend(zip(entries[::2], entries[1::2]))

        self._connected.block_status(length, start, take)
        return told


class Allocation:
    """What of a disk is known to read as zeros, asked window by window, because the snapshot is frozen.

    known    |data|zero |data  |zero          |
    asked                                     |- - WINDOW - - -|
    """

    def __init__(self, ask: Any, size: int, *, is_told: bool) -> None:
        """`ask(start, length)` returns lengths and flags from there on; without `is_told` all is data."""
        self._ask = ask
        self._size = size
        self._known: List[Piece] = [] if is_told else [Piece(0, size, is_zero=False)]

    def pieces(self, start: int, end: int) -> List[Piece]:
        """Return the pieces of [start, end), rising and without gaps."""
        found: List[Piece] = []
        while start < end:
            piece = self._piece_at(start)
            found.append(Piece(start, min(piece.end, end), piece.is_zero))
            start = found[-1].end
        return found

    def _piece_at(self, start: int) -> Piece:
        for piece in self._known:
            if piece.start <= start < piece.end:
                return piece
        self._known = self._window(start)
        return self._known[0]

    def _window(self, start: int) -> List[Piece]:
        """Return what the server tells from `start` on; an answer of no use stands for data."""
        pieces: List[Piece] = []
        at = start
        for length, flags in self._ask(start, min(WINDOW, self._size - start)):
            end = min(at + length, self._size)
            pieces.append(Piece(at, end, is_zero=bool(flags & READS_AS_ZERO)))
            at = end
        if at == start:
            return [Piece(start, min(start + MIB, self._size), is_zero=False)]
        return pieces


def _import_libnbd() -> Any:
    try:
        import nbd  # noqa: PLC0415 - a package of the distribution that only this reader needs.
    except ImportError as error:
        raise InputError(
            f"The reader vddk needs libnbd's Python module: {error}.",
            hint="Install python3-libnbd (Debian, RHEL) for the source worker's own Python.",
        ) from None
    return nbd
