# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands on the lab's source servers, by SSH with pinned host keys."""

from __future__ import annotations

import shlex

from .command import run
from .settings import LabSettings


def on_source(lab: LabSettings, source: str, *command: str, given: str = "") -> str:
    """Return what the command printed on the source server; raises LabError when it fails."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "30",
        "GlobalKnownHostsFile": "/dev/null",
        "UserKnownHostsFile": str(lab.known_hosts),
    }
    flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    login = f"root@{lab.source_address(source)}"
    words = shlex.join(command)
    return run("ssh", "-i", str(lab.operator_key), *flags, login, words, given=given)
