# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A throw-away appliance with null machines on the loopback address, for tests of clients.

with local_appliance(tmp_path) as appliance:
    ... appliance.url, appliance.username, appliance.password, appliance.ca_path ...
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..process import start_detached, wait_for_line
from ..services import CHECKOUT, START_DEADLINE, ensure_password
from ..settings import USERNAME


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
    ensure_password(password_file)
    endpoint, log = directory / "endpoint", directory / "server.log"
    endpoint.unlink(missing_ok=True)
    options = ["--directory", str(directory), "--password-file", str(password_file)]
    command = [sys.executable, "-m", "lab.appliance", *options, "--machines", "none"]
    server = start_detached(command, log=log, directory=CHECKOUT)
    try:
        yield LocalAppliance(
            url=wait_for_line(endpoint, server, log=log, deadline=START_DEADLINE),
            username=USERNAME,
            password=password_file.read_text(),
            ca_path=directory / "appliance.crt",
            directory=directory,
            pid=server.pid,
        )
    finally:
        server.terminate()
        server.wait(START_DEADLINE)
