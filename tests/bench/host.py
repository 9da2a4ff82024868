# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where and by what was measured: a figure without its machine means nothing."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
import ssl
import subprocess
from pathlib import Path
from typing import Sequence

CHECKOUT = Path(__file__).resolve().parents[2]

_PROGRAMS = (
    ("nbdcopy", "--version"),
    ("nbdkit", "--version"),
    ("qemu-img", "--version"),
    ("zstd", "--version"),
    ("rsync", "--version"),
    ("ssh", "-V"),
)


def describe(pool: Path, arguments: Sequence[str]) -> str:
    """Return the circumstances as a Markdown list, and the command that repeats the run."""
    command = shlex.join([".venv/bin/python", "-m", "tests.bench", *arguments])
    facts = {
        "Repeat with": f"`tests/bench/setup.sh && {command}` (as root)",
        "Begun": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "Commit": _say("git", "-C", str(CHECKOUT), "describe", "--always", "--dirty"),
        "Machine": f"{_processor()}, {os.cpu_count()} processors for both ends together",
        "Kernel": platform.release(),
        "Python": f"{platform.python_version()}, {ssl.OPENSSL_VERSION}",
        "Peers": "; ".join(_say(*program) for program in _PROGRAMS),
        "Load before": show_load(),
        "Images": f"content {pool.stem.split('-')[1]}; in memory, so that no disk is measured",
    }
    return "".join(f"* {name}: {fact}\n" for name, fact in facts.items())


def show_load() -> str:
    """Return how busy the machine was in the last minute; more than 0 before a run means others."""
    return f"{os.getloadavg()[0]:.1f}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _say(*command: str) -> str:
    """Return the first line that the command says, wherever it says it."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    line = (done.stdout or done.stderr).splitlines()[0]
    return " ".join(line.replace("*", "").split())  # zstd's stars would be Markdown's.
