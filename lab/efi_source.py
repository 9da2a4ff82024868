# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A source server that boots by UEFI: the shape `uefi` with the identity of one of the lab's servers.

Its one disk is named by VMware's hardware (`/dev/sda2` in fstab and menu), and its loader lies where only an
NVRAM that was told finds it. Debian's OVMF has no driver for pvscsi, so QEMU hands the server's own kernel to
the firmware, as a loader would.

lab: source-web01/root.raw   never written to after it was made
                  sda.qcow2  what the running server wrote, over it
                  vmlinuz, initrd.img
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from .command import run
from .guests.base import ROOT_DISK
from .guests.disks import attached
from .guests.edit import GuestFile
from .guests.source import (
    Identity,
    SourceServer,
    add_overlay,
    make_host_key,
    server_in,
    source_machine,
    system_files,
)
from .hardware import Acceleration, DirectBoot, Machine
from .settings import LabSettings
from .shapes.build import ensure_shape
from .shapes.layers import pieces
from .shapes.table import SHAPES

SHAPE = "uefi"
KERNEL, INITRAMFS = "vmlinuz", "initrd.img"
# Where its root lies.
_ROOT = "sda2"


def make_efi_source(lab: LabSettings, name: str) -> SourceServer:
    """The lab's source server of this name is one with UEFI; its directory must not be there yet."""
    identity = Identity.of(lab, name)
    directory = lab.source_directory(name)
    # The disk holds the server's private key: nobody else looks into the directory.
    directory.mkdir(mode=0o700)
    files = {**system_files(identity), **make_host_key(directory)}
    disk = directory / ROOT_DISK
    run("cp", "--sparse=always", str(ensure_shape(SHAPE).disks["sda"]), str(disk))
    with _mounted(disk) as root:
        _identify(root, files)
        for file, pattern in ((KERNEL, "vmlinuz-*"), (INITRAMFS, "initrd.img-*")):
            shutil.copyfile(next((root / "boot").glob(pattern)), directory / file)
    add_overlay(directory / "sda.qcow2", ROOT_DISK)
    return server_in(directory, identity)


def efi_source_machine(
    lab: LabSettings, server: SourceServer, acceleration: Acceleration
) -> Machine:
    """Return the server as a machine: as the lab's others, but with UEFI and one disk."""
    machine = source_machine(lab, server, acceleration)
    shape = SHAPES[SHAPE]
    boot = DirectBoot(
        server.directory / KERNEL,
        server.directory / INITRAMFS,
        f"root={shape.root} ro {shape.words}",
    )
    disk = replace(machine.disks[0], boot_order=None)
    return replace(machine, is_uefi=True, disks=(disk,), direct_boot=boot)


def _identify(root: Path, files: Mapping[str, GuestFile]) -> None:
    """The tree is that server's: its names, its place in the network, its keys, and SSH answers."""
    for path, file in files.items():
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(file.mode)
    (root / "etc/systemd/system/ssh.service").unlink()
    run("systemctl", f"--root={root}", "enable", "ssh.service")


@contextmanager
def _mounted(disk: Path) -> Iterator[Path]:
    """The root of the image is mounted, and written out afterwards."""
    ((_begin, _disk, start, length),) = pieces(SHAPES[SHAPE], {"sda": disk})[_ROOT]
    scratch = tempfile.TemporaryDirectory(dir=disk.parent)
    with attached(disk, start, length) as device, scratch as place:
        run("mount", device, place)
        try:
            yield Path(place)
        finally:
            run("umount", place)
