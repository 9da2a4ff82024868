# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source server, or its clone, says on its serial console once it is up.

The lines come from `rootfs/usr/local/sbin/ferry-marker`, which shows one of each kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LAST_LINE = "FERRY-DONE"

_BOOT = re.compile(r"FERRY-BOOT host=(\S+) root=(\S+) driver=(\S+) failed=(\d+)")
_FAILED = re.compile(r"FERRY-FAILED (\S+)")
_NET = re.compile(r"FERRY-NET (\S+) (\S+) (\S+)")
_NAMES = re.compile(r"FERRY-NAMES kernel=(\S+) fstab=(\S+)")
_TOOLS = re.compile(r"FERRY-TOOLS open-vm-tools=(installed|absent)")
_AGENT = re.compile(r"FERRY-AGENT qemu-guest-agent=(\S+)")
_DATA = re.compile(r"FERRY-DATA sums=(ok|bad) files=(\d+)")


@dataclass(frozen=True)
class Interface:
    """One network interface but `lo`; addresses are global ones with their prefix length."""

    name: str
    mac: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class BootReport:
    """How a server came up. `driver` is the one that moves its root disk's blocks.

    `root_names` are what the kernel was told its root is, and what fstab calls it.
    """

    host: str
    root: str
    driver: str
    failed_units: tuple[str, ...]
    interfaces: tuple[Interface, ...]
    has_vmware_tools: bool
    data_is_intact: bool
    # Files named in the lists of checksums, whether they match or not.
    file_count: int
    root_names: tuple[str, str]
    # QEMU's guest agent.
    agent_runs: bool


def read_reports(console: str) -> list[BootReport]:
    """Return one report for each complete boot that the console's text tells of, oldest first."""
    # What follows the last end mark is a boot that is not complete.
    return [_read_report(part) for part in console.split(LAST_LINE)[:-1]]


def _read_report(part: str) -> BootReport:
    # A machine that was stopped in its report began another one: the last one counts.
    text = part[max(part.rfind("FERRY-BOOT"), 0) :]
    host, root, driver, failed_count = _only(_BOOT, text)
    failed_units = tuple(_FAILED.findall(text))
    if len(failed_units) != int(failed_count):
        raise ValueError(f"{failed_count} failed units are counted, but named: {failed_units}")
    (tools,) = _only(_TOOLS, text)
    sums, files = _only(_DATA, text)
    kernel_name, fstab_name = _only(_NAMES, text)
    (agent,) = _only(_AGENT, text)
    return BootReport(
        host,
        root,
        driver,
        failed_units,
        tuple(_interface(*found) for found in _NET.findall(text)),
        tools == "installed",
        sums == "ok",
        int(files),
        (kernel_name, fstab_name),
        agent == "active",
    )


def _only(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    found = pattern.search(text)
    if found is None:
        raise ValueError(f"no line like {pattern.pattern!r} in the report {text!r}")
    return found.groups()


def _interface(name: str, mac: str, addresses: str) -> Interface:
    return Interface(name, mac, () if addresses == "-" else tuple(addresses.split(",")))
