# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A throw-away appliance with null machines on the loopback address, for tests of clients.

with local_appliance(tmp_path) as appliance:
    ... appliance.url, appliance.username, appliance.password, appliance.ca_path ...
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import LabError
from ..settings import USERNAME

CHECKOUT = Path(__file__).resolve().parents[2]
# A server is up in about a second; a busy machine takes longer.
START_DEADLINE = 30.0


@dataclass(frozen=True)
class LocalAppliance:
    """What a client needs to know; `pid` is for tests that kill the server."""

    url: str
    username: str
    password: str
    ca_path: Path
    directory: Path
    pid: int


@contextmanager
def local_appliance(directory: Path) -> Iterator[LocalAppliance]:
    """An appliance answers, over what an earlier one left in the directory; afterwards it is gone."""
    password_file = directory / "password"
    if not password_file.exists():
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_urlsafe(12))
    endpoint = directory / "endpoint"
    endpoint.unlink(missing_ok=True)
    process = _spawn(directory, password_file)
    try:
        _wait_for(endpoint, process)
        yield LocalAppliance(
            url=endpoint.read_text().strip(),
            username=USERNAME,
            password=password_file.read_text(),
            ca_path=directory / "appliance.crt",
            directory=directory,
            pid=process.pid,
        )
    finally:
        process.terminate()
        process.wait(START_DEADLINE)


def _spawn(directory: Path, password_file: Path) -> subprocess.Popen[bytes]:
    options = ["--directory", str(directory), "--password-file", str(password_file)]
    with (directory / "server.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "lab.appliance", *options, "--machines", "none"],
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=log,
            stderr=log,
        )


def _wait_for(endpoint: Path, process: subprocess.Popen[bytes]) -> None:
    """The file is there, written by the process. Raises LabError if it ends or takes too long."""
    deadline = time.monotonic() + START_DEADLINE
    while not endpoint.exists() or not endpoint.read_text().endswith("\n"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise LabError("The appliance did not start", f"See {endpoint.parent}/server.log.")
        time.sleep(0.02)
