# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Gather the facts of a guest from its mounted tree. Reads only; no rule and no judgement here."""

from __future__ import annotations

import posixpath
import re
from typing import Container, Dict, List, Mapping, Sequence, Tuple

from . import (
    cloud_init,
    dpkg,
    extension_rules,
    first_boot,
    gpt,
    initramfs,
    rpm,
    selinux,
    systemd_boot,
)
from .facts import (
    LVM_DEVICES,
    LVM_SETTINGS,
    Disk,
    Distribution,
    FileSystem,
    GuestFacts,
    Package,
)
from .families import RPM, family_of
from .kernels import default_kernel, free_room, image_sizes, inspect_kernel, kernel_versions
from .tree import GuestTree

GRUB_DEFAULTS = "/etc/default/grub"
GRUB_MENU = "/boot/grub/grub.cfg"
INITRAMFS_MODULES = "/etc/initramfs-tools/modules"

_FILES = (
    "/etc/fstab",
    "/etc/crypttab",
    GRUB_DEFAULTS,
    GRUB_MENU,
    "/boot/grub/custom.cfg",
    "/boot/grub/grubenv",
    "/boot/grub/menu.lst",
    "/boot/grub/grub.conf",
    "/boot/grub2/custom.cfg",
    "/boot/grub2/grub.cfg",
    "/boot/grub2/grubenv",
    "/etc/kernel/cmdline",
    *systemd_boot.SETTINGS,
    systemd_boot.HOOK,
    "/etc/dracut.conf",
    LVM_DEVICES,
    *LVM_SETTINGS,
    selinux.SETTINGS_FILE,
    selinux.MARK,
    INITRAMFS_MODULES,
    "/etc/network/interfaces",
    cloud_init.SETTINGS_FILE,
    first_boot.UNIT_FILE,
    first_boot.LINK,
)
# Folders whose files count together: (folder, what a counted name looks like).
_FOLDERS = (
    ("/etc/default/grub.d", r".+\.cfg"),
    ("/etc/grub.d", r"4\d_custom"),
    ("/etc/dracut.conf.d", r".+\.conf"),
    ("/etc/initramfs-tools/conf.d", r"[\w.-]+"),
    ("/etc/network/interfaces.d", r"[\w.-]+"),
    ("/etc/udev/rules.d", r".+\.rules"),
    ("/etc/systemd/network", r".+\.(?:link|network|netdev)"),
    ("/etc/netplan", r".+\.yaml"),
    ("/etc/NetworkManager/system-connections", r".+"),
    ("/etc/sysconfig/network-scripts", r"ifcfg-.+"),
    ("/etc/sysconfig/network", r"ifcfg-.+"),
    (cloud_init.SETTINGS_FOLDER, r".+\.cfg"),
    *((folder, r".+\.conf") for folder in systemd_boot.ENTRY_FOLDERS),
    (first_boot.FOLDER, r".+"),
)
_MENU, _ENVIRONMENT = "grub.cfg", "grubenv"
_BESIDE_LOADERS = (_MENU, _ENVIRONMENT)
# Where distributions mount the EFI system partition, and its folder of loaders.
_ESP_FOLDERS = ("/boot/efi/EFI", "/efi/EFI", "/boot/EFI")
# Updates firmware and starts no system; RHEL 7 lays it down also where a BIOS boots (fwupdate-efi).
_NO_LOADER = "fwup"
# Tools that came from a vendor's archive and not from a package: their own uninstallers.
_UNINSTALLERS = ("/usr/bin/vmware-uninstall-tools.pl", "/usr/sbin/vbox-uninstall-guest-additions")


