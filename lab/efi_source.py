# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A source server that boots by UEFI: the shape `uefi` with the identity of one of the lab's servers.

Its one disk is named by VMware's hardware (`/dev/sda2` in fstab and menu). A loader lies at the fallback
path of its EFI system partition as well, because the NVRAM of its machine begins empty, too.

lab: source-web01/root.raw   never written to after it was made
                  sda.qcow2  what the running server wrote, over it
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from .command import run
from .guests.base import ROOT_DISK
from .guests.source import HOST_KEY, Identity, SourceServer, source_machine, system_files
from .hardware import Acceleration, Machine
from .settings import LabSettings
from .shapes.build import ensure_shape

SHAPE = "uefi"
# Its partitions (lab/shapes/table.py).
_ESP, _ROOT = 1, 2


def make_efi_source(lab: LabSettings, name: str) -> SourceServer:
    """The lab's source server of this name is one with UEFI; its directory must not be there yet."""
    identity = Identity.of(lab, name)
    directory = lab.source_directory(name)
    # The disk holds the server's private key: nobody else looks into the directory.
    directory.mkdir(mode=0o700)
    key = directory / HOST_KEY
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key))
    disk = directory / ROOT_DISK
    run("cp", "--sparse=always", str(ensure_shape(SHAPE).disks["sda"]), str(disk))
    _add_fallback(disk)
    with _mounted(disk) as root:
        _identify(root, identity, key)
    overlay = directory / "sda.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", ROOT_DISK, str(overlay))
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    place = (identity.address, identity.gateway, identity.prefix_length)
    return SourceServer(name, directory, identity.mac, *place, public)


def efi_source_machine(
    lab: LabSettings, server: SourceServer, acceleration: Acceleration
) -> Machine:
    """Return the server as a machine: as the lab's others, but with UEFI and one disk."""
    machine = source_machine(lab, server, acceleration)
    return replace(machine, is_uefi=True, disks=machine.disks[:1])


def _identify(root: Path, identity: Identity, key: Path) -> None:
    """The tree is that server's: its names, its place in the network, its keys, and SSH answers."""
    files = {path: (file.content, file.mode) for path, file in system_files(identity).items()}
    files[f"/etc/ssh/{HOST_KEY}"] = (key.read_bytes(), 0o600)
    files[f"/etc/ssh/{HOST_KEY}.pub"] = (key.with_suffix(".pub").read_bytes(), 0o644)
    for path, (content, mode) in files.items():
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(mode)
    (root / "etc/systemd/system/ssh.service").unlink()
    run("systemctl", f"--root={root}", "enable", "ssh.service")


def _add_fallback(disk: Path) -> None:
    """By mtools: a host's kernel may not know FAT."""
    esp = f"{disk}@@{_place(disk, _ESP)[0]}"
    run("mmd", "-i", esp, "::EFI/BOOT")
    with tempfile.TemporaryDirectory() as scratch:
        loader = str(Path(scratch, "loader"))
        run("mcopy", "-i", esp, "::EFI/debian/grubx64.efi", loader)
        run("mcopy", "-i", esp, loader, "::EFI/BOOT/BOOTX64.EFI")


def _place(disk: Path, number: int) -> tuple[int, int]:
    """Return where the partition begins and how long it is, in bytes."""
    table = json.loads(run("sfdisk", "--json", str(disk)))["partitiontable"]["partitions"]
    return table[number - 1]["start"] * 512, table[number - 1]["size"] * 512


@contextmanager
def _mounted(disk: Path) -> Iterator[Path]:
    """The root of the image is mounted, and written out afterwards."""
    start, size = _place(disk, _ROOT)
    window = (f"--offset={start}", f"--sizelimit={size}")
    device = run("losetup", "--find", "--show", *window, str(disk)).strip()
    try:
        # A loop device that was read-only for its last user still is.
        run("blockdev", "--setrw", device)
        with tempfile.TemporaryDirectory(dir=disk.parent) as place:
            run("mount", device, place)
            try:
                yield Path(place)
            finally:
                run("umount", place)
    finally:
        run("losetup", "--detach", device)
