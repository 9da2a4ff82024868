# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The plan for a Windows guest: what it shall have, and what of it is not there yet. Pure.

A guest that has all of it already yields no change, so a second preparation does nothing. Findings
are gathered before any change is made, as in `plan.py`.
"""

from __future__ import annotations

from typing import Iterator, Optional, Tuple

from . import windows_extensions, windows_network
from .changes import Change, EditFile, PlaceFile, Plan, SetValue
from .registry import EXPAND_SZ, Value, ValueName, number, text
from .rules import Finding, Note, Options, Result, plan_of
from .windows_drivers import DriverPackage, VirtioWin, is_boot_driver
from .windows_facts import DRIVERS, FOLDER, STORE, WindowsFacts
from .windows_firstboot import RUNNER, Script, command_line, runner, scripts_for
from .windows_names import BOOT_DRIVERS, FIRST_BOOT
from .windows_registration import boot_values, package_label
from .windows_support import check

_NO_DRIVE = "Windows finds its boot disk on virtio by this driver"
# What runs for the old platform only. Disabled, because their uninstaller may refuse on another one.
_OLD_SERVICES = (
    "vmtools",
    "vgauthservice",
    "vm3dservice",
    "vmwarecaf",
    "vmwarecafcommamqplistener",
)
_DISABLED = 4
# SanPolicy 1 is OnlineAll: by default a server leaves disks on a new controller offline.
_ONLINE_ALL = 1


def make_windows_plan(facts: WindowsFacts, options: Options, virtio: Optional[VirtioWin]) -> Plan:
    """Return what makes the guest right for the target platform.

    `virtio` is what virtio-win has for this guest, None if the operator gave none. Raises PlanError
    with every reason if the guest cannot be made right.
    """
    return plan_of(_results(facts, options, virtio))


def _results(
    facts: WindowsFacts, options: Options, virtio: Optional[VirtioWin]
) -> Iterator[Result]:
    yield from check(facts)
    yield from windows_extensions.usable(options)
    if virtio is None:
        yield Finding(
            "It has no drivers for virtio that Ferry knows of: give the drivers of virtio-win, as a"
            " folder or ISO (ferry_virtio_win)."
        )
        return
    yield from _missing_drivers(facts, virtio)
    for package in virtio.drivers:
        yield from _place_driver(facts, package)
        if is_boot_driver(package):
            for name, value in boot_values(facts, package):
                yield from _set(facts, name, value, _NO_DRIVE)
    yield from _disks_come_online(facts)
    yield from _old_services(facts)
    yield from windows_network.notes(facts, options)
    yield from _first_boot(facts, options, virtio)
    yield from windows_extensions.first_boot(facts, options)


def _missing_drivers(facts: WindowsFacts, virtio: VirtioWin) -> Iterator[Result]:
    there = {package.name for package in virtio.drivers}
    for name in (*BOOT_DRIVERS, "netkvm"):
        if name not in there:
            yield Finding(
                f"The given virtio-win has no {name} for {facts.release.product}"
                f" ({facts.architecture}): give a release of virtio-win that still has it."
            )
    if virtio.agent is None:
        yield Note(
            "The given virtio-win has no guest agent (guest-agent/qemu-ga-x86_64.msi): install it after"
            " the migration, so that the platform knows the guest's addresses."
        )


def _place_driver(facts: WindowsFacts, package: DriverPackage) -> Iterator[Change]:
    folders = [rf"{FOLDER}\drivers\{package.name}"]
    if is_boot_driver(package):
        folders.append(rf"{STORE}\{package_label(facts, package)}")
        system_file = f"{package.name}.sys"
        yield from _place(facts, package, system_file, rf"{DRIVERS}\{system_file}")
    for folder in folders:
        for name in package.files:
            yield from _place(facts, package, name, rf"{folder}\{name}")


def _place(facts: WindowsFacts, package: DriverPackage, name: str, path: str) -> Iterator[Change]:
    file = package.files[name]
    if facts.digests.get(path.lower()) != file.digest:
        yield PlaceFile(path, file.path, file.digest, f"it is part of the driver {package.name}")


def _set(facts: WindowsFacts, name: ValueName, value: Value, why: str) -> Iterator[Change]:
    before = facts.value(name)
    if before != value:
        yield SetValue(name, before, value, why)


def _disks_come_online(facts: WindowsFacts) -> Iterator[Change]:
    key = rf"{facts.control_set}\Services\partmgr\Parameters"
    why = "disks behind a new controller come online by themselves"
    yield from _set(facts, ValueName("SYSTEM", key, "SanPolicy"), number(_ONLINE_ALL), why)


def _old_services(facts: WindowsFacts) -> Iterator[Change]:
    for name in _OLD_SERVICES:
        service = facts.services.get(name)
        if service is not None and service.start != _DISABLED:
            key = rf"{facts.control_set}\Services\{service.name}"
            yield SetValue(
                ValueName("SYSTEM", key, "Start"),
                number(service.start),
                number(_DISABLED),
                "this service serves the old platform only",
            )


def _first_boot(facts: WindowsFacts, options: Options, virtio: VirtioWin) -> Iterator[Change]:
    why = "it runs once, when the guest first starts on the target"
    scripts: Tuple[Script, ...] = scripts_for(facts, options, virtio)
    for path, content in ((RUNNER, runner()), *scripts):
        before = facts.files.get(path.lower())
        if before != content:
            yield EditFile(path, before, content, why)
    if virtio.agent is not None:
        path = rf"{FOLDER}\guest-agent.msi"
        if facts.digests.get(path.lower()) != virtio.agent.digest:
            yield PlaceFile(
                path, virtio.agent.path, virtio.agent.digest, "the platform's guest agent"
            )
    key = rf"{facts.control_set}\Services\{FIRST_BOOT}"
    for name, value in (
        ("Type", number(0x10)),  # SERVICE_WIN32_OWN_PROCESS
        ("Start", number(2)),
        ("ErrorControl", number(0)),
        ("ImagePath", text(command_line(), EXPAND_SZ)),
        ("ObjectName", text("LocalSystem")),
        ("DisplayName", text("Ferry: first boot on the target platform")),
    ):
        yield from _set(facts, ValueName("SYSTEM", key, name), value, why)
