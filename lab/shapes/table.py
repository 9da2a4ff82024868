# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes that servers come in, as a table: one row is one small server.

    disk        partition (or all of it)      what is in it
    sda         sda1, sda2, ...               a file system, or the pieces of something larger:
                                              a mirror, an encrypted device, a volume group

All have VMware's drivers in their initramfs and none of virtio's; most also name some device in a way
that ends with VMware's hardware. Those whose storage is of interest are Debian 12 with ifupdown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from uuid import UUID

from ..guests.debian import RELEASE

# Partition types for sfdisk(8).
LINUX, LVM, RAID, ESP, BIOS_BOOT = (
    "linux",
    "lvm",
    "raid",
    "uefi",
    "21686148-6449-6E6F-744E-656564454649",
)

# As the lab's other servers have them (`guests/rootfs/etc/default/grub`).
USUAL_WORDS = "console=tty0 console=ttyS0,115200 norandmaps mitigations=off"


@dataclass(frozen=True)
class Part:
    """A partition: size in MiB and sfdisk's word for its type."""

    size: int
    type: str = LINUX


@dataclass(frozen=True)
class DiskPlan:
    """A disk. `label` is `dos`, `gpt`, or empty for a disk without partitions. `size` in MiB."""

    size: int
    label: str = ""
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Volume:
    """A file system: its mount point, what fstab calls it, its kind, and where it lies.

    `place` is a partition (`sda1`), a disk (`sdb`) or a logical volume (`vg0/root`). `size` in MiB.
    `uuid` is given where others name it; else each build has its own.
    """

    path: str
    name: str
    kind: str
    place: str
    size: int
    uuid: str = ""


@dataclass(frozen=True)
class Shape:
    """One server. `number` gives it its address. `physical` are the places of the volume group's parts.

    `mirrors` maps the place of a mirror's first half to that of its other; `encrypted` holds places
    that are encrypted, and the key. `root` is what the kernel is told, and `resume`, if it is told where it went to
    sleep; `network` is a kind of `networks.py`; `subvolume` is where a root on Btrfs lies; `core` are GRUB's modules for its own files, which it
    finds at `core_place`, else on a partition of the disk that it was started from; with `has_systemd_boot` there
    is no GRUB, and none of these.
    """

    number: int
    disks: Mapping[str, DiskPlan]
    volumes: tuple[Volume, ...]
    root: str
    core: tuple[str, ...]
    core_place: str = ""
    packages: tuple[str, ...] = ()
    kernel_parts: tuple[str, ...] = ()
    early_modules: tuple[str, ...] = ()
    physical: tuple[str, ...] = ()
    mirrors: Mapping[str, str] = field(default_factory=dict)
    encrypted: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    resume: str = ""
    subvolume: str = ""
    is_uefi: bool = False
    has_systemd_boot: bool = False
    release: str = RELEASE
    network: str = "ifupdown"

    @property
    def words(self) -> str:
        """What else its kernels are told, as `/etc/default/grub` has it."""
        return f"resume={self.resume} {USUAL_WORDS}" if self.resume else USUAL_WORDS


# LVM's own files say nothing of filters. This one hides all that is not called as VMware's disks are.
_OLD_DISKS_ONLY = """\
devices {
\t# The disks of this machine, and nothing else.
\tfilter = [ "a|^/dev/sd[ab]|", "r|.*|" ]
}
"""
# The root of a server takes some 550 MiB. The root's volume begins on the first disk and ends on the second.
_LVM = Shape(
    number=1,
    disks={
        "sda": DiskPlan(704, "dos", (Part(192), Part(448, LVM), Part(32))),
        "sdb": DiskPlan(736),
    },
    volumes=(
        Volume("/", "/dev/mapper/vg0-root", "ext4", "vg0/root", 1024),
        Volume("/boot", "/dev/sda1", "ext4", "sda1", 192),
        Volume("none", "/dev/sda3", "swap", "sda3", 32),
    ),
    root="/dev/mapper/vg0-root",
    core=("part_msdos", "ext2"),
    packages=("lvm2", "grub-pc"),
    physical=("sda2", "sdb"),
    files={"/etc/lvm/lvmlocal.conf": _OLD_DISKS_ONLY},
    resume="/dev/sda3",
)

# Its firmware was told where the loader is, and nothing but that memory knows: no fallback on the ESP.
_UEFI = Shape(
    number=2,
    disks={"sda": DiskPlan(1152, "gpt", (Part(64, ESP), Part(1084)))},
    volumes=(
        Volume("/", "/dev/sda2", "ext4", "sda2", 1084),
        Volume("/boot/efi", "/dev/sda1", "vfat", "sda1", 64),
    ),
    root="/dev/sda2",
    core=("part_gpt", "fat", "ext2"),
    packages=("grub-efi-amd64", "dosfstools"),
    kernel_parts=("fs/fat", "fs/nls", "fs/efivarfs"),
    is_uefi=True,
)

# Its loader lies at the fallback's place too, as `bootctl install` puts it.
_SYSTEMD_BOOT = Shape(
    number=14,
    disks={"sda": DiskPlan(1216, "gpt", (Part(128, ESP), Part(1084)))},
    volumes=(
        Volume("/", "/dev/sda2", "ext4", "sda2", 1084),
        Volume("/boot/efi", "/dev/sda1", "vfat", "sda1", 128),
    ),
    root="/dev/sda2",
    core=(),
    packages=("systemd-boot", "dosfstools"),
    kernel_parts=("fs/fat", "fs/nls", "fs/efivarfs"),
    is_uefi=True,
    has_systemd_boot=True,
)

