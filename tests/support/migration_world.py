# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as the migration tests see it: run a playbook, look at the appliance, look at the disks.

Nothing here uses Ferry's own code: the appliance is asked by the tests' own client, bytes are compared
by qemu-img, the source is looked at by SSH.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import migration
from lab.appliance.local import LocalAppliance
from lab.login import on_source
from lab.settings import USERNAME, LabSettings
from tests.support.appliance_api import Api

CHECKOUT = Path(__file__).resolve().parents[2]

# An emulated guest takes ten seconds to shut down on an idle machine.
SHUTDOWN_DEADLINE = 150.0


@dataclass(frozen=True)
class PlaybookRun:
    """How a playbook ended, and all that it printed."""

    returncode: int
    output: str


@dataclass
class World:
    """One lab with its appliance, and the worker image to use in it."""

    lab: LabSettings
    image: Path
    api: Api

    @classmethod
    def of(cls, lab: LabSettings, image: Path) -> World:
        appliance = LocalAppliance(
            url=lab.appliance_url,
            username=USERNAME,
            password=lab.password_file.read_text(),
            ca_path=lab.certificate,
            directory=lab.appliance_directory,
            pid=0,
        )
        api = Api(appliance)
        api.log_in()
        return cls(lab, image, api)

    def command(
        self, playbook: str, limit: str, *arguments: str, inventory: Path | None = None
    ) -> list[str]:
        """The command that an operator would type; the inventory is that of the source servers unless given."""
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        image = f"ferry_worker_image={self.image}"
        return [
            program,
            f"{playbook}.yml",
            *("-i", str(inventory or self.lab.inventory), "-l", limit, "-e", image),
            *arguments,
        ]

    def play(
        self,
        playbook: str,
        limit: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
    ) -> PlaybookRun:
        """Run the playbook to its end, whatever that is."""
        done = subprocess.run(
            self.command(playbook, limit, *arguments),
            cwd=CHECKOUT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return PlaybookRun(done.returncode, done.stdout)

    def sync(self, playbook: str, limit: str, *arguments: str) -> dict[str, Any]:
        """Run a sync that must succeed; returns its report by host."""
        return migration.sync(
            self.lab, playbook, limit, "-e", f"ferry_worker_image={self.image}", *arguments
        )

    def await_proof(self, name: str, booted: int, file_count: int) -> list[str]:
        """Wait until the clone has come up once more than `booted` times; return what does not hold of it."""
        source = migration.source_report(self.lab, name)
        clone = migration.wait_for_report(migration.clone_console(self.lab, name), booted)
        return [fact for fact, held in migration.prove(source, clone, file_count).facts if not held]

    def instance(self, name: str) -> dict[str, Any]:
        """The instance of this name, as the appliance shows it."""
        (found,) = self.api.get(f"/api/instances?name={name}")["instances"]
        return dict(found)

    def server(self, name: str) -> dict[str, Any]:
        """The server of the instance of this name."""
        return self.api.server(self.instance(name)["id"])

    def roots(self, name: str) -> list[str]:
        """The names of the instance's root volumes; there should be one."""
        return [each["name"] for each in self.server(name)["volumes"] if each["rootVolume"]]

    def power_off(self, name: str) -> None:
        """The instance is off."""
        number = self.instance(name)["id"]
        assert self.api.put(f"/api/instances/{number}/stop?server=true").is_success
        last = time.monotonic() + SHUTDOWN_DEADLINE
        while self.api.instance(number)["status"] != "stopped":
            assert time.monotonic() < last, f"{name} did not shut down"
            time.sleep(0.5)

    def remove_instance(self, name: str) -> None:
        """Neither the instance nor its volumes are left."""
        number = self.instance(name)["id"]
        assert self.api.request("DELETE", f"/api/instances/{number}?force=on").is_success
        self.api.await_gone(f"/api/instances/{number}")

    @contextmanager
    def behaviour(self, name: str, value: float) -> Iterator[None]:
        """The appliance behaves otherwise (lab/appliance/settings.py), until the block ends."""
        before = self.api.get("/lab/config")[name]
        assert self.api.put("/lab/config", {name: value}).is_success
        try:
            yield
        finally:
            assert self.api.put("/lab/config", {name: before}).is_success

    @staticmethod
    def sent(report: Mapping[str, Any], name: str) -> int:
        """How many bytes the source sent for the workload's disks, the protocol's own too."""
        return sum(disk["sent"] for disk in report[name]["replication"]["disks"])

    @staticmethod
    def data(report: Mapping[str, Any], name: str) -> int:
        """How many bytes of the workload's disks were sent."""
        return sum(disk["data"] for disk in report[name]["replication"]["disks"])

    def volume_file(self, instance: str, volume: str) -> Path:
        """The file behind a volume of the instance."""
        volumes = {each["name"]: each["uuid"] for each in self.instance(instance)["volumes"]}
        return self.lab.appliance_directory / "volumes" / f"{volumes[volume]}.qcow2"

    def leftovers(self, *sources: str) -> list[str]:
        """All that should be gone after a run, by name: on the appliance and on the sources."""
        kinds = {
            "/api/virtual-images?max=100": "virtualImages",
            "/api/instances?max=100": "instances",
            "/api/storage-volumes?max=100": "storageVolumes",
        }
        named = [each["name"] for path, kind in kinds.items() for each in self.api.get(path)[kind]]
        helpers = [name for name in named if name.startswith("ferry-")]
        return helpers + [
            f"{source}: {line}" for source in sources for line in self._sender(source)
        ]

    def launches(self) -> list[tuple[str, str, list[str], list[str]]]:
        """Every start of a machine by the appliance: instance, root volume, networks, MACs."""
        names = {each["id"]: each["name"] for each in self.api.get("/api/networks")["networks"]}
        return [
            (
                each["instance"],
                each["root"],
                [names[number] for number in each["networks"]],
                each["macs"],
            )
            for each in self.api.get("/lab/launches")["launches"]
        ]

    def state(self) -> str:
        """A digest of all that the appliance knows and of every volume's file."""
        digest = hashlib.sha256()
        for path in sorted(self.lab.appliance_directory.glob("volumes/*")):
            digest.update(path.name.encode() + _file_digest(path))
        for kind in ("virtual-images", "instances", "storage-volumes"):
            digest.update(repr(self.api.get(f"/api/{kind}?max=100")).encode())
        return digest.hexdigest()

    def source_files(self, source: str) -> list[str]:
        """Every file of the source but its logs: path, size, and when its content last changed."""
        files = "find / -xdev -path /var/log -prune -o -type f -printf '%p %s %T@\\n'"
        volatile = "ls -A /run /tmp /dev/shm"
        return on_source(self.lab, source, "sh", "-c", f"{files}; {volatile}").splitlines()

    def _sender(self, source: str) -> list[str]:
        """Processes, files and listeners of Ferry on the source."""
        look = "ls -A /run/ferry 2>/dev/null; pgrep -af sender.pyz; ss -Hltn sport = :5994; true"
        found = on_source(self.lab, source, "sh", "-c", look)
        return [line for line in found.splitlines() if "pgrep" not in line and "ls -A" not in line]


def differs(first: Path, second: Path) -> str:
    """What qemu-img says of two images' contents: "" if all bytes are equal.

    The second may be larger; what lies behind the first must then be zero.
    """
    compared = subprocess.run(
        ["qemu-img", "compare", "--force-share", str(first), str(second)],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if compared.returncode == 0 else compared.stdout + compared.stderr


def _file_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
