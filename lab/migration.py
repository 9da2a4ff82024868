# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration in the lab: run Ferry's playbooks, change the source, and prove the clone.

The demo shows with these what the system tests assert with them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import LabError
from .guests.base import ensure_base
from .guests.marker import BootReport, read_reports
from .guests.source import NIC_NAME
from .login import on_source
from .settings import LabSettings, cache_directory

CHECKOUT = Path(__file__).resolve().parent.parent

# An emulated boot takes half a minute on two idle cores; a loaded machine gets ten times that.
BOOT_DEADLINE = 300.0

# Overwrites a file in place, adds one, removes one, and brings the checksums up to date: what a delta
# must carry. The list is made as the builder makes it (lab/guests/content.py).
CHANGE_DATA = """
set -eu
cd /srv/data
printf 'changed in place, %s' "$1" | dd of=orders.csv bs=1 seek=4096 conv=notrunc status=none
printf 'written by %s\\n' "$1" > "note-$1.txt"
rm -f scans/scan-00.bin
find . -type f ! -name SHA256SUMS -printf '%P\\n' | sort | xargs -d '\\n' sha256sum > SHA256SUMS
cd /srv/site
printf '<p>%s</p>\\n' "$1" >> page-00.html
find . -type f ! -name SHA256SUMS -printf '%P\\n' | sort | xargs -d '\\n' sha256sum > SHA256SUMS
sync
cat /srv/data/SHA256SUMS /srv/site/SHA256SUMS | wc -l
"""


def worker_image_directory() -> Path:
    """Where the lab keeps worker images; shared by all labs, for they differ by the seed only."""
    return cache_directory() / "images"


def build_images() -> None:
    """What the labs boot is in the cache: the source servers' base and the worker image."""
    ensure_base(cache_directory())
    build_worker_image()


def build_worker_image() -> Path:
    """The worker image is there, built if its recipe changed; returns its path."""
    directory = worker_image_directory()
    playbook("ferry.hvm.build_worker_image", "-e", f"worker_image_directory={directory}")
    return directory / "ferry-worker.iso"


def playbook(name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
    """Run a playbook from the checkout, its output shown as it comes. Raises LabError when it fails."""
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [program, name, *arguments],
        cwd=CHECKOUT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        raise LabError(f"The playbook {name} ended with {done.returncode}", "See its output above.")


def sync(
    lab: LabSettings, name: str, limit: str, *arguments: str, inventory: Path | None = None
) -> dict[str, Any]:
    """Run a playbook of the sequence for the hosts of `limit`; returns the run's report by host.

    The inventory is that of the lab's source servers unless another is given.
    """
    report = lab.directory / f"report-{name}.json"
    playbook(
        f"{name}.yml",
        *("-i", str(inventory or lab.inventory), "-l", limit),
        *arguments,
        environment={"FERRY_REPORT_FILE": str(report)},
    )
    content: dict[str, Any] = json.loads(report.read_text())
    return content


def change_source(lab: LabSettings, source: str, word: str) -> int:
    """Files of the running source differ from before; returns how many its checksum lists now name."""
    return int(on_source(lab, source, "sh", "-c", CHANGE_DATA, "change", word))


def source_report(lab: LabSettings, source: str) -> BootReport:
    """Wait for the source to be up; return how it came up."""
    return wait_for_report(lab.source_directory(source) / "console.log", 0)


def clone_console(lab: LabSettings, instance: str) -> Path:
    """The serial console of an instance: its worker and its clone write to the same file."""
    return lab.appliance_directory / f"console-{instance}.log"


def report_count(console: Path) -> int:
    """Return how many complete boots the console tells of."""
    return len(_reports(console))


def wait_for_report(console: Path, already: int) -> BootReport:
    """Wait for one more boot than `already`; return it. Raises LabError after BOOT_DEADLINE."""
    reports = _wait(lambda: _reports(console)[already:], f"a boot report in {console}")
    return reports[0]


@dataclass(frozen=True)
class Proof:
    """What a clone must show: each line is one fact, and whether it holds."""

    facts: Sequence[tuple[str, bool]]

    @property
    def holds(self) -> bool:
        return all(held for _unused, held in self.facts)


def prove(source: BootReport, clone: BootReport, file_count: int) -> Proof:
    """Compare a clone's boot with its source's, fact by fact."""
    (nic,) = source.interfaces
    clone_nics = {each.name: each for each in clone.interfaces}
    clone_nic = clone_nics.get(NIC_NAME)
    return Proof(
        (
            (f"hostname is {source.host}", clone.host == source.host),
            (f"root disk is driven by {clone.driver}", clone.driver.startswith("virtio")),
            ("no unit failed", not clone.failed_units),
            (f"NIC is named {NIC_NAME}", clone_nic is not None),
            (
                f"its address is {', '.join(nic.addresses)}",
                clone_nic is not None and clone_nic.addresses == nic.addresses,
            ),
            ("its MAC is not the source's", clone_nic is not None and clone_nic.mac != nic.mac),
            ("VMware's tools are gone", not clone.has_vmware_tools),
            (
                f"all {clone.file_count} files have their checksums",
                clone.data_is_intact and clone.file_count == file_count,
            ),
        )
    )


def _reports(console: Path) -> list[BootReport]:
    if not console.exists():
        return []
    return read_reports(console.read_text(errors="replace"))


def _wait(look: Callable[[], list[BootReport]], what: str) -> list[BootReport]:
    deadline = time.monotonic() + BOOT_DEADLINE
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    raise LabError(f"Waited {BOOT_DEADLINE:.0f} s for {what}", "Read the console's last lines.")
