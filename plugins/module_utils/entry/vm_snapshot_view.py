# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The disks of a VM's snapshot, as a source worker's sender serves them. PRIVATE to the collection.

Where the rooms meet: `vsphere` knows the snapshot, what changed, and how to read; `replication` serves.

    document of `start` -> session -> snapshot of the migration -> for each disk: reader, changed extents -> view
"""

from __future__ import annotations

import hashlib
import os
import ssl
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional

from ..errors import InputError
from ..replication.index import index_path, known_head
from ..replication.indexed import IndexOrder
from ..replication.messages import Order, View
from ..replication.source_view import SourceView
from ..vsphere import machines
from ..vsphere.baselines import Baseline
from ..vsphere.changed_extents import Changes, find_changes
from ..vsphere.datastore_disk import DatastoreDisk, refusal_of
from ..vsphere.disks import Disk as VmDisk
from ..vsphere.export_disk import ExportDisk, Exporter
from ..vsphere.export_lease import open_lease
from ..vsphere.facts import FactReader
from ..vsphere.flat_files import (
    FlatFile,
    SnapshotDisk,
    datastore_of,
    flat_file,
    flat_obstacle,
)
from ..vsphere.https import Host
from ..vsphere.load_limits import LoadLimits, Place
from ..vsphere.machines import MachineCalled
from ..vsphere.nbdkit import VddkDiskName, VddkSettings, vddk_obstacle
from ..vsphere.readers import AUTO, DATASTORE, EXPORT, VDDK, ReaderFacts, choose_reader
from ..vsphere.session import Endpoint, Session, User
from ..vsphere.snapshot_plan import SnapshotSeen, tracked_disks
from ..vsphere.snapshot_work import read_disks
from ..vsphere.vddk_disk import VddkDisk
from .shared_reader import SharedReader

Document = Mapping[str, Any]

# What an ESXi host calls its only datacenter.
_ESXI = "ha-datacenter"

# How long each wait for a host may take that sends a disk, in seconds.
_HOST_TIMEOUT = 60.0

# Of the process: all migrations of the source worker read by it.
_LOAD = LoadLimits()


class _Source(NamedTuple):
    """The snapshot as it was found, and how to reach what holds it."""

    session: Session
    host: Host
    vm: Any
    machine: machines.Machine
    snapshot: str
    disks: List[VmDisk]
    facts: Mapping[str, Any]
    release: Any
    vddk: VddkSettings
    vddk_obstacle: str


def open_vm_snapshot(document: Document) -> SourceView:
    """Return the view of the migration's snapshot, until it is closed. See SourceView.

    `document["vm_snapshot"]` says where the VM is and how it is to be read. Raises FerryError; nothing is
    open then.
    """
    wanted = document["vm_snapshot"]
    _LOAD.set(per_host=wanted["reads_per_host"], per_datastore=wanted["reads_per_datastore"])
    session = _session(wanted)
    try:
        source = _find(session, wanted, document["migration"])
        served = [_Served(source, disk, wanted, document["migration"]) for disk in source.disks]
    except BaseException:
        session.close()
        raise
    return SourceView(
        View.VCENTER_SNAPSHOT,
        {each.name: each.shared.lend for each in served},
        check=lambda: _check_snapshot(source),
        close=lambda: _close(served, session),
        order=Order.ASCENDING if any(each.reader == EXPORT for each in served) else Order.ANY,
        indexes={each.name: each.index for each in served if each.index is not None},
        told={each.name: each.told for each in served},
    )


def _check_snapshot(source: _Source) -> None:
    """Once it is removed the flat file is the running VM's: what was read since would be of no moment."""
    machine = machines.observe(source.session, source.vm)
    if source.snapshot not in [each.moid for each in machine.snapshots]:
        raise InputError(
            f"Snapshot {source.snapshot} of {machine} was removed while its disks were read.",
            hint="Begin a new sync, and leave its snapshot to Ferry.",
        )


def _close(served: "List[_Served]", session: Session) -> None:
    for each in served:
        each.shared.close()
    session.close()


class _Served:
    """One disk of the snapshot: by which reader, what changed, and its index."""

    def __init__(self, source: _Source, disk: VmDisk, wanted: Document, migration: str) -> None:
        self.name = f"disk-{disk.key}"
        path = index_path(wanted["index_directory"], migration, self.name)
        changes = _changes(source, disk, path)
        facts = ReaderFacts(
            vddk=source.vddk_obstacle,
            datastore=_datastore_obstacle(source, disk, wanted["reader"]),
            is_delta=known_head(path) is not None,
        )
        choice = choose_reader(wanted["reader"], facts)
        self.reader = choice.reader
        place = Place(source.machine.host, datastore_of(disk.file))
        self.shared = SharedReader(
            partial(_OPEN[choice.reader], source, disk), partial(_LOAD.turn, place)
        )
        self.index = _index(source, disk, changes, path=path, reads_all=wanted["reads_all"])
        if self.index is not None and self.reader == EXPORT:
            # A stream passes all that it is not asked for: a remembered granule saves nothing.
            self.index = self.index._replace(since="", extents=())
        reason = changes.doubt
        self.told: Dict[str, Any] = {
            "path": disk.file,
            "uuid": disk.uuid,
            "reader": choice.reader,
            "reader_reason": choice.why,
            "changed": changes.length,
            "delta_reason": reason.reason.value if reason else "",
            "delta_detail": reason.detail if reason else "",
        }


