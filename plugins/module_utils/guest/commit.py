# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From overlay to disk: one durable record decides, and what it says can be done again and again.

    stage/store-<n>      the changed chunks of disk n
    stage/record.json    written aside, flushed, renamed:
                           absent       nothing was decided: the disks are as they were
                           "committed"  the changes belong on the disks; copy them, all of them
                           "applied"    they are there, flushed

A run that finds "committed" finishes it first. But only for the very data that was prepared: if the
disks were synced again since, the record is void, and the new sync has made good what was half
copied.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from typing import Any, Dict, List, Optional, Sequence, Tuple

from . import direct_io
from .errors import StaleCommitError, StoreError
from .overlays import Target, store_path
from .store import Extent, extents, join_ranges, read_table

COMMITTED = "committed"
APPLIED = "applied"
_RECORD = "record.json"


@dataclass(frozen=True)
class DiskRecord:
    """What is to be copied to one disk: byte ranges, and where they lie in its store."""

    name: str
    size: int
    store: str
    digest: str
    extents: Tuple[Extent, ...]

    @property
    def ranges(self) -> List[Tuple[int, int]]:
        """Return the changed ranges of the disk: (start, length) in bytes, rising, apart."""
        return join_ranges((extent.start, extent.length) for extent in self.extents)


@dataclass(frozen=True)
class Record:
    """A decided preparation of the data of sync `generation`.

    `extensions` are the identities of all that ran on this data: they do not run on it again.
    """

    state: str
    generation: str
    disks: Tuple[DiskRecord, ...]
    extensions: Tuple[str, ...] = ()


def read_record(stage: str) -> Optional[Record]:
    """Return the record in `stage`, None if there is none."""
    try:
        with open(os.path.join(stage, _RECORD), encoding="utf-8") as file:
            data = json.load(file)
    except FileNotFoundError:
        return None
    disks = tuple(_disk_record(disk) for disk in data["disks"])
    return Record(data["state"], data["generation"], disks, tuple(data["extensions"]))


def commit(
    targets: Sequence[Target], stage: str, generation: str, extensions: Sequence[str] = ()
) -> Record:
    """From now on the changes in the stores belong to the disks, whatever happens; return the record.

    The overlays are gone and their stores are flushed. Chunks that were written but are as before are
    left out, so that the record names exactly what differs. Raises StoreError for a torn store.
    """
    disks = [_changes_of(target, stage, index) for index, target in enumerate(targets)]
    record = Record(COMMITTED, generation, tuple(disks), tuple(extensions))
    # The stage may be new: a record in a folder that a power cut takes away decides nothing.
    _flush_folder(os.path.dirname(os.path.abspath(stage)))
    _write_record(stage, record)
    return record


def extensions_done(stage: str, generation: str) -> Tuple[str, ...]:
    """Return the identities of the extensions whose work is on the disks, durably, with this data."""
    record = read_record(stage)
    if record and record.state == APPLIED and record.generation == generation:
        return record.extensions
    return ()


def finish(record: Record, targets: Sequence[Target], stage: str) -> Record:
    """Do what an earlier run committed and did not end; return the record as applied.

    Raises StaleCommitError if the disks or the stores are not those of the record.
    """
    if [(disk.name, disk.size) for disk in record.disks] != [(t.name, t.size) for t in targets]:
        raise StaleCommitError(
            "A preparation was committed for other disks than the given ones.",
            hint="Give the same disks in the same order, or run a sync and prepare its data.",
        )
    for disk in record.disks:
        with open(disk.store, "rb") as store:
            if _digest(disk.extents, store.fileno()) != disk.digest:
                raise StaleCommitError(
                    f"The store of the committed preparation of {disk.name} is damaged.",
                    hint="Run a sync, then prepare its data.",
                )
    return apply(record, targets, stage)


def apply(record: Record, targets: Sequence[Target], stage: str) -> Record:
    """The disks hold what the record says, durably; return it as applied. May be repeated."""
    for disk, target in zip(record.disks, targets):
        _copy_forward(disk, target.path)
    applied = replace(record, state=APPLIED)
    _write_record(stage, applied)
    clear_stores(stage)
    return applied


def clear_stores(stage: str) -> None:
    """No store is left in `stage`; the record stays."""
    for name in os.listdir(stage):
        if name.startswith("store-"):
            os.unlink(os.path.join(stage, name))


def forget(stage: str) -> None:
    """No decided preparation and no store is left that a later run could finish."""
    record = read_record(stage)
    if record and record.state == COMMITTED:
        os.unlink(os.path.join(stage, _RECORD))
        _flush_folder(stage)
    clear_stores(stage)


def _changes_of(target: Target, stage: str, index: int) -> DiskRecord:
    path = store_path(stage, index)
    with open(path, "rb") as store, direct_io.open_disk(target.path) as disk:
        descriptor = store.fileno()
        table = read_table(lambda start, length: _read(descriptor, start, length))
        changed: List[Extent] = []
        for piece in _pieces(extents(table, target.size), direct_io.PIECE):
            before = bytes(disk.read(piece.start, piece.length))
            after = _read(descriptor, piece.store_start, piece.length)
            changed += [
                chunk
                for chunk in _pieces([piece], table.chunk)
                if _part(before, chunk, piece) != _part(after, chunk, piece)
            ]
        merged = _merge(changed)
        return DiskRecord(target.name, target.size, path, _digest(merged, descriptor), merged)


def _part(data: bytes, chunk: Extent, piece: Extent) -> bytes:
    start = chunk.start - piece.start
    return data[start : start + chunk.length]


def _pieces(found: Sequence[Extent], length: int) -> List[Extent]:
    """Return the extents cut into pieces of at most `length` bytes."""
    return [
        Extent(extent.start + at, min(length, extent.length - at), extent.store_start + at)
        for extent in found
        for at in range(0, extent.length, length)
    ]


def _merge(chunks: Sequence[Extent]) -> Tuple[Extent, ...]:
    merged: List[Extent] = []
    for each in chunks:
        last = merged[-1] if merged else None
        if last and each.start - last.start == each.store_start - last.store_start == last.length:
            merged[-1] = last._replace(length=last.length + each.length)
        else:
            merged.append(each)
    return tuple(merged)


def _digest(changed: Sequence[Extent], store: int) -> str:
    """Return the digest of the table of changes and of the changed content."""
    digest = hashlib.sha256(json.dumps(changed).encode())
    for piece in _pieces(changed, direct_io.PIECE):
        digest.update(_read(store, piece.store_start, piece.length))
    return digest.hexdigest()


def _copy_forward(disk: DiskRecord, path: str) -> None:
    if not disk.extents:
        return
    with open(disk.store, "rb") as store, direct_io.open_writable(path) as target:
        for start, length, store_start in _pieces(disk.extents, direct_io.PIECE):
            target.write(start, _read(store.fileno(), store_start, length))
        target.flush()


def _read(descriptor: int, start: int, length: int) -> bytes:
    data = os.pread(descriptor, length, start)
    if len(data) != length:
        raise StoreError(f"The overlay's store ends at {start + len(data)}: it is torn.")
    return data


def _disk_record(data: Dict[str, Any]) -> DiskRecord:
    changed = tuple(Extent(*extent) for extent in data["extents"])
    return DiskRecord(data["name"], data["size"], data["store"], data["digest"], changed)


def _write_record(stage: str, record: Record) -> None:
    """Write the record so that after a crash it is there whole, or not at all."""
    path = os.path.join(stage, _RECORD)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(asdict(record), file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".new", path)
    _flush_folder(stage)


def _flush_folder(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
