# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Five disks of equal size, in an order that is not their volumes', in a real worker.

The worker writes each volume's name to the device that it takes for it; whose name lies in which volume's file,
the host reads.
"""

from __future__ import annotations

import base64
import io
import json
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.worker.content_identity import (
    HEAD_LENGTH,
    identify_content,
)

from lab.hardware import Disk
from lab.settings import LabSettings
from tests.support.machine_lab import machine_lab
from tests.system.worker_machine import CHECKOUT, GIB, Worker, boot, build_image, seed

pytestmark = [pytest.mark.boots, pytest.mark.timeout(600)]

SIZE = 64 << 20
# Of each kind: the disks' names in the order of their volumes, and the unit of the PCI bus that each has.
WITH_SERIALS = dict(zip(("disk-1", "disk-2", "disk-3", "disk-4", "disk-5"), (4, 1, 5, 3, 2)))
WITHOUT = dict(zip(("disk-6", "disk-7", "disk-8", "disk-9", "disk-10"), (8, 10, 6, 9, 7)))
UNITS = {**WITH_SERIALS, **WITHOUT}
# Behind the partition table and its ids, where a blank disk has nothing.
PLACE = 1 << 20

PROGRAM = """
import json, sys
sys.path.insert(0, "/tmp/identity")
from ferry.errors import FerryError
from ferry.worker.block_devices import read_block_devices
from ferry.worker.disk_mapping import SourceDisk, Wanted, map_disks

order = json.load(sys.stdin)
devices = read_block_devices()
sources = [SourceDisk(each["source"], each["size"]) for each in order["wanted"]]
try:
    matches = map_disks(sources, [Wanted(**each) for each in order["wanted"]], devices)
except FerryError as error:
    print(json.dumps({"refused": str(error)}))
    sys.exit()
for each in matches:
    with open(each.device.path, "r+b", buffering=0) as device:
        device.seek(order["place"])
        device.write(each.source.name.encode().ljust(512, b"\\0"))
contents = {each.device.path: each.device.content for each in matches}
print(json.dumps({"found": {each.source.name: [each.by, contents[each.device.path]] for each in matches}}))
"""


def serial_of(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


@pytest.fixture(scope="module", name="lab")
def _lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabSettings]:
    with machine_lab("identity", 10, tmp_path_factory.mktemp("identity")) as lab:
        yield lab


@pytest.fixture(scope="module", name="images")
def _images(lab: LabSettings) -> dict[str, Path]:
    """Each volume's file. Those without serials were carried once: they have their partition tables' ids."""
    images = {name: lab.directory / f"{name}.raw" for name in UNITS}
    for name, image in images.items():
        with image.open("wb") as file:
            file.truncate(SIZE)
        if name in WITHOUT:
            table = f"label: gpt\nlabel-id: {serial_of(name)}\n,\n"
            subprocess.run(["sfdisk", "-q", image], input=table, text=True, check=True)
    return images


@pytest.fixture(scope="module", name="worker")
def _worker(lab: LabSettings, images: dict[str, Path]) -> Iterator[Worker]:
    disk = seed(build_image()[0], lab.directory / "worker.raw", lab)
    with disk.path.open("r+b") as file:
        file.truncate(2 * GIB)
    placed = [
        Disk(
            images[name],
            unit,
            format="raw",
            serial=serial_of(name) if name in WITH_SERIALS else "",
        )
        for name, unit in UNITS.items()
    ]
    worker = boot(lab, disk, name="worker", placed=placed)
    try:
        worker.wait_until_ready()
        worker.run("mkdir /tmp/identity && base64 -d | tar -x -C /tmp/identity", given=rooms())
        worker.run("blockdev --setrw $(ls /dev/vd? | grep -v vda)")
        yield worker
    finally:
        worker.cut_off()


def rooms() -> str:
    """What the mapping needs of the collection, as a tar archive in base64."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in ("errors.py", "units.py", "worker"):
            archive.add(CHECKOUT / "plugins/module_utils" / name, f"ferry/{name}")
    return base64.b64encode(packed.getvalue()).decode()


def ask(worker: Worker, wanted: list[dict[str, Any]]) -> dict[str, Any]:
    order = json.dumps({"wanted": wanted, "place": PLACE})
    worker.run("cat > /tmp/identity/ask.py", given=PROGRAM)
    answer: dict[str, Any] = json.loads(worker.run("python3 /tmp/identity/ask.py", given=order))
    return answer


def wanted(name: str, **known: str) -> dict[str, Any]:
    """The volume of this name: its unit is its rank among them, which its PCI address does not follow."""
    return {"source": name, "size": SIZE, "unit": list(UNITS).index(name), **known}


def names_in(images: dict[str, Path], names: dict[str, int]) -> dict[str, str]:
    read = {}
    for name in names:
        with images[name].open("rb") as file:
            file.seek(PLACE)
            read[name] = file.read(512).rstrip(b"\0").decode(errors="replace")
    return read


def test_serials_tell_blank_disks_of_equal_size_in_any_order(
    worker: Worker, images: dict[str, Path]
) -> None:
    answer = ask(worker, [wanted(name, serial=serial_of(name)) for name in WITH_SERIALS])
    assert [by for by, _content in answer["found"].values()] == ["serial"] * 5
    assert names_in(images, WITH_SERIALS) == {name: name for name in WITH_SERIALS}


def test_equal_disks_that_nothing_tells_apart_are_refused_and_untouched(
    worker: Worker, images: dict[str, Path]
) -> None:
    before = names_in(images, WITHOUT)
    answer = ask(worker, [wanted(name) for name in WITHOUT])
    assert "No disk of the worker is surely the volume for disk-6" in answer["refused"]
    assert names_in(images, WITHOUT) == before


def test_what_they_held_tells_equal_disks_without_serials(
    worker: Worker, images: dict[str, Path]
) -> None:
    contents = {name: identify_content(images[name].read_bytes()[:HEAD_LENGTH]) for name in WITHOUT}
    assert len(set(contents.values())) == 5
    answer = ask(worker, [wanted(name, content=contents[name]) for name in WITHOUT])
    assert answer["found"] == {name: ["content", contents[name]] for name in WITHOUT}
    assert names_in(images, WITHOUT) == {name: name for name in WITHOUT}
