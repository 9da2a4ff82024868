# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which guests can be prepared: each finding here says what is not yet handled, and the way out."""

from __future__ import annotations

from ..model import PREPARED_ROOTS, describe_prepared_releases, is_prepared_release
from .boot_entries import main_menu
from .facts import GuestFacts
from .families import DEBIAN, RPM, family_of
from .inspection import GRUB_MENU
from .rules import Finding, Options, Results
from .systemd_boot_rules import entries_of

_LEGACY = frozenset(("/boot/grub/menu.lst", "/boot/grub/grub.conf"))


def check(facts: GuestFacts, _options: Options) -> Results:
    """Yield a finding for each trait of the guest that no rule can make right."""
    yield from _distribution(facts)
    yield from _boot_loader(facts)
    if facts.root.kind not in PREPARED_ROOTS:
        yield Finding(
            f"Its root is {facts.root.kind}; prepared are guests on {', '.join(PREPARED_ROOTS)}."
        )
    maker = family_of(facts.distribution).initramfs_maker
    if maker not in facts.packages:
        yield Finding(
            f"The package {maker} is not installed, and no other maker of an initramfs is handled for"
            " this distribution: install it on the source and sync again."
        )
    if not facts.kernels:
        yield Finding("No kernel with its modules was found in /boot and /lib/modules.")


def _distribution(facts: GuestFacts) -> Results:
    found = facts.distribution
    if not is_prepared_release(found.identity, found.version):
        yield Finding(
            f"It runs {found.title or 'an unknown system'}; handled are {describe_prepared_releases()}."
            " Upgrade the source, or add virtio drivers and stable device names on it by hand"
            " and leave out the preparation."
        )


def _boot_loader(facts: GuestFacts) -> Results:
    family = family_of(facts.distribution)
    menu = main_menu(facts.files, facts.firmware) if family is RPM else None
    has_menu = GRUB_MENU in facts.files or entries_of(facts)
    if menu is None and not (family is DEBIAN and has_menu):
        legacy = " It has GRUB's first version." if _LEGACY.intersection(facts.files) else ""
        yield Finding(
            f"There is no {family.menu} that starts a kernel.{legacy} Install GRUB 2 on the source and"
            " sync again."
        )