def _session(wanted: Document) -> Session:
    proxy = (wanted["proxy_host"], wanted["proxy_port"]) if wanted.get("proxy_host") else None
    endpoint = Endpoint(
        wanted["hostname"], _trust(wanted), wanted["port"], wanted["timeout"], proxy
    )
    return Session(endpoint, User(wanted["username"], wanted["password"]))


def _trust(wanted: Document) -> ssl.SSLContext:
    """The authorities come as text: their file is the controller's."""
    trust = ssl.create_default_context(cadata=wanted["authorities"] or None)
    if not wanted["validate_certs"]:
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE
    return trust


def _find(session: Session, wanted: Document, migration: str) -> _Source:
    called = MachineCalled(wanted["moid"] or "", wanted["uuid"] or "", wanted["name"] or "")
    host = Host(wanted["hostname"], wanted["port"], _trust(wanted), _HOST_TIMEOUT)

    vm = machines.find(session, called)
    machine = machines.observe(session, vm)
    seen = SnapshotSeen(machine, migration)
    if len(seen.of_sync) != 1:
        raise InputError(
            f"{machine} has {len(seen.of_sync) or 'no'} snapshots of migration {migration}.",
            hint="Take one with ferry.hvm.vsphere_snapshot before the export.",
        )
    (snapshot,) = seen.of_sync
    vddk = _vddk(wanted, host)
    return _Source(
        session,
        host,
        vm,
        machine,
        snapshot.moid,
        list(tracked_disks(read_disks(session, snapshot), frozenset(wanted["left_out_disks"]))),
        FactReader(session).of(vm),
        machines.host_release(session, machine),
        vddk,
        vddk_obstacle(vddk) if wanted["reader"] in (AUTO, VDDK) else "it was not asked for",
    )


def _vddk(wanted: Document, host: Host) -> VddkSettings:
    connection = host.connect()
    try:
        certificate = connection.sock.getpeercert(binary_form=True) or b""
    finally:
        connection.close()
    digest = hashlib.sha1(certificate).hexdigest().upper()  # noqa: S324 - VDDK takes no other
    return VddkSettings(
        server=wanted["hostname"],
        user=wanted["username"],
        password=wanted["password"],
        thumbprint=":".join(digest[at : at + 2] for at in range(0, len(digest), 2)),
        libdir=wanted.get("vddk_libdir") or "",
    )


def _changes(source: _Source, disk: VmDisk, path: str) -> Changes:
    """Return what changed since the index at `path` was made; it holds the change id of its moment."""
    head = known_head(path)
    baseline = None
    if head is not None and head.change_id:
        baseline = Baseline(disk.key, head.identity.get("backing", ""), head.size, head.change_id)
    return find_changes(
        source.session, source.vm, source.snapshot, disk, baseline=baseline, host=source.release
    )


def _index(
    source: _Source, disk: VmDisk, changes: Changes, *, path: str, reads_all: bool
) -> Optional[IndexOrder]:
    """Return what the sender is told of the disk's index; None where changes are not tracked."""
    if not disk.change_id or not disk.uuid:
        return None
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    head = known_head(path)
    is_known = changes.doubt is None and head is not None
    return IndexOrder(
        path=path,
        identity={
            "machine": source.machine.instance_uuid,
            "disk": str(disk.key),
            "backing": disk.uuid,
        },
        generation=head.generation + 1 if head else 1,
        change_id=disk.change_id,
        since=head.change_id if head and is_known else "",
        extents=[(each.start, each.length) for each in changes.extents],
        is_full=reads_all,
    )


def _as_read(source: _Source, disk: VmDisk) -> SnapshotDisk:
    at = disk.controller
    return SnapshotDisk(
        key=disk.key,
        file=disk.file,
        backing=disk.backing,
        has_parent=disk.has_parent,
        is_encrypted=bool(source.facts["encrypted"]),
        capacity=disk.capacity,
        place=f"{at.kind}Controller{at.bus}:{disk.unit}" if at else "",
    )


def _datastore_obstacle(source: _Source, disk: VmDisk, word: str) -> str:
    """Return why the disk cannot be read from its datastore, "" if it can as far as can be seen.

    Where `auto` comes to it the file is asked for: on vSAN and vVols a flat backing is no file, and of a VM in
    a vApp the datacenter is not known. Found when the target opens the disk, it would be too late for `export`.
    """
    obstacle = flat_obstacle(_as_read(source, disk))
    if obstacle or word != AUTO or not source.vddk_obstacle:
        return obstacle
    file = _flat_file(source, disk)
    return refusal_of(file, disk.capacity, host=source.host, session=source.session)


def _flat_file(source: _Source, disk: VmDisk) -> FlatFile:
    return flat_file(_as_read(source, disk), source.facts["datacenter"] or _ESXI)


def _open_datastore(source: _Source, disk: VmDisk) -> Any:
    file = _flat_file(source, disk)
    return DatastoreDisk(file, disk.capacity, host=source.host, session=source.session)


def _open_export(source: _Source, disk: VmDisk) -> Any:
    exporter = Exporter(
        lambda: open_lease(source.session, source.snapshot), source.host, source.session
    )
    return ExportDisk(exporter, _as_read(source, disk).place, disk.capacity)


def _open_vddk(source: _Source, disk: VmDisk) -> Any:
    name = VddkDiskName(source.machine.moid, source.snapshot, disk.file)
    return VddkDisk(source.vddk, name, disk.capacity)


_OPEN: Mapping[str, Callable[[_Source, VmDisk], Any]] = {
    DATASTORE: _open_datastore,
    EXPORT: _open_export,
    VDDK: _open_vddk,
}
