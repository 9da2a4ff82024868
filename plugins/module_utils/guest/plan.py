# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The plan: from facts and options to the list of changes. Pure: no file, no program, no clock.

Each rule looks at the facts and yields changes, notes and findings. A finding is a reason why the
guest cannot be made right; all are gathered before any change is made. A guest that is right already
yields no change at all, so a second preparation does nothing.
"""

from __future__ import annotations

from typing import List, Sequence

from . import (
    boot_rules,
    cloud_init,
    device_rules,
    efi_rules,
    extension_rules,
    first_boot,
    initramfs_rules,
    lvm_rules,
    menu_rules,
    network_rules,
    package_rules,
    room_rules,
    selinux,
    support,
    systemd_boot_rules,
)
from .changes import Plan
from .extensions import Extension
from .facts import GuestFacts
from .rules import Finding, Note, Options, Result, plan_of

RULES = (
    support.check,
    extension_rules.usable,
    device_rules.fstab,
    device_rules.crypttab,
    device_rules.absent,
    device_rules.resume,
    lvm_rules.devices,
    lvm_rules.filters,
    network_rules.interface_names,
    network_rules.bindings,
    cloud_init.network_stays,
    package_rules.tools,
    package_rules.guest_agent,
    boot_rules.grub_sources,
    boot_rules.grub_menu,
    boot_rules.without_initramfs,
    menu_rules.command_lines,
    menu_rules.default_entry,
    systemd_boot_rules.command_lines,
    systemd_boot_rules.default,
    initramfs_rules.dracut_settings,
    initramfs_rules.initramfs,
    efi_rules.fallback_loader,
    efi_rules.fallback_list,
    efi_rules.backup_tables,
    first_boot.scripts,
)


def make_plan(facts: GuestFacts, options: Options) -> Plan:
    """Return what makes the guest right for the target platform.

    Raises PlanError with every reason if it cannot be made right.
    """
    return plan_of(_results(facts, options))


def make_trial_plan(facts: GuestFacts, options: Options, waiting: Sequence[Extension]) -> Plan:
    """Return what `make_plan` does, its reasons against as notes: what waits may clear them away."""
    names = " and ".join(each.name for each in waiting)
    without = f"Without the extension{'s' * (len(waiting) > 1)} {names}, not run in a dry run: "
    return plan_of(
        Note(without + each.text) if isinstance(each, Finding) else each
        for each in _results(facts, options)
    )


def _results(facts: GuestFacts, options: Options) -> List[Result]:
    results = [result for rule in RULES for result in rule(facts, options)]
    return [*results, *room_rules.check(facts, results), *selinux.relabel(facts, results)]
