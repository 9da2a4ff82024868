# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""How a boot driver is registered without Windows: the values that the boot's plug and play reads.

Windows looks for the driver of its boot disk in the SYSTEM hive alone. Since Windows 8 that is in
DriverDatabase; before it was CriticalDeviceDatabase. The shape is that of an export of a guest into
which Windows itself installed viostor (lxc/distrobuilder, windows/driver_viostor.go); what is left
out there (Strings, dates of import) virt-v2v leaves out as well, and its guests boot.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Iterator, Tuple

from .registry import BINARY, EXPAND_SZ, Value, ValueName, number, text, texts
from .windows_drivers import DriverPackage
from .windows_facts import WindowsFacts
from .windows_inf import class_bytes
from .windows_names import DATABASE, OUR_PREFIX

Entry = Tuple[ValueName, Value]

# An identifier's place on its line of the .inf, and a score that all signed drivers have.
_RANKS = (b"\x01\xff\0\0", b"\x02\xff\0\0")
_PACKAGE_HEAD = bytes.fromhex("00ff090000000000")


def package_label(facts: WindowsFacts, package: DriverPackage) -> str:
    """Return the name of the package's folder in the driver store, `<inf>_<architecture>_<digest>`."""
    digest = hashlib.sha256()
    for name in sorted(package.files):
        digest.update(f"{name} {package.files[name].digest}\n".encode())
    return f"{_inf(package)}_{facts.architecture}_{digest.hexdigest()[:16]}"


def boot_values(facts: WindowsFacts, package: DriverPackage) -> Iterator[Entry]:
    """Yield every value that lets Windows boot by this driver."""
    yield from _service(facts, package)
    if facts.has_driver_database:
        yield from _driver_database(facts, package)
    else:
        yield from _critical_devices(facts, package)


def _inf(package: DriverPackage) -> str:
    return f"{OUR_PREFIX}{package.name}.inf"


def _at(key: str, name: str, value: Value) -> Entry:
    return ValueName("SYSTEM", key, name), value


def _service(facts: WindowsFacts, package: DriverPackage) -> Iterator[Entry]:
    key = rf"{facts.control_set}\Services\{package.inf.service}"
    yield _at(key, "Type", number(1))
    yield _at(key, "Start", number(0))
    yield _at(key, "ErrorControl", number(1))
    yield _at(key, "Group", text(package.inf.group))
    yield _at(key, "ImagePath", text(rf"System32\drivers\{package.name}.sys", EXPAND_SZ))
    for below, name, value in package.inf.parameters:
        yield _at(rf"{key}\{below}", name, number(value))
    # Windows puts off a boot driver that it has once found without a device; then it is no longer
    # there when the device comes. The key is only mended, never made.
    override = ValueName("SYSTEM", rf"{key}\StartOverride", "0")
    if facts.value(override) is not None:
        yield override, number(0)


def _critical_devices(facts: WindowsFacts, package: DriverPackage) -> Iterator[Entry]:
    for device, _rank in package.inf.devices:
        key = rf"{facts.control_set}\Control\CriticalDeviceDatabase\PCI#{device}"
        yield _at(key, "ClassGUID", text(package.inf.class_guid))
        yield _at(key, "Service", text(package.inf.service))


def _driver_database(facts: WindowsFacts, package: DriverPackage) -> Iterator[Entry]:
    inf, label = _inf(package), package_label(facts, package)
    configuration = package.inf.configuration
    files = rf"{DATABASE}\DriverInfFiles\{inf}"
    yield _at(files, "", texts([label]))
    yield _at(files, "Active", text(label))
    yield _at(files, "Configurations", texts([configuration]))
    yield from _package(rf"{DATABASE}\DriverPackages\{label}", inf, package)
    for device, rank in package.inf.devices:
        found_by = Value(BINARY, _RANKS[min(rank, 1)])
        descriptor = rf"{DATABASE}\DriverPackages\{label}\Descriptors\PCI\{device}"
        yield _at(rf"{DATABASE}\DeviceIds\PCI\{device}", inf, found_by)
        yield _at(descriptor, "Configuration", text(configuration))


def _package(key: str, inf: str, package: DriverPackage) -> Iterator[Entry]:
    yield _at(key, "", text(inf))
    yield _at(key, "InfName", text(f"{package.name}.inf"))
    yield _at(key, "Catalog", text(f"{package.name}.cat"))
    yield _at(key, "Provider", text(package.inf.provider))
    yield _at(key, "Version", Value(BINARY, _version(package)))
    configuration = rf"{key}\Configurations\{package.inf.configuration}"
    yield _at(configuration, "ConfigFlags", number(0))
    yield _at(configuration, "Service", text(package.inf.service))


def _version(package: DriverPackage) -> bytes:
    """Return class, date and version of the driver, as the export has them in `Version`."""
    first, second, third, fourth = package.inf.version
    numbers = struct.pack("<4H", fourth, third, second, first)
    date = struct.pack("<Q", package.inf.date)
    return _PACKAGE_HEAD + class_bytes(package.inf.class_guid) + date + numbers + bytes(8)
