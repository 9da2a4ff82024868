# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that prepares guests for the system tests, by the module and through Ansible."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
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
    address: str

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
    machine.console.touch()
    asyncio.run(qemu.start(machine))
    try:
        ready = wait_for_line(re.compile("FERRY-WORKER-READY"), machine.console)
        address = re.findall(r"address=(\S+)", ready)[0].split("/")[0]
        lab.known_hosts.write_text(f"{address} {host_key}\n")
        write_play(lab, address)
        yield PreparingWorker(lab, machine, address)
    finally:
        asyncio.run(qemu.cut_off(machine.directory))


def add_overlay(image: Path, original: Path, *, grown_by: int = 0) -> None:
    """The new qcow2 file reads as the raw file `original`, and takes what is written.

    It is `grown_by` bytes longer.
    """
    size = str(original.stat().st_size + grown_by)
    backing = ("-F", "raw", "-b", str(original))
    run("qemu-img", "create", "-q", "-f", "qcow2", *backing, str(image), size)


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
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab.known_hosts}",
    }
    content = {"all": {"hosts": {"worker": worker}}}
    (lab.directory / "worker.yml").write_text(yaml.safe_dump(content))
    (lab.directory / "play.yml").write_text(PLAY)


def wait_for_line(pattern: re.Pattern[str], console: Path) -> str:
    """Return the first line of the growing file that matches; "nothing" when the deadline is over."""
    command = ["timeout", str(READY_DEADLINE), "tail", "--lines=+1", "--follow", str(console)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as follower:
        assert follower.stdout is not None
        found = next((line for line in follower.stdout if pattern.search(line)), "nothing")
        follower.terminate()
    return found
