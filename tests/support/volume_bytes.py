# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of the lab's volumes, written and compared by qemu-io: not by anything of ours."""

from __future__ import annotations

import subprocess
from pathlib import Path

# Where the bytes are, so that qcow2 has them in one cluster.
SPAN = "0 64k"


def fill(volume: Path, byte: int) -> None:
    """The first 64 KiB of the volume, whose machine is off, are this byte."""
    assert not _io(volume, f"write -P {byte} {SPAN}").returncode


def holds(volume: Path, byte: int) -> bool:
    """Whether the first 64 KiB of the volume are this byte, through all that it leans on."""
    done = _io(volume, "-r", f"read -P {byte} {SPAN}")
    assert "read 65536/65536" in done.stdout, done.stdout + done.stderr
    return "Pattern verification failed" not in done.stdout


def _io(volume: Path, *words: str) -> subprocess.CompletedProcess[str]:
    *options, command = words
    return subprocess.run(
        ["qemu-io", *options, "-f", "qcow2", "-c", command, str(volume)],
        capture_output=True,
        text=True,
        check=False,
    )
