# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What a target held when a snapshot of it was taken, so that a delta need not read it. PRIVATE. Python 3.6.

A small file beside a disk's index, `<index>.target`: at that snapshot the target's disk was the generation of the
index, but for what a preparation had changed since. Whoever has reverted the target to the snapshot may say so:

    snapshot taken --> noted      sync begins --> taken: read, removed durably, and judged only then

So it serves once: a sync that did not end leaves a target of which nothing is known. Any sync takes it, whether it
may use it or not. Whatever is wrong with it, the target's disk is compared.
"""

import hashlib
import json
import os
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..errors import InputError
from .index import DoubtError, Head, flush_folder, known_head
from .indexed import IndexOrder

Extents = Sequence[Tuple[int, int]]


class TargetSnapshot(NamedTuple):
    """One volume at one snapshot of a target instance; all three are the appliance's numbers."""

    instance: str
    snapshot: str
    volume: str


class TargetIndex(NamedTuple):
    """What is known of a target's disk. `extents` (start, length) are the bytes that a preparation changed since
    both ends agreed on `root`, in the index's `generation`."""

    at: TargetSnapshot
    generation: int
    root: str
    extents: Extents


def note_disk(path: str, at: TargetSnapshot, *, root: str, extents: Extents) -> None:
    """Note durably what a target's disk holds at a snapshot, beside the index at `path`.

    `root` is what the sync before agreed on; `extents` may reach beyond the source's disk. Raises DoubtError where
    the index is of another sync, OSError where it cannot be written; there is no note then, of whatever snapshot.
    """
    _remove(path)
    head = known_head(path)
    if head is None or head.root != root:
        raise DoubtError("the source worker has no index of that sync")
    _write(path, TargetIndex(at, head.generation, root, _clip(extents, head.size)))


def take_targets(
    orders: Mapping[str, IndexOrder], told: Optional[Mapping[str, Any]]
) -> Tuple[Dict[str, IndexOrder], Dict[str, str]]:
    """Return the orders of the disks, with `prepared` where the target is known, and why it is not, by disk.

    `told` are the instance, the snapshot that it was reverted to, and its `volumes` by disk; without it nothing is
    asked for. Afterwards no disk has a note. Raises InputError for what cannot be read.
    """
    asked = None if told is None else _read_told(told)
    taken, doubts = {}, {}
    for name, order in orders.items():
        taken[name] = order
        try:
            raw = _take(order.path)
            if asked is not None:
                taken[name] = order._replace(prepared=_judge(order, raw, asked.get(name)))
        except DoubtError as doubt:
            if asked is not None:
                doubts[name] = str(doubt)
    return taken, doubts


def _read_told(told: Mapping[str, Any]) -> Dict[str, TargetSnapshot]:
    try:
        instance, snapshot = str(told["instance"]), str(told["snapshot"])
        volumes = dict(told["volumes"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("What is told of the target is wrong: {!r}.".format(error)) from error
    return {
        name: TargetSnapshot(instance, snapshot, str(volume)) for name, volume in volumes.items()
    }


def _judge(order: IndexOrder, raw: bytes, at: Optional[TargetSnapshot]) -> Extents:
    """Return what the preparation changed. Raises DoubtError where the target may hold something else."""
    if order.is_full:
        raise DoubtError("all is to be read")
    if not order.since:
        raise DoubtError("the source's own index is not used")
    if at is None:
        raise DoubtError("the snapshot does not hold the disk's volume")
    head = known_head(order.path)
    if head is None or head.change_id != order.since:
        raise DoubtError("the index is gone")
    noted = _parse(raw, head.size)
    _compare(noted, head, at)
    return noted.extents


def _compare(noted: TargetIndex, head: Head, at: TargetSnapshot) -> None:
    for name in at._fields:
        has, wanted = getattr(noted.at, name), getattr(at, name)
        if has != wanted:
            raise DoubtError("it is of {} {}, not {}".format(name, has, wanted))
    if (noted.generation, noted.root) != (head.generation, head.root):
        raise DoubtError("it belongs to another generation of the index")


def _clip(extents: Extents, size: int) -> List[Tuple[int, int]]:
    """What lies beyond the source's disk, such as the backup of a partition table, is in no index."""
    ends = ((start, min(start + length, size)) for start, length in extents)
    return [(start, end - start) for start, end in ends if start < end]


def _write(path: str, noted: TargetIndex) -> None:
    text = json.dumps([noted.at, noted.generation, noted.root, noted.extents]).encode()
    aside = _place(path) + ".new"
    with open(aside, "wb") as stream:
        stream.write(_digest(text) + b"\n" + text)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(aside, _place(path))
    flush_folder(path)


def _parse(raw: bytes, size: int) -> TargetIndex:
    digest, _line, text = raw.partition(b"\n")
    if digest != _digest(text):
        raise DoubtError("it is torn")
    at, generation, root, extents = json.loads(text.decode())
    found = [(int(start), int(length)) for start, length in extents]
    if any(start < 0 or length < 0 or start + length > size for start, length in found):
        raise DoubtError("it names bytes outside of the disk")
    return TargetIndex(TargetSnapshot(*at), generation, root, found)


def _take(path: str) -> bytes:
    """Return what was noted; it is gone for good then, whatever happens next."""
    try:
        try:
            with open(_place(path), "rb") as stream:
                return stream.read()
        finally:
            _remove(path)
    except FileNotFoundError:
        raise DoubtError("nothing was noted at the target's snapshot") from None
    except OSError as error:
        raise DoubtError("it cannot be taken: {}".format(error.strerror)) from error


def _remove(path: str) -> None:
    if os.path.exists(_place(path)):
        os.unlink(_place(path))
        flush_folder(path)


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()


def _place(path: str) -> str:
    return path + ".target"
