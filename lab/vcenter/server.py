# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting and ending a vCenter of the lab. Its directory holds all it knows, so a start goes on where it ended.

with local_vcenter(tmp_path, inventory) as vcenter:
    ... vcenter.url, vcenter.username, vcenter.password, vcenter.ca_path, vcenter.control ...
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import process
from ..certificate import ensure_certificate
from ..services import CHECKOUT, START_DEADLINE, ensure_password
from ..settings import cache_directory
from .build import ensure_program
from .control import Control

USERNAME = "operator@vsphere.local"


@dataclass(frozen=True)
class Vcenter:
    """A vCenter that answers: what a client needs to know, and the lab's switches."""

    url: str
    username: str
    password: str
    ca_path: Path
    directory: Path
    pid: int

    @property
    def control(self) -> Control:
        """The switches; a plain simulator has none."""
        token = (self.directory / "token").read_text().strip()
        return Control(self.url, token, self.ca_path)


def running_vcenter(directory: Path) -> Vcenter | None:
    """Return the vCenter that runs over the directory, None if there is none."""
    pid = process.find_pid(directory / "vcenter.pid")
    return _vcenter(directory, (directory / "endpoint").read_text().strip(), pid) if pid else None


def start_vcenter(
    directory: Path,
    inventory: Mapping[str, Any],
    *,
    address: str = "127.0.0.1",
    port: int = 0,
    plain: bool = False,
    inside: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Vcenter:
    """A vCenter answers at the address, with the machines of the directory and those new in the inventory.

    `inside` is put before the command: the words that enter a network namespace. `plain` is the packaged
    simulator alone, with machines of its own. Raises LabError.
    """
    program = ensure_program(cache_directory())
    directory.mkdir(parents=True, exist_ok=True)
    ensure_password(directory / "password")
    ensure_certificate(directory / "vcenter.crt", directory / "vcenter.key", address)
    (directory / "inventory.json").write_text(json.dumps(inventory, indent=2))
    endpoint, log = directory / "endpoint", directory / "server.log"
    endpoint.unlink(missing_ok=True)
    command = [*inside, str(program), *_arguments(directory), "-listen", f"{address}:{port}"]
    command += ["-plain"] if plain else []
    server = process.start_detached([*command, *options], log=log, directory=CHECKOUT)
    url = process.wait_for_line(endpoint, server, log=log, deadline=START_DEADLINE)
    return _vcenter(directory, url, _pid(directory, server))


def stop_vcenter(directory: Path) -> None:
    """No vCenter runs over the directory; what it holds stays.

    The program prepares for no end: it is cut off in the middle of whatever it does, as by a crash.
    """
    process.end(directory / "vcenter.pid")


@contextmanager
def local_vcenter(directory: Path, inventory: Mapping[str, Any], **more: Any) -> Iterator[Vcenter]:
    """A vCenter for tests answers on the loopback address; afterwards it is gone."""
    try:
        yield start_vcenter(directory, inventory, **more)
    finally:
        stop_vcenter(directory)


def _vcenter(directory: Path, url: str, pid: int) -> Vcenter:
    return Vcenter(
        url=url,
        username=USERNAME,
        password=(directory / "password").read_text(),
        ca_path=directory / "vcenter.crt",
        directory=directory,
        pid=pid,
    )


def _pid(directory: Path, server: subprocess.Popen[bytes]) -> int:
    """The words that enter a namespace become the program itself, so theirs is its process id."""
    return process.find_pid(directory / "vcenter.pid") or server.pid


def _arguments(directory: Path) -> list[str]:
    return [
        *("-directory", str(directory)),
        *("-inventory", str(directory / "inventory.json")),
        *("-certificate", str(directory / "vcenter.crt")),
        *("-key", str(directory / "vcenter.key")),
        *("-username", USERNAME),
        *("-password-file", str(directory / "password")),
        *("-pid-file", str(directory / "vcenter.pid")),
    ]
