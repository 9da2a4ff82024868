# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses KVM where it is really there, else emulation (TCG).

A /dev/kvm that opens proves nothing: on a nested host without the CPU's help it creates machines
that then crawl through their first instructions for minutes (measured: no user space in 420 s, where
emulation needs 3). So the CPU must have the feature, and a small Linux must reach user space under
KVM within seconds. The answer holds for one boot of the host and is kept in the cache directory.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import platform
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .command import run, run_aside
from .errors import LabError
from .hardware import Acceleration
from .settings import cache_directory

log = logging.getLogger(__name__)

KVM_DEVICE = Path("/dev/kvm")
# A host with real KVM boots the probe in 1 to 2 s; anything slower is no gain over emulation.
PROBE_DEADLINE = 10.0
MARKER = "ferry-probe-reached-user-space"
# Debian's busybox-static.
STATIC_SHELL = Path("/bin/busybox")
# The smallest of Debian's kernels that has a driver for the serial console built in.
PROBE_KERNEL_PACKAGE = "linux-image-cloud-amd64"


def choose_acceleration() -> Acceleration:
    """KVM if a probe reached user space under it during this boot of the host, else TCG."""
    record = cache_directory() / "acceleration.json"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    known = json.loads(record.read_text()) if record.exists() else {}
    if known.get("boot") != boot:
        known = {"boot": boot, "acceleration": _find_out().value}
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(known))
    return Acceleration(known["acceleration"])


def _find_out() -> Acceleration:
    if not KVM_DEVICE.exists() or not cpu_has_virtualization(Path("/proc/cpuinfo").read_text()):
        return Acceleration.TCG
    try:
        with tempfile.TemporaryDirectory(prefix="ferry-probe-") as place:
            kernel = _find_kernel(Path(place))
            reached = asyncio.run(boots(Acceleration.KVM, kernel, deadline=PROBE_DEADLINE))
    except LabError as trouble:
        log.warning("The probe for KVM could not be made, so machines are emulated: %s", trouble)
        return Acceleration.TCG
    return Acceleration.KVM if reached else Acceleration.TCG


def cpu_has_virtualization(cpuinfo: str) -> bool:
    """Whether a processor of this /proc/cpuinfo has Intel's or AMD's virtualization feature."""
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    return flags is not None and not {"vmx", "svm"}.isdisjoint(flags.group(1).split())


async def boots(acceleration: Acceleration, kernel: Path, *, deadline: float) -> bool:
    """Whether a Linux with this kernel reaches user space within `deadline` seconds."""
    with tempfile.NamedTemporaryFile(prefix="ferry-probe-") as initramfs:
        initramfs.write(probe_initramfs(STATIC_SHELL.read_bytes()))
        initramfs.flush()
        command = _probe_command(acceleration, kernel, Path(initramfs.name))
        try:
            console = await asyncio.wait_for(run_aside(*command), deadline)
        except asyncio.TimeoutError:
            return False
    return MARKER in console


def _find_kernel(place: Path) -> Path:
    """The host's own kernel if it lies where Debian puts it, else one fetched into `place`."""
    own = Path(f"/boot/vmlinuz-{platform.release()}")
    return own if os.access(own, os.R_OK) else fetch_kernel(place)


def fetch_kernel(place: Path) -> Path:
    """Download Debian's cloud kernel and return the path of the kernel itself, inside `place`."""
    answer = run("apt-cache", "depends", "--important", PROBE_KERNEL_PACKAGE)
    found = re.search(r"Depends: (linux-image-\S+)", answer)
    if found is None:
        raise LabError(f"apt knows no kernel behind {PROBE_KERNEL_PACKAGE}", "Run apt-get update.")
    run("sh", "-ec", 'cd "$0" && apt-get download -qq "$1"', str(place), found.group(1))
    for package in place.glob("*.deb"):
        run("dpkg-deb", "--extract", str(package), str(place))
    return next((place / "boot").glob("vmlinuz-*"))


def probe_initramfs(busybox: bytes) -> bytes:
    """An initramfs whose init writes the marker to the console and ends: busybox as /bin/sh."""
    init = f"#!/bin/sh\necho {MARKER}\n".encode()
    files = [
        ("bin", 0o040755, b""),
        ("dev", 0o040755, b""),
        ("bin/sh", 0o100755, busybox),
        ("init", 0o100755, init),
        ("TRAILER!!!", 0, b""),
    ]
    return b"".join(_cpio_entry(name, mode, content) for name, mode, content in files)


def _probe_command(acceleration: Acceleration, kernel: Path, initramfs: Path) -> Sequence[str]:
    cpu = "host" if acceleration is Acceleration.KVM else "max"
    return [
        "qemu-system-x86_64",
        *("-nodefaults", "-no-reboot", "-display", "none"),
        *("-machine", "pc", "-accel", acceleration.value, "-cpu", cpu, "-m", "256M"),
        *("-kernel", str(kernel), "-initrd", str(initramfs)),
        # A panic, such as the one after init has ended, ends QEMU through -no-reboot.
        *("-append", "console=ttyS0 panic=-1"),
        *("-serial", "stdio"),
    ]


def _cpio_entry(name: str, mode: int, content: bytes) -> bytes:
    """One entry in cpio's "new ASCII" format (Linux: driver-api/early-userspace/buffer-format)."""
    path = name.encode() + b"\0"
    # inode, mode, uid, gid, links, mtime, size, device (two numbers twice), length of name, check
    numbers = [0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0]
    head = b"070701" + b"".join(b"%08x" % number for number in numbers) + path
    return _padded(head) + _padded(content)


def _padded(part: bytes) -> bytes:
    return part + bytes(-len(part) % 4)
