# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Block devices for tests: loop devices over files, and file systems on them. Needs root."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import time
from pathlib import Path
from typing import Iterator


def run(*command: str) -> str:
    """Run a command and return what it says; an error carries what it complained about."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout.strip()


UNMOUNT_DEADLINE = 60.0


def unmount(device: str, place: Path) -> None:
    """The file system is mounted nowhere; raises TimeoutError if something keeps it.

    A program that somebody started meanwhile with mounts of its own has a copy of ours, and until it ends the
    kernel keeps the file system, and its journal, open.
    """
    run("umount", str(place))
    deadline = time.monotonic() + UNMOUNT_DEADLINE
    while _is_held(device):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{device} is still mounted somewhere")
        time.sleep(0.05)


def _is_held(device: str) -> bool:
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return True
    return False


@contextlib.contextmanager
def loop_device(file: Path, *, sector_size: int = 512) -> Iterator[str]:
    """Lend a loop device over `file`."""
    device = run("losetup", "--find", "--show", f"--sector-size={sector_size}", str(file))
    try:
        # Both outlive what an earlier user had attached: the flag, and partitions.
        run("blockdev", "--setrw", device)
        _forget_partitions(device)
        yield device
    finally:
        _forget_partitions(device)
        run("losetup", "--detach", device)


def _forget_partitions(device: str) -> None:
    for part in sorted(Path(f"/sys/block/{Path(device).name}").glob("loop*p*")):
        run("partx", "--delete", "--nr", (part / "partition").read_text().strip(), device)


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
        unmount(device, place)
