# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that prepares guests for the system tests, by the module and through Ansible."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import re
import select
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.ferry.hvm.plugins.module_utils.worker import disk as worker_disk
from ansible_collections.ferry.hvm.plugins.module_utils.worker.seed import Wishes

from lab import qemu
from lab.accelerator import choose_acceleration
from lab.command import run
from lab.hardware import Disk, Machine, Nic
from lab.migration import build_worker_image
from lab.settings import LabSettings

CHECKOUT = Path(__file__).resolve().parents[2]
WORKER_MAC = "52:54:00:00:0e:02"
VOLUME_SIZE = 2 << 30
READY_DEADLINE = 300
# That of the overlays over a guest's disks: what a preparation reports is in these.
GRANULE = 8192
MODULE_UTILS = CHECKOUT / "plugins" / "module_utils"

# Keeps what the module returned, in check mode too.
PLAY = """
- hosts: worker
  gather_facts: false
  tasks:
    - ferry.hvm.worker_prepare: "{{ arguments }}"
      register: returned
    - ansible.builtin.copy:
        content: "{{ returned | to_json }}"
        dest: "{{ result_file }}"
        mode: "0600"
      delegate_to: localhost
      check_mode: false
      diff: false
"""


@dataclass
class PreparingWorker:
    """A worker in a machine, reached by SSH and by Ansible."""

    lab: LabSettings
    worker: Machine
    host_key: str
    address: str = ""

    def on_worker(self, command: str, *, given: str = "") -> str:
        """Run a shell line on the worker; return what it printed."""
        return run(*self.ssh(), command, given=given)

    def ssh(self) -> list[str]:
        options = ("-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={self.lab.known_hosts}")
        return ["ssh", "-i", str(self.lab.operator_key), *options, f"root@{self.address}"]

    def command(self, arguments: dict[str, Any], *flags: str) -> list[str]:
        """Return the Ansible command that runs the module on the worker, and keeps its result."""
        extra = {"arguments": arguments, "result_file": str(self.result_file)}
        return [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *("-i", str(self.lab.directory / "worker.yml"), "-e", json.dumps(extra)),
            str(self.lab.directory / "play.yml"),
            *flags,
        ]

    @property
    def result_file(self) -> Path:
        return self.lab.directory / "result.json"

    def prepare(self, arguments: dict[str, Any], *flags: str) -> dict[str, Any]:
        """Prepare through Ansible; return the module's result."""
        done = subprocess.run(
            self.command(arguments, *flags),
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(self.result_file.read_text())
        print(json.dumps(result["seconds"]))
        return result

    def lose_power(self) -> None:
        """The machine ends in this moment: what it did not flush is lost, of QEMU's own maps too."""
        pid = qemu.find_pid(self.worker.directory)
        assert pid is not None
        # By its pid alone it seems gone before its files are free.
        handle = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        select.select([handle], [], [])
        os.close(handle)

    def start(self) -> None:
        """The worker runs and takes logins; it does not run yet."""
        self.worker.console.unlink(missing_ok=True)
        self.worker.console.touch()
        asyncio.run(qemu.start(self.worker))
        ready = wait_for_line(re.compile("FERRY-WORKER-READY"), self.worker.console)
        self.address = re.findall(r"address=(\S+)", ready)[0].split("/")[0]
        self.lab.known_hosts.write_text(f"{self.address} {self.host_key}\n")
        write_play(self.lab, self.address)


@contextmanager
def running_worker(lab: LabSettings, images: Mapping[str, Path]) -> Iterator[PreparingWorker]:
    """A worker runs whose disks after its own are these, qcow2 files by device, from `vdb` on."""
    directory = lab.directory / "worker"
    directory.mkdir()
    own = directory / "worker.raw"
    host_key = make_worker_disk(lab, own)
    disks = [
        Disk(path, unit, serial=name) for unit, (name, path) in enumerate(images.items(), start=1)
    ]
    machine = Machine(
        "worker",
        directory,
        directory / "console.log",
        1 << 30,
        2,
        [Disk(own, 0, format="raw", boot_order=1), *disks],
        [Nic(WORKER_MAC, "worker", "migration")],
        namespace=lab.namespace,
        acceleration=choose_acceleration(),
    )
    running = PreparingWorker(lab, machine, host_key)
    try:
        running.start()
        yield running
    finally:
        asyncio.run(qemu.cut_off(machine.directory))


def add_overlay(image: Path, original: Path, *, grown_by: int = 0) -> None:
    """The new qcow2 file reads as the raw file `original`, and takes what is written.

    It is `grown_by` bytes longer.
    """
    size = str(original.stat().st_size + grown_by)
    backing = ("-F", "raw", "-b", str(original))
    run("qemu-img", "create", "-q", "-f", "qcow2", *backing, str(image), size)


def packed_room() -> str:
    """Return the code that prepares guests as a zip file in base64."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for file in [*MODULE_UTILS.glob("*.py"), *MODULE_UTILS.glob("guest/*.py")]:
            packed.write(file, Path("module_utils") / file.relative_to(MODULE_UTILS))
    return base64.b64encode(content.getvalue()).decode()


def differs(image: Path, original: Path) -> bool:
    """Return whether any byte of the qcow2 file is not as in the raw one, as qemu-img sees it."""
    command = ["qemu-img", "compare", "--force-share", "-f", "raw", "-F", "qcow2"]
    done = subprocess.run([*command, original, image], capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 1


def flatten(image: Path, flat: Path) -> None:
    """The raw file `flat` reads as the qcow2 file does."""
    options = ("--force-share", "-f", "qcow2", "-O", "raw")
    run("qemu-img", "convert", *options, str(image), str(flat))


def changed_granules(flat: Path, original: Path) -> set[int]:
    """Return the numbers of the granules that are not the same in two raw files of one length."""
    found = set()
    with flat.open("rb") as now, original.open("rb") as before:
        for number in range(-(-flat.stat().st_size // GRANULE)):
            if now.read(GRANULE) != before.read(GRANULE):
                found.add(number)
    return found


def reported_granules(result: Mapping[str, Any], name: str) -> set[int]:
    """Return the numbers of the granules of the disk that the module says it changed."""
    return {
        start // GRANULE
        for extent in result["changed_extents"][name]
        for start in range(extent["start"], extent["start"] + extent["length"], GRANULE)
    }


def make_worker_disk(lab: LabSettings, target: Path) -> str:
    """Make the worker's seeded disk; return the host key that it shows."""
    wishes = Wishes(
        migration_id="prepare",
        authorized_key=" ".join(lab.operator_key.with_suffix(".pub").read_text().split()[:2]),
    )
    request = worker_disk.Request(str(build_worker_image()), str(target), wishes, VOLUME_SIZE)
    made = worker_disk.make_disk(request)
    with target.open("r+b") as file:
        file.truncate(VOLUME_SIZE)
    assert made.host_key
    return made.host_key


def write_play(lab: LabSettings, address: str) -> None:
    worker = {
        "ansible_host": address,
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_private_key_file": str(lab.operator_key),
        # No connection that is shared: one to a worker of a killed run, which had this address, would be taken.
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab.known_hosts} -o ControlPath=none",
    }
    content = {"all": {"hosts": {"worker": worker}}}
    (lab.directory / "worker.yml").write_text(yaml.safe_dump(content))
    (lab.directory / "play.yml").write_text(PLAY)


def wait_for_line(
    pattern: re.Pattern[str], console: Path, *, deadline: int = READY_DEADLINE
) -> str:
    """Return the first line of the growing file that matches; "nothing" when the deadline is over."""
    command = ["timeout", str(deadline), "tail", "--lines=+1", "--follow", str(console)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as follower:
        assert follower.stdout is not None
        found = next((line for line in follower.stdout if pattern.search(line)), "nothing")
        follower.terminate()
    return found
