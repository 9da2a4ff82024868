# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What is known about a guest, as data. The plan is made from this alone.

Names: a *source name* is what the running source called a disk (`sda`); a *device* is what the
worker calls its overlay (`/dev/mapper/ov-0p1`). Text of the guest is decoded as UTF-8 with
surrogate escapes, so that every byte survives an edit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import FrozenSet, Mapping, Optional, Tuple

# What an instance of the target platform needs to find its disks and its network.
VIRTIO_DRIVERS = ("virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net")


# Where kernels and their images lie.
BOOT = "/boot"
# LVM's settings, and its list of disks. They are edited or removed, and an initramfs may have copies of them.
LVM_SETTINGS = ("/etc/lvm/lvm.conf", "/etc/lvm/lvmlocal.conf")
LVM_DEVICES = "/etc/lvm/devices/system.devices"


@dataclass(frozen=True)
class Disk:
    """One disk of the guest. `scheme` is `dos`, `gpt` or empty (a file system on the whole disk)."""

    name: str
    device: str
    size: int
    scheme: str


@dataclass(frozen=True)
class FileSystem:
    """What a partition, or a device made of partitions, holds: file system, swap, or a member of more.

    `partition` is its number, 0 for a whole disk. Identifiers are empty where there is none. What lies
    on a logical volume, an array or an encrypted device has no `disk`; `names` are what the guest calls
    such a device, whatever its disks are called. `subvolume` is that of a root on Btrfs, if it has one.
    `group` is the volume group that it is a part of or lies on.
    """

    disk: str
    partition: int
    device: str
    kind: str
    uuid: str = ""
    label: str = ""
    partition_uuid: str = ""
    names: Tuple[str, ...] = ()
    subvolume: str = ""
    group: str = ""

    @property
    def title(self) -> str:
        """What the source calls the device: `sda1`, `/dev/mapper/vg0-root`."""
        return f"{self.disk}{self.partition or ''}" if self.disk else self.names[0]


@dataclass(frozen=True)
class Distribution:
    """From os-release: `identity` is ID (`debian`), `version` is VERSION_ID (`12`)."""

    identity: str
    version: str
    title: str


@dataclass(frozen=True)
class Kernel:
    """An installed kernel.

    `initramfs` is the image's path in the guest, None if there is none; `ready` are the virtio
    drivers that this kernel has when it looks for its root: in each of its images, or built in;
    `available` are those it could be given. `copies` are those of `LVM_SETTINGS` and `LVM_DEVICES`
    that lie in an image too. `built_in` are the drivers that it has without any image.
    """

    version: str
    initramfs: Optional[str]
    ready: FrozenSet[str]
    available: FrozenSet[str]
    copies: FrozenSet[str] = frozenset()
    built_in: FrozenSet[str] = frozenset()


@dataclass(frozen=True)
class Package:
    """An installed package and the names it cannot do without (alternatives are all named)."""

    name: str
    version: str
    needs: FrozenSet[str]


@dataclass(frozen=True)
class GuestFacts:
    """A guest as found. `files` holds the text of every configuration file that a rule looks at.

    `default_kernel` is the version that the boot loader's first entry starts, None if not known.
    `firmware` is `bios` or `uefi`, by the boot loader that is installed; `loaders` are the paths of all
    on the EFI system partition, and `loader_lists` those of lists of them (BOOTX64.CSV).
    `stray_backups` names the disks whose GPT's backup is not at their end.
    `programs` are those of `extension_rules.PROGRAMS` that are installed. `images` are the bytes of each
    initramfs in /boot, by path; `room` those that are free, by the folder whose file system they are on.
    `target_is_uefi` says that the worker, and so what is to boot the guest, was booted by UEFI.
    `environments` has the path in `files` of the environment block that a menu of GRUB reads, by the menu's.
    """

    disks: Tuple[Disk, ...]
    file_systems: Tuple[FileSystem, ...]
    root: FileSystem
    distribution: Distribution
    firmware: str
    kernels: Tuple[Kernel, ...]
    default_kernel: Optional[str]
    packages: Mapping[str, Package]
    files: Mapping[str, str]
    tools_outside_packages: Tuple[str, ...] = ()
    loaders: Tuple[str, ...] = ()
    loader_lists: Tuple[str, ...] = ()
    stray_backups: Tuple[str, ...] = ()
    programs: FrozenSet[str] = frozenset()
    images: Mapping[str, int] = field(default_factory=dict)
    room: Mapping[str, int] = field(default_factory=dict)
    environments: Mapping[str, str] = field(default_factory=dict)
    target_is_uefi: bool = False