def inspect(
    tree: GuestTree,
    *,
    disks: Sequence[Disk],
    file_systems: Sequence[FileSystem],
    root: FileSystem,
    decompress: initramfs.Decompressor,
    run: rpm.Run,
    target_is_uefi: bool = False,
) -> GuestFacts:
    """Return all facts of the guest that is mounted at `tree`; `run` runs programs of it."""
    distribution = read_distribution(tree.read("/etc/os-release") or "")
    files = _read_files(tree)
    environments = _environments(tree, files)
    packages = _packages(tree, distribution, run)
    loaders = _efi_files(tree, ".efi")
    firmware = _firmware(loaders, packages, target_is_uefi=target_is_uefi)
    entries = systemd_boot.read_entries(distribution, files, loaders)
    kernels = tuple(
        inspect_kernel(tree, version, entries, decompress) for version in kernel_versions(tree)
    )
    return GuestFacts(
        disks=tuple(disks),
        file_systems=tuple(file_systems),
        root=root,
        distribution=distribution,
        firmware=firmware,
        kernels=kernels,
        default_kernel=default_kernel(files, environments, firmware, kernels, entries),
        packages=packages,
        files=files,
        tools_outside_packages=tuple(path for path in _UNINSTALLERS if tree.has(path)),
        loaders=loaders,
        loader_lists=_efi_files(tree, ".csv"),
        stray_backups=tuple(
            disk.name
            for disk in disks
            if disk.scheme == "gpt" and gpt.has_stray_backup(disk.device, disk.size)
        ),
        programs=extension_rules.find_programs(tree),
        images=image_sizes(tree),
        room=free_room(tree),
        environments=environments,
        target_is_uefi=target_is_uefi,
    )


def read_distribution(os_release: str) -> Distribution:
    """Return the distribution that an os-release file (os-release(5)) names."""
    lines = re.findall(r"^([A-Z_]+)=[\"']?(.*?)[\"']?\s*$", os_release, re.MULTILINE)
    found: Dict[str, str] = dict(lines)
    identity = found.get("ID", "")
    return Distribution(identity, found.get("VERSION_ID", ""), found.get("PRETTY_NAME", identity))


def _firmware(loaders: Sequence[str], packages: Container[str], *, target_is_uefi: bool) -> str:
    """Of two that are installed, GRUB for a BIOS (grub-pc) says who starts whom; unless no BIOS will."""
    is_uefi = loaders and (target_is_uefi or "grub-pc" not in packages)
    return "uefi" if is_uefi else "bios"


def _read_files(tree: GuestTree) -> Dict[str, str]:
    # First: a file of /boot may be a link to one of these (grubenv of RHEL 8), and counts once.
    paths = [f"{folder}/{name}" for folder in _vendor_folders(tree) for name in _BESIDE_LOADERS]
    paths += _FILES
    for folder, pattern in _FOLDERS:
        paths += [f"{folder}/{name}" for name in tree.names(folder) if re.fullmatch(pattern, name)]
    files: Dict[str, str] = {}
    seen = set()
    for path in paths:
        text = tree.read(path)
        place = tree.host_path(path) if text is not None else None
        if text is not None and not (place in seen and path.startswith("/boot/")):
            files[path] = text
            seen.add(place)
    return files


def _environments(tree: GuestTree, files: Mapping[str, str]) -> Dict[str, str]:
    """Return the path in `files` of the block beside each menu, by the menu's.

    The one in /boot/grub2 may be a link to that of the EFI system partition, by BIOS too (RHEL 8).
    """
    blocks = {tree.host_path(path): path for path in files if path.endswith(f"/{_ENVIRONMENT}")}
    found = {}
    for menu in (path for path in files if path.endswith(f"/{_MENU}")):
        beside = posixpath.join(posixpath.dirname(menu), _ENVIRONMENT)
        if tree.has(beside) and tree.host_path(beside) in blocks:
            found[menu] = blocks[tree.host_path(beside)]
    return found


def _efi_files(tree: GuestTree, suffix: str) -> Tuple[str, ...]:
    """Return the paths of loaders, or of lists of them, on the EFI system partition."""
    return tuple(
        f"{folder}/{name}"
        for folder in _vendor_folders(tree)
        for name in tree.names(folder)
        if name.lower().endswith(suffix) and not name.lower().startswith(_NO_LOADER)
    )


def _vendor_folders(tree: GuestTree) -> List[str]:
    """Return the folders of loaders on the EFI system partition."""
    folder = next((path for path in _ESP_FOLDERS if tree.names(path)), "")
    return [f"{folder}/{vendor}" for vendor in tree.names(folder)]


def _packages(tree: GuestTree, distribution: Distribution, run: rpm.Run) -> Dict[str, Package]:
    if family_of(distribution) is not RPM:
        return dpkg.read_status(tree.read(dpkg.STATUS_FILE) or "")
    rpm.forget_environment(tree)
    return rpm.read_packages(run)
