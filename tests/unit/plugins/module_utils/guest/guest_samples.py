# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builders of stores, images and guests, as bytes and data; no test here starts a program."""

from __future__ import annotations

import dataclasses
import struct
from mmap import mmap
from typing import Any, Iterable, Mapping, Sequence

from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import (
    VIRTIO_DRIVERS,
    Disk,
    Distribution,
    FileSystem,
    GuestFacts,
    Kernel,
    Package,
)

ROOT_UUID = "11111111-2222-3333-4444-555555555555"
SWAP_UUID = "22222222-2222-3333-4444-555555555555"
DATA_UUID = "33333333-2222-3333-4444-555555555555"
CHUNK = 8192


def build_store(
    exceptions: Sequence[tuple[int, int]],
    content: Mapping[int, bytes] | None = None,
    *,
    chunk: int = CHUNK,
    header: tuple[int, int, int] = (0x70416E53, 1, 1),
) -> mmap:
    """Return a snapshot store. Keys of `content` are chunks of the store, as in the exceptions.

    It is a map of memory of its own: of a store of 800 MB only the tables are ever touched.
    """
    per_area = chunk // 16
    areas = len(exceptions) // per_area + 1
    last = max([areas * (per_area + 1) + 1, *(new for _old, new in exceptions)])
    store = mmap(-1, (last + 1) * chunk)
    struct.pack_into("<IIII", store, 0, *header, chunk // 512)
    for index, pair in enumerate(exceptions):
        area, place = divmod(index, per_area)
        start = (1 + area * (per_area + 1)) * chunk + place * 16
        struct.pack_into("<QQ", store, start, *pair)
    for number, data in (content or {}).items():
        store[number * chunk : number * chunk + len(data)] = data
    return store


def build_archive(names: Iterable[str], *, content: bytes = b"") -> bytes:
    """Return a cpio archive (newc) whose files have these names and all the same content."""
    return b"".join(_member(name, content) for name in names) + _member("TRAILER!!!", b"")


def _member(name: str, content: bytes) -> bytes:
    raw = name.encode() + b"\0"
    fields = [1, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(raw), 0]
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + raw) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


SDA1 = FileSystem("sda", 1, "/dev/mapper/ov-0p1", "ext4", ROOT_UUID, "rootfs", "12345678-01")
SDA2 = FileSystem("sda", 2, "/dev/mapper/ov-0p2", "swap", SWAP_UUID, "", "12345678-02")
SDB1 = FileSystem("sdb", 1, "/dev/mapper/ov-1p1", "xfs", DATA_UUID, "data", "87654321-01")
LV_ROOT = FileSystem(
    "",
    0,
    "/dev/mapper/vg0-root",
    "ext4",
    "44444444-2222-3333-4444-555555555555",
    names=("/dev/mapper/vg0-root", "/dev/vg0/root"),
)

MENU = """menuentry 'Debian GNU/Linux' {
\tsearch --no-floppy --fs-uuid --set=root 11111111-2222-3333-4444-555555555555
\tlinux\t/boot/vmlinuz-6.1.0-1-amd64 root={root} ro  quiet
\tinitrd\t/boot/initrd.img-6.1.0-1-amd64
}
"""

ALL = frozenset(VIRTIO_DRIVERS)
READY = Kernel("6.1.0-1-amd64", "/boot/initrd.img-6.1.0-1-amd64", ALL, ALL)
LACKING = dataclasses.replace(READY, ready=frozenset())


def packages(**needs: str) -> dict[str, Package]:
    """Return packages, name by name with underscores for hyphens, and what each needs."""
    names = {name.replace("_", "-"): frozenset(text.split()) for name, text in needs.items()}
    return {name: Package(name, "1.0", need) for name, need in names.items()}


def guest(*, files: Mapping[str, str] | None = None, **changes: Any) -> GuestFacts:
    """Return a guest that needs nothing, with these files and facts instead of its own."""
    own = {
        "/etc/fstab": f"UUID={ROOT_UUID} / ext4 errors=remount-ro 0 1\n",
        "/etc/default/grub": 'GRUB_CMDLINE_LINUX=""\n',
        "/boot/grub/grub.cfg": MENU.replace("{root}", f"UUID={ROOT_UUID}"),
        "/etc/network/interfaces": "iface lo inet loopback\niface ens192 inet dhcp\n",
    }
    facts = GuestFacts(
        disks=(
            Disk("sda", "/dev/mapper/ov-0", 2 << 30, "dos"),
            Disk("sdb", "/dev/mapper/ov-1", 1 << 30, "dos"),
        ),
        file_systems=(SDA1, SDA2, SDB1),
        root=SDA1,
        distribution=Distribution("debian", "12", "Debian GNU/Linux 12 (bookworm)"),
        firmware="bios",
        kernels=(READY,),
        default_kernel=READY.version,
        packages=packages(initramfs_tools="", grub_pc="", qemu_guest_agent=""),
        files={**own, **(files or {})},
    )
    return dataclasses.replace(facts, **changes)
