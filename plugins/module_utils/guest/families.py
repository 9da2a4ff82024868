# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Families of distributions: which tools a guest has for its packages, its initramfs and its menu."""

from __future__ import annotations

from typing import NamedTuple, Tuple

from .facts import Distribution


class Family(NamedTuple):
    """What guests of a family have in common.

    `remove` and `install` are the beginnings of commands that packages, or their files, follow; `suffix`
    is that of such a file. `initramfs_maker` is the package that makes an initramfs. `menu` is
    GRUB's, if it is not on the EFI system partition.
    """

    remove: Tuple[str, ...]
    install: Tuple[str, ...]
    suffix: str
    initramfs_maker: str
    menu: str


DEBIAN = Family(
    remove=("dpkg", "--purge"),
    install=("dpkg", "--install"),
    suffix=".deb",
    initramfs_maker="initramfs-tools",
    menu="/boot/grub/grub.cfg",
)
# Red Hat's and SUSE's: alike in all that is used of them here.
RPM = Family(
    remove=("rpm", "--erase"),
    install=("rpm", "--install"),
    suffix=".rpm",
    initramfs_maker="dracut",
    menu="/boot/grub2/grub.cfg",
)
_BY_RPM = frozenset(
    ["rhel", "centos", "rocky", "almalinux", "ol", "fedora", "sles", "sles_sap", "opensuse-leap"]
)


def family_of(distribution: Distribution) -> Family:
    """Return the family of a distribution; one that is not known counts as Debian's."""
    return RPM if distribution.identity in _BY_RPM else DEBIAN
