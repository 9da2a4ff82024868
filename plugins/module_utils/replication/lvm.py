# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A server's LVM: what lies where, and snapshots that are marked as ours. PRIVATE. Python 3.6.

    physical volume   | label, metadata | extent 0 | extent 1 | ...  | rest |
                      0                 data_start                   data_end

A snapshot of ours has the tag `ferry_<migration id>` from its first moment on: lvcreate writes both at
once. By it whoever comes after a crash finds it. Reports are asked for as JSON (lvmreport(7)).
"""

import json
import os
import re
import shutil
import subprocess
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ..errors import InputError, PermanentError

# Runs a program of LVM and returns its standard output.
Run = Callable[[Sequence[str]], str]

TAG = "ferry_"

# A program of LVM reads all disks; one that does not answer would hold it up for ever.
_PATIENCE = 120.0

_PATHS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin")

# What a snapshot needs no more than: all that can change, and LVM's own table of it (0.5 % at most).
_WHOLE = 1.01
# Not all free space: others may need some while the sync runs.
_SHARE_OF_FREE = 0.8
# With less a busy server overflows its snapshot before its disks are read.
_LEAST = 0.05


class Segment(NamedTuple):
    """A part of a logical volume on one device; everything in bytes.

    Of `stripes` devices this is number `stripe_number`; in turn each holds `stripe` bytes of the volume.
    """

    volume: str
    device: str
    start: int
    length: int
    offset: int
    stripes: int
    stripe_number: int
    stripe: int


class LogicalVolume(NamedTuple):
    """`name` is group/volume; `why_not` says why it can have no snapshot, or is empty. `is_ours`: a snapshot of Ferry's."""

    name: str
    number: str
    size: int
    why_not: str
    is_ours: bool = False

    @property
    def group(self) -> str:
        """The name of its volume group."""
        return self.name.partition("/")[0]


class PhysicalVolume(NamedTuple):
    """Where LVM's data lie on a device, by its kernel's name; in bytes."""

    device: str
    group: str
    data_start: int
    data_end: int
    size: int


class Group(NamedTuple):
    """A volume group; each change of it makes `generation` larger."""

    extent: int
    free_extents: int
    generation: int


class Layout(NamedTuple):
    """All of a server's LVM at one time."""

    groups: Dict[str, Group]
    physical: List[PhysicalVolume]
    volumes: Dict[str, LogicalVolume]
    segments: List[Segment]


class Snapshot(NamedTuple):
    """A snapshot of ours: `full` in percent of its room; an overflown one has no content any more."""

    name: str
    migration: str
    full: float
    is_overflown: bool


def run_lvm(command: Sequence[str]) -> str:
    """Run a program of LVM; see Run. Raises PermanentError with its own words."""
    environment = dict(os.environ, LC_ALL="C", PATH=os.pathsep.join(_PATHS))
    environment["LVM_SUPPRESS_FD_WARNINGS"] = "1"
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PermanentError("{} did not run: {}.".format(command[0], error)) from error
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise PermanentError(
            "{} ended with {}: {}".format(" ".join(command), done.returncode, said),
            hint="See what LVM says of it on the source.",
        )
    return done.stdout.decode(errors="replace")


def is_installed() -> bool:
    """Return whether this server has LVM's programs, and may have volumes."""
    return shutil.which("lvs", path=os.pathsep.join(_PATHS)) is not None


def read_layout(run: Run = run_lvm) -> Layout:
    """Return the server's LVM as it is now."""
    groups = {
        row["vg_name"]: Group(
            int(row["vg_extent_size"]), int(row["vg_free_count"]), int(row["vg_seqno"])
        )
        for row in _report(run, "vgs", "vg_name,vg_extent_size,vg_free_count,vg_seqno")
    }
    physical = [
        _physical_volume(row, groups[row["vg_name"]])
        for row in _report(run, "pvs", "pv_name,vg_name,pe_start,pv_pe_count,dev_size")
        if row["vg_name"]
    ]
    fields = (
        "vg_name,lv_name,lv_tags,lv_size,lv_active,lv_kernel_major,lv_kernel_minor,origin,segtype,"
        "seg_start,seg_size,stripes,stripe_size,devices"
    )
    rows = _report(run, "lvs", fields, "--all", "--segments")
    starts = {each.device: each.data_start for each in physical}
    segments = [part for row in rows for part in _segments(row, groups[row["vg_name"]], starts)]
    return Layout(groups, physical, _volumes(rows), segments)


def _report(run: Run, program: str, fields: str, *options: str) -> List[Dict[str, str]]:
    command = [program, "--reportformat", "json", "--units", "b", "--nosuffix", *options]
    (report,) = json.loads(run([*command, "--options", fields]))["report"]
    return list(next(iter(report.values())))


def _physical_volume(row: Dict[str, str], group: Group) -> PhysicalVolume:
    start = int(row["pe_start"])
    end = start + int(row["pv_pe_count"]) * group.extent
    return PhysicalVolume(
        _kernel_name(row["pv_name"]), row["vg_name"], start, end, int(row["dev_size"])
    )


