# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the lab's vCenter for its tests: pyvmomi, which shares no code with the server nor with Ferry."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyVim.connect import SmartConnect
from pyVmomi import vim, vmodl

from lab.vcenter.server import Vcenter, local_vcenter

KIB64 = 64 * 1024
# The tests' vCenter answers in milliseconds; a busy machine (load 10 seen) is far slower.
DEADLINE = 60.0
FIRST_DISK = 2000

Area = tuple[int, int]


@dataclass
class Client:
    """One session, and the calls that many tests need."""

    vcenter: Vcenter
    service: Any

    @property
    def content(self) -> Any:
        return self.service.content

    def vm(self, name: str) -> Any:
        return self.content.searchIndex.FindByInventoryPath(f"/DC0/vm/{name}")

    def read(self, thing: Any, path: str) -> Any:
        """One property by the collector: the way that works with the plain simulator too."""
        query = vmodl.query.PropertyCollector
        kind = query.PropertySpec(type=type(thing), pathSet=[path])
        spec = query.FilterSpec(objectSet=[query.ObjectSpec(obj=thing)], propSet=[kind])
        found = self.content.propertyCollector.RetrieveContents([spec])[0].propSet
        return found[0].val if found else None

    def wait(self, task: Any) -> Any:
        """The task's result. Raises its fault; fails the test after the deadline."""
        last = time.monotonic() + DEADLINE
        while (state := self.read(task, "info.state")) in {"queued", "running"}:
            assert time.monotonic() < last, f"{task} is still {state}"
        if state == "error":
            raise self.read(task, "info.error")
        return self.read(task, "info.result")

    def take_snapshot(self, vm: Any, name: str = "s", *, quiesce: bool = False) -> Any:
        return self.wait(vm.CreateSnapshot_Task(name, "", False, quiesce))

    def remove_snapshot(self, snapshot: Any, *, consolidate: bool = True) -> None:
        self.wait(snapshot.RemoveSnapshot_Task(False, consolidate))

    def track(self, vm: Any, *, on: bool = True) -> None:
        self.wait(vm.ReconfigVM_Task(vim.vm.ConfigSpec(changeTrackingEnabled=on)))

    def cookie(self) -> str:
        return str(self.service._stub.cookie).partition(";")[0]

    def get(
        self, address: str, headers: Mapping[str, str] | None = None, *, cookie: bool = True
    ) -> tuple[int, bytes]:
        """Status and body of a GET, with this session's cookie unless told otherwise."""
        head = {"Cookie": self.cookie(), **(headers or {})} if cookie else dict(headers or {})
        parts = urllib.parse.urlsplit(address)
        trust = ssl.create_default_context(cafile=str(self.vcenter.ca_path))
        connection = http.client.HTTPSConnection(parts.netloc, context=trust, timeout=DEADLINE)
        try:
            connection.request("GET", parts._replace(scheme="", netloc="").geturl(), headers=head)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def folder(self, file: str) -> str:
        """The address of a file on the datastore."""
        return f"{self.vcenter.url}/folder/{file}?dcPath=DC0&dsName=datastore1"

    def flat(self, vm: str = "web01") -> bytes:
        """The whole base of the machine's first disk."""
        status, content = self.get(self.folder(f"{vm}/{vm}-flat.vmdk"))
        assert status == 200, content
        return content

    def live(self, directory: Path, *, key: int = FIRST_DISK, snapshot: Any = None) -> bytes:
        """What a disk of web01 reads as, by the lab's own way."""
        image = directory / "exported.raw"
        moref = snapshot._moId if snapshot else ""
        self.vcenter.control.export_raw("web01", key, image, snapshot=moref)
        return image.read_bytes()


def log_in(vcenter: Vcenter) -> Client:
    """A client with a session of its own."""
    parts = urllib.parse.urlsplit(vcenter.url)
    service = SmartConnect(
        host=parts.hostname,
        port=parts.port,
        user=vcenter.username,
        pwd=vcenter.password,
        sslContext=ssl.create_default_context(cafile=str(vcenter.ca_path)),
    )
    return Client(vcenter, service)


@contextmanager
def fresh_client(
    directory: Path, *disks: Mapping[str, Any], options: Sequence[str] = (), **machine: Any
) -> Iterator[Client]:
    """A client of a new vCenter whose machine web01 has these disks, or one of 1 MiB."""
    described = {"name": "web01", "disks": list(disks) or [{"size": 1 << 20}], **machine}
    with local_vcenter(directory, {"vms": [described]}, options=options) as vcenter:
        yield log_in(vcenter)


def disk_of(configured: Any, key: int = FIRST_DISK) -> Any:
    """The disk in the configuration of a machine or a snapshot."""
    return next(device for device in configured.config.hardware.device if device.key == key)


def changed_areas(vm: Any, snapshot: Any, change_id: str, key: int = FIRST_DISK) -> list[Area]:
    """All pages of the changed areas, joined where a page's end cut one."""
    areas: list[Area] = []
    position, capacity = 0, disk_of(snapshot, key).capacityInBytes
    while position < capacity:
        page = vm.QueryChangedDiskAreas(snapshot, key, position, change_id)
        assert page.startOffset == position
        assert page.length > 0
        for area in page.changedArea:
            _append(areas, area.start, area.length)
        position += page.length
    return areas


def _append(areas: list[Area], start: int, length: int) -> None:
    if areas and sum(areas[-1]) == start:
        areas[-1] = (areas[-1][0], areas[-1][1] + length)
    else:
        areas.append((start, length))
