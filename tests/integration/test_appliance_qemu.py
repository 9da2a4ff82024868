# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole lab with a real machine: what boots is a boot sector that greets on the serial console.

The one test of the appliance that needs QEMU; real operating systems boot in tests/system.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import network
from lab.appliance.local import LocalAppliance
from lab.services import CHECKOUT
from tests.support.appliance_api import MIB, Api, creation, eventually
from tests.support.appliance_lab_index import free_index

# Real mode, at 0x7c00: writes the text at 0x7c40 to the first serial port, then halts for ever.
BOOT_CODE = bytes.fromhex(
    "fa 31c0 8ed8"  # cli; xor ax, ax; mov ds, ax
    "be407c bafd03"  # mov si, 0x7c40; mov dx, 0x3fd (line status)
    "ec a820 74fb"  # wait: in al, dx; test al, 0x20; jz wait
    "ac 84c0 7409"  # lodsb; test al, al; jz end
    "baf803 ee"  # mov dx, 0x3f8; out dx, al
    "bafd03 ebed"  # mov dx, 0x3fd; jmp wait
    "f4 ebfd"  # end: hlt; jmp end
)


def boot_disk(greeting: str) -> bytes:
    text = greeting.encode() + b"\r\n\0"
    return ((BOOT_CODE.ljust(0x40, b"\0") + text).ljust(510, b"\0") + b"\x55\xaa").ljust(MIB, b"\0")


@dataclass(frozen=True)
class Lab:
    """A lab of the test's own, driven by its command line."""

    index: int
    cache: Path

    @property
    def name(self) -> str:
        return f"qemutest{self.index}"

    @property
    def directory(self) -> Path:
        return self.cache / "labs" / self.name

    @property
    def namespace(self) -> str:
        return f"ferry-{self.name}"

    def command(self, word: str, *options: str) -> str:
        """What `python -m lab` prints; fails the test if it fails."""
        which = ["--name", self.name, "--index", str(self.index)]
        done = subprocess.run(
            [sys.executable, "-m", "lab", word, *which, *options],
            cwd=CHECKOUT,
            env={**os.environ, "FERRY_CACHE": str(self.cache)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def open_api(self) -> Api:
        record = json.loads((self.directory / "lab.json").read_text())["appliance"]
        appliance = LocalAppliance(
            url=record["url"],
            username=record["username"],
            password=Path(record["password_file"]).read_text(),
            ca_path=Path(record["ca_path"]),
            directory=self.directory / "appliance",
            pid=record["pid"],
        )
        api = Api(appliance)
        api.log_in()
        return api


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A lab that is up. Not in pytest's directory: sockets need a short path."""
    with tempfile.TemporaryDirectory(prefix="ferry-") as place, free_index() as index:
        lab = Lab(index, Path(place))
        lab.command("up", "--sources", "none")
        try:
            yield lab
        finally:
            lab.command("down")


@pytest.fixture
def api(lab: Lab) -> Api:
    return lab.open_api()


def console(api: Api, name: str) -> str:
    log = api.appliance.directory / f"console-{name}.log"
    return log.read_text() if log.exists() else ""


def start(api: Api, number: int) -> None:
    assert api.put(f"/api/instances/{number}/start?server=true").is_success
    api.await_status(number, "running")


def stop(api: Api, number: int) -> dict[str, Any]:
    """Stop a machine that does not know what a power button is."""
    api.put("/lab/config", {"stop_deadline": 1})
    assert api.put(f"/api/instances/{number}/stop?server=true").is_success
    return api.await_status(number, "stopped")


def test_an_instance_boots_from_its_root_alone_and_outlives_the_appliance(
    api: Api, lab: Lab
) -> None:
    image = api.create_image("greeter", boot_disk("THE-WORKER-BOOTS"))
    creator = api.create_instance("creator", config={"imageId": image})
    other = api.create_image("guest", boot_disk("THE-GUEST-BOOTS"))
    target = api.create_instance("web01", config={"imageId": other})
    worker, guest = api.server(creator)["volumes"][0]["id"], api.server(target)["volumes"][0]["id"]

    # The guest's own disk stays, at the unit that the firmware meets first, but is not the root.
    api.move(creator, worker, "detach")
    api.move(target, guest, "detach")
    for volume, unit, root in ((guest, "0", False), (worker, "1", True)):
        place = {"mountPoint": api.mount_point(target, unit), "rootVolume": root}
        assert api.move(target, volume, "attach", place).is_success
    start(api, target)
    eventually(lambda: "THE-WORKER-BOOTS" in console(api, "web01") or None, "the worker's greeting")
    assert "GUEST" not in console(api, "web01")

    os.kill(api.appliance.pid, signal.SIGKILL)
    lab.command("up", "--sources", "none")
    api = lab.open_api()
    assert api.instance(target)["status"] == "running"
    assert "machine    running" in lab.command("status")
    stop(api, target)
    assert api.server(target)["powerState"] == "off"

    assert api.move(target, worker, "detach").is_success
    assert api.move(target, guest, "detach").is_success
    place = {"mountPoint": api.mount_point(target, "0"), "rootVolume": True}
    assert api.move(target, guest, "attach", place).is_success
    start(api, target)
    eventually(lambda: "THE-GUEST-BOOTS" in console(api, "web01") or None, "the guest's greeting")


def test_a_running_machines_nics_are_on_their_networks(api: Api, lab: Lab) -> None:
    nics = [{"network": {"id": "network-22"}}, {"network": {"id": 23}}]
    image = api.create_image("greeter", boot_disk("HELLO"))
    body = {"config": {"imageId": image, "provisionPoweredOff": False}, "networkInterfaces": nics}
    answer = api.request("POST", "/api/instances", creation("web01", **body))
    number = answer.json["instance"]["id"]
    api.await_status(number, "running")

    assert {f"i{number}n0", f"i{number}n1"} <= network.links(lab.namespace)
    api.request("DELETE", f"/api/instances/{number}")
    api.await_gone(f"/api/instances/{number}")
    assert not {link for link in network.links(lab.namespace) if link.startswith("i1")}


def test_a_machine_that_qemu_refuses_fails_its_instance_with_qemus_words(api: Api) -> None:
    number = api.create_instance("web01")
    uuid = api.server(number)["volumes"][0]["uuid"]
    (api.appliance.directory / "volumes" / f"{uuid}.qcow2").write_bytes(b"no image any more")

    api.put(f"/api/instances/{number}/start?server=true")

    failed = api.await_status(number, "failed")
    assert "not in qcow2 format" in failed["statusMessage"]
    assert api.server(number)["powerState"] == "off"


def test_down_ends_running_machines_and_leaves_nothing(api: Api, lab: Lab) -> None:
    image = api.create_image("greeter", boot_disk("HELLO"))
    number = api.create_instance("web01", config={"imageId": image})
    start(api, number)
    pid = int((api.appliance.directory / "machines" / str(number) / "pid").read_text())

    lab.command("down")

    eventually(lambda: not Path(f"/proc/{pid}").exists() or None, "the machine's end")
    assert not lab.directory.exists()
    assert lab.namespace not in network.namespaces()
    lab.command("down")
