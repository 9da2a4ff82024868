# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""nbdkit's VDDK plugin as a process that serves one disk. PRIVATE. Part of the source worker's sender.

The plugin comes from the distribution, the library from VMware by the user's hands; Ferry has neither.
The password goes through a pipe, so it is neither in the arguments nor in the environment.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Deque, List, Optional, Tuple

from ..errors import InputError, PermanentError

# What is kept of the process' words: VDDK tells a failure in its last lines, after hundreds of others.
LAST_LINES = 8

# A SHA-1 as the plugin wants it.
_THUMBPRINT = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){19}")

# The plugin loads the library before it listens, some hundred megabytes of it from a slow disk perhaps.
START_TIMEOUT = 60.0

# After a SIGTERM nbdkit closes the disk at the host; then it is killed.
STOP_TIMEOUT = 20.0

PROBE_TIMEOUT = 30.0


class NbdkitError(PermanentError):
    """nbdkit, its plugin or VDDK did not start, or gave up; the message has its last words."""


@dataclass(frozen=True)
class VddkSettings:
    """How VDDK is reached. `plugin` are the words that name it to nbdkit.

    `libdir` is the folder with `lib64` of the unpacked library, "" for the plugin's default;
    `transports` in VDDK's words ("nbdssl:nbd"), "" for its own choice; `thumbprint` is the SHA-1 of the
    vCenter's certificate.
    """

    server: str
    user: str
    password: str = field(repr=False)
    thumbprint: str
    libdir: str = ""
    transports: str = "nbdssl"
    plugin: Tuple[str, ...] = ("vddk",)

    def check(self) -> None:
        """Raise InputError for what the plugin would refuse, or would take for something else."""
        if not _THUMBPRINT.fullmatch(self.thumbprint):
            raise InputError(
                f'"{self.thumbprint}" is not the thumbprint of a certificate.',
                hint="Give the SHA-1 of the vCenter's certificate as AA:BB:...; without it VDDK"
                " would trust anybody.",
            )
        if not self.password or "\n" in self.password:
            raise InputError("VDDK needs a password, of one line.")


@dataclass(frozen=True)
class VddkDiskName:
    """Which disk: the references of VM and snapshot, and the datastore path in the snapshot's configuration."""

    vm: str
    snapshot: str
    file: str


def vddk_obstacle(settings: VddkSettings) -> str:
    """Return why VDDK cannot be used on this machine, "" if it can as far as can be seen."""
    if shutil.which("nbdkit") is None:
        return "nbdkit is not installed"
    command = ["nbdkit", *settings.plugin, "--dump-plugin", *_libdir(settings)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return f"nbdkit's plugin {settings.plugin[0]} does not answer"
    if done.returncode:
        return f"nbdkit has no plugin {settings.plugin[0]}: {_last_line(done.stderr)}"
    # Printed only when the library could be loaded (nbdkit-vddk-plugin(1), "--dump-plugin").
    if "vddk_library_version=" not in done.stdout:
        return f"the plugin finds no VDDK library in {settings.libdir or 'its default folder'}"
    return ""


class Nbdkit:
    """A running nbdkit that serves one disk on a Unix socket in a folder of its own."""

    def __init__(self, settings: VddkSettings, disk: VddkDiskName) -> None:
        """nbdkit was started; `await_ready` tells whether it serves. Raises InputError, NbdkitError."""
        settings.check()
        self._settings = settings
        self._disk = disk
        self._folder = tempfile.mkdtemp(prefix="ferry-vddk-")
        self.socket = os.path.join(self._folder, "nbd")
        # nbdkit writes it when it takes connections; the socket is there before that.
        self._ready = os.path.join(self._folder, "pid")
        self._words: Deque[str] = deque(maxlen=LAST_LINES)
        self._has_started = threading.Event()
        self._has_ended = threading.Event()
        self._process: Optional[subprocess.Popen[str]] = None
        # `--exit-with-parent` means the thread that started it (prctl(2), PR_SET_PDEATHSIG), so that
        # is one which lives exactly as long.
        self._keeper = threading.Thread(target=self._keep, name="ferry-nbdkit", daemon=True)
        self._keeper.start()
        self._has_started.wait()

    def await_ready(self) -> None:
        """Connections are taken. Raises NbdkitError, after which nothing runs any more."""
        deadline = time.monotonic() + START_TIMEOUT
        while not os.path.exists(self._ready):
            if self._has_ended.wait(0.02):
                raise self.failed("did not start")
            if time.monotonic() > deadline:
                raise self.failed(f"was not ready after {START_TIMEOUT:.0f} s")

    def failed(self, how: str) -> NbdkitError:
        """Return our error for what went wrong, with the last words of the process; the process is ended."""
        self.stop()
        said = " | ".join(self._words).replace(self._settings.password, "***")
        return NbdkitError(
            f"nbdkit for {self._disk.file} {how}: {said or 'it said nothing'}",
            hint="VDDK needs 443/TCP to the vCenter, 902/TCP to each ESXi host, and the"
            " vCenter's right name, user, password and thumbprint.",
        )

    def stop(self) -> None:
        """The process has ended, and its folder is gone. May be called again."""
        if self._process is not None and not self._has_ended.is_set():
            self._process.terminate()
            if not self._has_ended.wait(STOP_TIMEOUT):
                self._process.kill()
        self._keeper.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _keep(self) -> None:
        """Start the process, take in its words, and wait for its end."""
        try:
            self._process = process = self._spawn()
        except OSError as error:
            self._words.append(str(error))
            return
        finally:
            self._has_started.set()
            if self._process is None:
                self._has_ended.set()
        with process:
            self._words.extend(line.strip() for line in process.stderr or ())
        self._has_ended.set()

    def _spawn(self) -> subprocess.Popen[str]:
        reading, writing = os.pipe()
        try:
            # A pipe holds 64 KiB: this does not wait for the reader.
            os.write(writing, self._settings.password.encode() + b"\n")
            os.close(writing)
            return subprocess.Popen(
                self._arguments(reading),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                pass_fds=[reading],
            )
        finally:
            os.close(reading)

    def _arguments(self, password: int) -> List[str]:
        """Return the command line, which whoever lists processes may read; `password` is a descriptor."""
        settings, disk = self._settings, self._disk
        return [
            "nbdkit", "--foreground", "--readonly", "--exit-with-parent",
            "--unix", self.socket, "--pidfile", self._ready,
            *settings.plugin,
            *_libdir(settings),
            f"server={settings.server}",
            f"user={settings.user}",
            f"password=-{password}",
            f"thumbprint={settings.thumbprint}",
            f"vm=moref={disk.vm}",
            f"snapshot={disk.snapshot}",
            *([f"transports={settings.transports}"] if settings.transports else []),
            f"file={disk.file}",
        ]  # fmt: skip


def _libdir(settings: VddkSettings) -> List[str]:
    return [f"libdir={settings.libdir}"] if settings.libdir else []


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
