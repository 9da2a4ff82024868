# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A target worker in a machine of the lab, as its tests see it: start, log in, pin keys, end.

Nothing here uses Ferry's own code but the module that writes the seed: logins are OpenSSH's, digests are
hashlib's, the console is a file.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qemu.qmp import QMPClient

from lab import qemu
from lab.accelerator import choose_acceleration
from lab.hardware import Disk, Machine, Medium, Nic
from lab.settings import MIGRATION, LabSettings

CHECKOUT = Path(__file__).resolve().parents[2]
GIB = 1 << 30
# Emulated on an idle machine of two cores it takes about ten seconds; the rest is for busy ones.
BOOT_DEADLINE = 240
MAC = "52:54:00:fe:44:01"
READY = re.compile(r"FERRY-WORKER-READY uptime=(\S+) address=(\S+) migration=(\S+)")
FAILED = re.compile(r'FERRY-WORKER-FAILED uptime=\S+ reason="(.*)"')


@dataclass(frozen=True)
class WorkerDisk:
    """A seeded worker's disk, and the bootstrap host key in it."""

    path: Path
    host_key: str


@dataclass(frozen=True)
class Worker:
    """One boot of a worker, and what is needed to log in to it."""

    machine: Machine
    address: str
    key: Path
    known_hosts: Path

    def pin(self, host_key: str) -> None:
        """From now on the worker is who has this key, and nobody else."""
        self.known_hosts.write_text(f"{self.address} {host_key}\n")

    def attempt(self, command: str, *, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a shell command on the worker, however it ends."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "90",
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
        }
        flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return subprocess.run(
            ["ssh", "-i", str(self.key), *flags, f"root@{self.address}", command],
            input=given,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def run(self, command: str, *, given: str = "") -> str:
        """Return what the command printed; it must succeed."""
        done = self.attempt(command, given=given)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def wait_until_ready(self) -> re.Match[str]:
        """Return the console's word that logins succeed (groups: uptime, address, migration)."""
        return wait_for_line(self.machine.console, READY)

    def end_by_power_button(self) -> bool:
        """Press it and wait; return whether the worker ended by itself."""
        return asyncio.run(qemu.stop(self.machine.directory, deadline=60))

    def cut_off(self) -> None:
        """End it as a power failure would."""
        asyncio.run(qemu.cut_off(self.machine.directory))

    def plug_in(self, disk: Path) -> None:
        """Add a raw disk to the running machine, in PCI slot 0x1f."""
        node: dict[str, object] = {
            "driver": "raw",
            "node-name": "late",
            "file": {"driver": "file", "filename": str(disk)},
        }
        device = {"driver": "virtio-blk-pci", "drive": "late", "addr": "0x1f"}
        asyncio.run(_execute(self.machine, ("blockdev-add", node), ("device_add", device)))


async def _execute(machine: Machine, *commands: tuple[str, Mapping[str, object]]) -> None:
    client = QMPClient(machine.name)
    await client.connect(str(machine.qmp_socket))
    try:
        for command, arguments in commands:
            await client.execute(command, arguments)
    finally:
        await client.disconnect()


def wait_for_line(console: Path, pattern: re.Pattern[str]) -> re.Match[str]:
    """Return the first match in the lines of the console, waiting for them to be written."""
    # tail waits for the event, timeout for its absence.
    command = ["timeout", str(BOOT_DEADLINE), "tail", "-n", "+1", "-F", str(console)]
    seen = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace"
    ) as tail:
        assert tail.stdout is not None
        for line in tail.stdout:
            seen.append(line)
            found = pattern.search(line)
            if found:
                tail.terminate()
                return found
    raise AssertionError(f"{pattern.pattern} did not come on {console}:\n{''.join(seen[-20:])}")


def build_image() -> tuple[Path, str]:
    """Run the playbook that builds the image, or finds it built; return its path and the recap."""
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "ferry.hvm.build_worker_image"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    found = re.search(r"(/\S+/ferry-worker-[0-9a-f]{16}\.iso) \(sha256 ", done.stdout)
    assert found, done.stdout[-4000:]
    return Path(found[1]), done.stdout


def seed(image: Path, target: Path, lab: LabSettings) -> WorkerDisk:
    """Make a worker's disk with the module `worker_seed`, for a static address on the lab's network."""
    arguments = {
        "image": str(image),
        "dest": str(target),
        "migration_id": "web01",
        "authorized_key": lab.operator_key.with_suffix(".pub").read_text().strip(),
        "address": f"{lab.migration[50]}/{lab.migration.prefixlen}",
        "gateway": str(lab.migration[1]),
        "volume_size": 2 * GIB,
    }
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("ansible"), "localhost", "-c", "local", "-o"),
            *("-e", f"ansible_python_interpreter={sys.executable}"),
            *("-m", "ferry.hvm.worker_seed", "-a", json.dumps(arguments)),
        ],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    made = json.loads(done.stdout.split("=>", 1)[1])
    return WorkerDisk(target, made["host_key"])


def boot(
    lab: LabSettings,
    disk: WorkerDisk,
    others: Sequence[Path] = (),
    *,
    name: str,
    as_cd: bool = False,
    is_uefi: bool = False,
    placed: Sequence[Disk] = (),
) -> Worker:
    """Start a machine from the worker's disk, with other raw disks at units 1, 2, ..., or `placed` as they say."""
    directory = lab.directory / name
    directory.mkdir(parents=True)
    machine = Machine(
        name=name,
        directory=directory,
        console=directory / "console.log",
        memory=GIB,
        cpus=2,
        disks=[
            *(Disk(path, unit, format="raw") for unit, path in enumerate(others, start=1)),
            *placed,
        ],
        nics=[Nic(MAC, "worker0", MIGRATION)],
        namespace=lab.namespace,
        acceleration=choose_acceleration(),
        is_uefi=is_uefi,
    )
    if as_cd:
        machine = replace(machine, medium=Medium(disk.path, boot_order=0))
    else:
        own = Disk(disk.path, 0, format="raw", boot_order=0)
        machine = replace(machine, disks=[own, *machine.disks])
    asyncio.run(qemu.start(machine))
    worker = Worker(machine, str(lab.migration[50]), lab.operator_key, directory / "known_hosts")
    worker.pin(disk.host_key)
    return worker


def digests(paths: Sequence[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file's content, by its name."""
    found = {}
    for path in paths:
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