def _volumes(rows: Sequence[Dict[str, str]]) -> Dict[str, LogicalVolume]:
    volumes = {}  # type: Dict[str, LogicalVolume]
    for row in rows:
        name = _volume_name(row)
        known = volumes.get(name)
        volumes[name] = LogicalVolume(
            name,
            "{}:{}".format(row["lv_kernel_major"], row["lv_kernel_minor"]),
            int(row["lv_size"]),
            (known.why_not if known else "") or _why_not(row),
            _migration_of(row) is not None,
        )
    return volumes


def _why_not(row: Dict[str, str]) -> str:
    if row["lv_name"].startswith("["):
        return "it is a part of another volume"
    if row["segtype"] not in ("linear", "striped"):
        return "it is of type {}".format(row["segtype"])
    if row["origin"]:
        return "it is a snapshot itself"
    return "" if row["lv_active"] == "active" else "it is not active"


def _segments(row: Dict[str, str], group: Group, starts: Dict[str, int]) -> List[Segment]:
    """Return the parts of one row, a part for each device; none for types that are not mapped plainly."""
    if row["segtype"] not in ("linear", "striped"):
        return []
    places = re.findall(r"([^,()]+)\((\d+)\)", row["devices"])
    named = [(_kernel_name(device), int(extent)) for device, extent in places]
    return [
        Segment(
            _volume_name(row),
            device,
            starts[device] + extent * group.extent,
            int(row["seg_size"]) // len(named),
            int(row["seg_start"]),
            len(named),
            index,
            int(row["stripe_size"]) or int(row["seg_size"]),
        )
        for index, (device, extent) in enumerate(named)
        if device in starts
    ]


def _volume_name(row: Dict[str, str]) -> str:
    return "{}/{}".format(row["vg_name"], row["lv_name"])


def _kernel_name(path: str) -> str:
    return os.path.basename(os.path.realpath(path))


def share_space(layout: Layout, names: Sequence[str]) -> Dict[str, int]:
    """Return for each volume to be snapshotted how many extents its snapshot gets.

    Volumes share the free space of their group by their sizes. Raises InputError where it is too little.
    """
    extents = {}
    for name in names:
        volume = layout.volumes[name]
        group = layout.groups[volume.group]
        mates = (layout.volumes[each] for each in names)
        total = sum(each.size for each in mates if each.group == volume.group)
        share = group.free_extents * _SHARE_OF_FREE * volume.size / total
        extents[name] = int(min(share, volume.size * _WHOLE / group.extent + 1))
        if extents[name] < max(1, volume.size * _LEAST / group.extent):
            raise InputError(
                "Group {} has {} bytes free; snapshots of its volumes on the disks need at least "
                "{}.".format(
                    volume.group,
                    group.free_extents * group.extent,
                    int(total * _LEAST / _SHARE_OF_FREE) + group.extent,
                ),
                hint="Extend the group, or stop the source's services and remount it read-only.",
            )
    return extents


def take_snapshots(
    migration: str, extents: Mapping[str, int], run: Run = run_lvm
) -> Dict[str, str]:
    """Take a read-only snapshot of each volume; return by volume the snapshot's path.

    LVM holds a mounted file system still while it takes one. If one fails, the others are removed.
    """
    paths = {}
    try:
        for number, (volume, count) in enumerate(sorted(extents.items())):
            name = "{}{}_{}".format(TAG, migration, number)
            run(_lvcreate(volume, name, TAG + migration, count))
            paths[volume] = "/dev/{}/{}".format(volume.partition("/")[0], name)
    except PermanentError:
        remove_snapshots(migration, run)
        raise
    return paths


def _lvcreate(volume: str, name: str, tag: str, extents: int) -> List[str]:
    """No backup of the group's metadata: it would be written to the file system that is read."""
    return [
        "lvcreate",
        "--snapshot",
        "--permission=r",
        "--autobackup=n",
        "--monitor=n",
        "--yes",
        "--extents={}".format(extents),
        "--addtag={}".format(tag),
        "--name={}".format(name),
        volume,
    ]


def list_snapshots(run: Run = run_lvm) -> List[Snapshot]:
    """Return the snapshots of all migrations on this server."""
    rows = _report(run, "lvs", "vg_name,lv_name,lv_tags,data_percent,lv_snapshot_invalid")
    return [
        Snapshot(
            _volume_name(row),
            migration,
            float(row["data_percent"] or 0),
            bool(row["lv_snapshot_invalid"].strip()),
        )
        for row in rows
        for migration in [_migration_of(row)]
        if migration is not None
    ]


def _migration_of(row: Dict[str, str]) -> Optional[str]:
    """A tag alone is not enough: an operator may have tagged a volume so."""
    for tag in row["lv_tags"].split(","):
        if tag.startswith(TAG) and re.match(re.escape(tag) + r"_\d+$", row["lv_name"]):
            return tag[len(TAG) :]
    return None


def remove_snapshots(migration: str, run: Run = run_lvm) -> List[str]:
    """Remove the migration's snapshots, whoever took them; return their names."""
    names = [each.name for each in list_snapshots(run) if each.migration == migration]
    for name in names:
        run(["lvremove", "--yes", "--autobackup=n", name])
    return names
