# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which file systems lie on a server's disks, and where, as its kernel has them mounted. PRIVATE. Python 3.6.

The kernel's word, and not what a super block on a disk says: one of a file system that was there before may be
left under an encrypted volume, a RAID or a database, and by it their blocks would count as unused.
"""

from typing import Container, Dict, List, Mapping, NamedTuple, Optional

from . import lvm
from .block_devices import Mount, mounts_of, number_of
from .geometry import Span
from .lvm_view import Device, find_devices
from .pieces import MapDoubtError, Piece, Pieces


class FileSystem(NamedTuple):
    """A mounted file system: its kernel's type, a place where it is mounted, and where it lies.

    Without `pieces`, `why_not` says why nothing is known of it.
    """

    kind: str
    place: str
    pieces: Optional[Pieces]
    why_not: str


def find_file_systems(
    paths: Mapping[str, str], volumes: Optional[Container[str]] = None
) -> List[FileSystem]:
    """Return what of the disks' is mounted, each once, by its place. `paths` are the disks' by name.

    `volumes` are those of LVM that stand still; without it all does. What moves has no place.
    """
    mounts: Dict[str, Mount] = {}
    for path in paths.values():
        for mount in mounts_of(path):
            mounts.setdefault(mount.number, mount)
    places = {} if volumes is not None else _partitions(find_devices(paths))
    if lvm.is_installed():
        places.update(_volumes(lvm.read_layout(), find_devices(paths), volumes))
    by_place = sorted(mounts.values(), key=lambda mount: mount.place)
    return [_file_system(mount, places.get(mount.number)) for mount in by_place]


def _file_system(mount: Mount, pieces: Optional[List[Piece]]) -> FileSystem:
    if not pieces:
        why_not = "it does not stand still, or is on no partition and no plain volume"
        return FileSystem(mount.kind, mount.place, None, why_not)
    try:
        return FileSystem(mount.kind, mount.place, Pieces(pieces), "")
    except MapDoubtError as doubt:
        return FileSystem(mount.kind, mount.place, None, str(doubt))


def _partitions(devices: Mapping[str, Device]) -> Dict[str, List[Piece]]:
    """Return by number where the disks and their partitions lie."""
    return {
        number: [Piece(0, device.disk, device.span)]
        for name, device in devices.items()
        for number in [number_of(name)]
        if number
    }


def _volumes(
    layout: lvm.Layout, devices: Mapping[str, Device], only: Optional[Container[str]]
) -> Dict[str, List[Piece]]:
    """Return by number where the linear volumes lie, as far as they are on these disks."""
    return {
        volume.number: _pieces(layout, devices, volume.name)
        for volume in layout.volumes.values()
        if (only is None or volume.name in only) and not volume.why_not
    }


def _pieces(layout: lvm.Layout, devices: Mapping[str, Device], volume: str) -> List[Piece]:
    """Return where the volume's linear parts on these disks are; what is missing leaves a gap."""
    return [
        Piece(
            segment.offset,
            devices[segment.device].disk,
            Span(devices[segment.device].span.start + segment.start, segment.length),
        )
        for segment in layout.segments
        if segment.volume == volume and segment.device in devices and segment.stripes == 1
    ]