# /usr apart from its root: the initramfs has to mount it before anything of the system can start.
_XFS = Shape(
    number=3,
    disks={
        "sda": DiskPlan(
            1232,
            "gpt",
            (Part(1, BIOS_BOOT), Part(192), Part(400)),
        ),
        "sdb": DiskPlan(704, "dos", (Part(700),)),
    },
    volumes=(
        Volume("/", "/dev/sda3", "xfs", "sda3", 400),
        Volume("/boot", "/dev/sda2", "ext4", "sda2", 192),
        Volume("/usr", "/dev/sdb1", "xfs", "sdb1", 700),
    ),
    root="/dev/sda3",
    core=("part_gpt", "ext2"),
    packages=("grub-pc",),
    early_modules=("xfs",),
)

_BTRFS = Shape(
    number=4,
    disks={"sda": DiskPlan(1280, "dos", (Part(1276),))},
    volumes=(Volume("/", "/dev/sda1", "btrfs", "sda1", 1276),),
    root="/dev/sda1 rootflags=subvol=@rootfs",
    core=("part_msdos", "btrfs"),
    packages=("grub-pc", "btrfs-progs"),
    kernel_parts=("fs/btrfs",),
    early_modules=("btrfs",),
    subvolume="@rootfs",
)

MIRROR_UUID = UUID("6e2b1d2c-8f5a-4c39-9a57-0d3f8c1b7a44")
_ARRAY = MIRROR_UUID.hex
_MIRROR = Shape(
    number=5,
    disks={name: DiskPlan(1156, "dos", (Part(1152, RAID),)) for name in ("sda", "sdb")},
    volumes=(Volume("/", "/dev/md0", "ext4", "sda1", 1088),),
    root="/dev/md0",
    core=("part_msdos", "mdraid1x", "ext2"),
    core_place=f"(mduuid/{_ARRAY})",
    packages=("grub-pc", "mdadm"),
    mirrors={"sda1": "sdb1"},
    files={
        "/etc/mdadm/mdadm.conf": "MAILADDR root\nARRAY /dev/md0 metadata=1.2 name=mirror:0 UUID="
        + ":".join(_ARRAY[at : at + 8] for at in range(0, 32, 8))
        + "\n",
    },
)

# Its key lies in its initramfs, on a /boot that is not encrypted: it starts without anybody at its console.
LUKS_KEY = "correct horse battery staple"
_LUKS = Shape(
    number=6,
    disks={"sda": DiskPlan(1344, "dos", (Part(192), Part(1144)))},
    volumes=(
        Volume("/", "/dev/mapper/root_crypt", "ext4", "sda2", 1088),
        Volume("/boot", "/dev/sda1", "ext4", "sda1", 192),
    ),
    root="/dev/mapper/root_crypt",
    core=("part_msdos", "ext2"),
    packages=("grub-pc", "cryptsetup-initramfs"),
    encrypted={"sda2": LUKS_KEY},
    files={
        "/etc/crypttab": "root_crypt /dev/sda2 /etc/keys/root.key luks,initramfs\n",
        "/etc/keys/root.key": LUKS_KEY,
        "/etc/cryptsetup-initramfs/conf-hook": 'KEYFILE_PATTERN="/etc/keys/*.key"\n',
        "/etc/initramfs-tools/conf.d/umask": "UMASK=0077\n",
    },
)

# As an installer leaves it: all by UUID, and only the drivers are missing.
_USUAL_UUID = "2d9f5d3e-2f0a-4f0e-8a7e-0f4c9b7d6c11"


def _plain(
    number: int, *, uuid: str = "", release: str = RELEASE, network: str = "ifupdown"
) -> Shape:
    """One disk with one partition on ext4, for a BIOS; named by `uuid`, or as the kernel does."""
    name = f"UUID={uuid}" if uuid else "/dev/sda1"
    return Shape(
        number=number,
        disks={"sda": DiskPlan(1280, "dos", (Part(1276),))},
        volumes=(Volume("/", name, "ext4", "sda1", 1276, uuid),),
        root=name,
        core=("part_msdos", "ext2"),
        packages=("grub-pc",),
        release=release,
        network=network,
    )


# As Debian 11 had it; its initramfs-tools know of zstd no level but 19, minutes of an emulated processor.
_BY_GZIP = {"/etc/initramfs-tools/conf.d/with-gzip": "COMPRESS=gzip\n"}

SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "lvm": _LVM,
        "uefi": _UEFI,
        "xfs": _XFS,
        "btrfs": _BTRFS,
        "mirror": _MIRROR,
        "luks": _LUKS,
        "usual": _plain(7, uuid=_USUAL_UUID),
        "bullseye": replace(_plain(8, release="bullseye"), files=_BY_GZIP),
        "bookworm": _plain(9),
        "trixie": _plain(10, release="trixie"),
        "netplan": _plain(11, network="netplan"),
        "networkd": _plain(12, network="networkd"),
        "networkmanager": _plain(13, network="networkmanager"),
        "systemd-boot": _SYSTEMD_BOOT,
    }
)
