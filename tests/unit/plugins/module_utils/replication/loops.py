# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Block devices for tests: loop devices over files, and file systems on them. Needs root."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Iterator


def run(*command: str) -> str:
    """Run a command and return what it says; an error carries what it complained about."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout.strip()


@contextlib.contextmanager
def loop_device(file: Path, *, sector_size: int = 512) -> Iterator[str]:
    """Lend a loop device over `file`."""
    device = run("losetup", "--find", "--show", f"--sector-size={sector_size}", str(file))
    try:
        run("blockdev", "--setrw", device)  # The flag outlives what an earlier user had attached.
        yield device
    finally:
        run("losetup", "--detach", device)


@contextlib.contextmanager
def new_file_system(device: str, directory: Path) -> Iterator[Path]:
    """Lend a fresh ext4 on the device, mounted below `directory`."""
    run("mkfs.ext4", "-q", device)
    place = directory / "mounted"
    place.mkdir()
    run("mount", device, str(place))
    try:
        yield place
    finally:
        run("umount", str(place))
