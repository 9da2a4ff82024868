# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which guests can be prepared: each finding here says what is not yet handled, and the way out."""

from __future__ import annotations

from .facts import GuestFacts
from .inspection import GRUB_MENU
from .rules import Finding, Note, Options, Results

# Debian releases whose tools were tried or are the same in what is used of them.
_VERSIONS = ("11", "12", "13")
_ROOT_KINDS = ("ext2", "ext3", "ext4", "xfs")


def check(facts: GuestFacts, _options: Options) -> Results:
    """Yield a finding for each trait of the guest that no rule can make right."""
    yield from _distribution(facts)
    yield from _boot_loader(facts)
    if facts.root.kind not in _ROOT_KINDS:
        yield Finding(
            f"Its root is {facts.root.kind}; prepared are guests on {', '.join(_ROOT_KINDS)}."
        )
    if "initramfs-tools" not in facts.packages:
        yield Finding(
            "The package initramfs-tools is not installed, and no other maker of an initramfs is"
            " handled yet: install it on the source and sync again."
        )
    if not facts.kernels:
        yield Finding("No kernel with its modules was found in /boot and /lib/modules.")
    if any(disk.scheme == "gpt" for disk in facts.disks):
        yield Note("A GPT's backup header is not at the end of a larger volume; Linux only warns.")


def _distribution(facts: GuestFacts) -> Results:
    found = facts.distribution
    if found.identity != "debian" or found.version not in _VERSIONS:
        yield Finding(
            f"It runs {found.title or 'an unknown system'}; handled are Debian {', '.join(_VERSIONS)}."
            " Upgrade the source, or add virtio drivers and stable device names on it by hand"
            " and leave out the preparation."
        )


def _boot_loader(facts: GuestFacts) -> Results:
    if facts.firmware == "uefi":
        yield Finding(
            "It boots with UEFI, which is not handled yet; BIOS with GRUB 2 (grub-pc) is."
        )
    elif GRUB_MENU not in facts.files:
        legacy = " It has GRUB's first version." if "/boot/grub/menu.lst" in facts.files else ""
        yield Finding(
            f"There is no {GRUB_MENU}.{legacy} Install GRUB 2 on the source and sync again."
        )
