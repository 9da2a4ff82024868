# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What a server's disks are while they are read: its point in time. PRIVATE. Python 3.6.

moving         read while the server writes: a smear that no crash could make; a later sync mends it
lvm_snapshot   volumes through their snapshots, tables and LVM's metadata as they were before, the rest live
stopped        no file system of the disks can be written
auto           the best of the three that is true
"""

from functools import partial
from typing import (
    Any,
    Callable,
    Container,
    Dict,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from ..errors import FerryError, InputError
from . import lvm, lvm_view
from .block_devices import mounts_of, writable_places
from .disks import Disk, PathDisk
from .indexed import IndexOrder
from .messages import Order, View

AUTO = "auto"

_VIEWS = {view.word: view for view in (View.MOVING, View.LVM_SNAPSHOT, View.STOPPED)}

# What may be asked for.
WORDS = (AUTO, *_VIEWS)


def _nothing() -> None:
    """Nothing to check, or to close."""


class SourceView(NamedTuple):
    """A view that was chosen, and is held until `close`.

    `disks` opens each disk by its name; `check` raises a FerryError when they are no more what `view` says;
    `reason` says why `auto` chose no better one, or is empty. `volumes` are what alone stands still, if not
    all does. `told` is what is to be known of a disk besides, by its name; `file_systems` of each file system.
    `indexes` are those that reads use, by the disk's name, `order` how the disks can be read.
    """

    view: View
    disks: Mapping[str, Callable[[], Disk]]
    check: Callable[[], None] = _nothing
    close: Callable[[], object] = _nothing
    reason: str = ""
    order: Order = Order.ANY
    indexes: Mapping[str, IndexOrder] = {}
    told: Mapping[str, Mapping[str, Any]] = {}
    volumes: Optional[Container[str]] = None
    file_systems: Sequence[Mapping[str, Any]] = ()


# What opens a view of disks that are not this server's own, from the document of `start`, by the view's word.
# The rooms that it needs are not known here: the program that is started puts it in.
OPENERS: Dict[str, Callable[[Mapping[str, Any]], SourceView]] = {}


def refuse_moving(view: View, reason: str) -> None:
    """Raise InputError where what is unused may be used a moment later."""
    if view is View.MOVING:
        raise InputError(
            "Unused blocks can be left out only of a source that stands still. {}".format(
                reason
            ).strip(),
            hint="Switch ferry_used_blocks off, or have source_view lvm_snapshot or stopped.",
        )


def choose_view(word: str, paths: Mapping[str, str]) -> Tuple[View, str]:
    """Return the view of this word, or for `auto` the best true one and why it is no better.

    Changes nothing. `paths` are the disks' by name. Raises InputError for a view that is not true.
    """
    if word == AUTO:
        return _choose_best(paths)
    view = _VIEWS.get(word)
    if view is None:
        raise InputError("There is no source view {!r} of a server's own disks.".format(word))
    if view is View.STOPPED:
        _check_stopped(paths)
    elif view is View.LVM_SNAPSHOT:
        lvm_view.plan_snapshots(paths)
    return view, ""


def _choose_best(paths: Mapping[str, str]) -> Tuple[View, str]:
    """Nobody says that a disk without a file system is not used: it may be written in other ways."""
    mounts = [mounts_of(path) for path in paths.values()]
    if all(each and not writable_places(each) for each in mounts):
        return View.STOPPED, ""
    try:
        lvm_view.plan_snapshots(paths, is_vouched=False)
    except FerryError as error:
        return View.MOVING, str(error)
    return View.LVM_SNAPSHOT, ""


def open_view(word: str, migration: str, paths: Mapping[str, str]) -> SourceView:
    """Return the view that `choose_view` chooses, opened.

    Afterwards the snapshots of a `lvm_snapshot` exist, marked as the migration's, until it is closed; those
    of an earlier run are gone. Raises InputError for a view that is not true, and what LVM says.
    """
    discard_snapshots(migration)
    view, reason = choose_view(word, paths)
    if view is View.LVM_SNAPSHOT:
        try:
            return _open_snapshots(migration, paths)
        except FerryError as error:
            if word != AUTO:
                raise
            view, reason = View.MOVING, str(error)
    check = partial(_check_stopped, paths) if view is View.STOPPED else _nothing
    return SourceView(view, _plain(paths), reason=reason, check=check)


def _open_snapshots(migration: str, paths: Mapping[str, str]) -> SourceView:
    snapshots = lvm_view.take_snapshots(migration, paths)
    return SourceView(
        View.LVM_SNAPSHOT,
        snapshots.disks,
        check=partial(lvm_view.check_snapshots, migration),
        close=partial(lvm.remove_snapshots, migration),
        volumes=snapshots.volumes,
    )


def discard_snapshots(migration: str) -> List[str]:
    """Remove what the migration's senders left of snapshots; return their names."""
    return lvm.remove_snapshots(migration) if lvm.is_installed() else []


def list_snapshots() -> List[lvm.Snapshot]:
    """Return the snapshots of all migrations on this server."""
    return lvm.list_snapshots() if lvm.is_installed() else []


def _plain(paths: Mapping[str, str]) -> Dict[str, Callable[[], Disk]]:
    return {name: partial(PathDisk, path) for name, path in paths.items()}


def _check_stopped(paths: Mapping[str, str]) -> None:
    """Nobody is believed to have stopped the source whose file systems can be written, then or by now."""
    for name, path in paths.items():
        places = writable_places(mounts_of(path))
        if places:
            raise InputError(
                "Disk {} cannot count as stopped: {} can be written.".format(
                    name, ", ".join(places)
                ),
                hint="Remount its file systems read-only first.",
            )
