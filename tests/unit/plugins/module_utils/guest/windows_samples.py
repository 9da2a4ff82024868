# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows made for tests: hive files from nothing, drivers as virtio-win has them, a tree of files.

There is no Windows here. An empty hive is written byte by byte after the documented format (the base
block, one bin with a root key and a security descriptor), and libhivex fills it; the `.inf` files have
the shape of virtio-win's, the `.sys` and `.cat` files are a few bytes.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Mapping, Sequence

from ansible_collections.ferry.hvm.plugins.module_utils.guest import hives
from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import Disk, FileSystem
from ansible_collections.ferry.hvm.plugins.module_utils.guest.registry import (
    Value,
    number,
    text,
    texts,
)

# libhivex' module is Debian's alone; the tests' interpreter is Debian's own Python in an environment.
DEBIAN_MODULES = "/usr/lib/python3/dist-packages"
if DEBIAN_MODULES not in sys.path:
    sys.path.append(DEBIAN_MODULES)

CONTROL = "ControlSet001"
GUID = "{6C5F1B8E-0000-4444-8888-123456789ABC}"
TOOLS = "{A8D4F3E1-1111-4444-8888-123456789ABC}"
CLASS = "{4D36E972-E325-11CE-BFC1-08002BE10318}"
VOLUME = FileSystem("sda", 2, "/dev/mapper/ov-0p2", "ntfs", "4807FA7F2B1605CC")

Content = Mapping[str, Mapping[str, Value]]

_BIN = 0x1000
_NONE = 0xFFFFFFFF


def empty_hive() -> bytes:
    """Return the smallest hive that Windows' format allows: a root key without values."""
    root = _cell(
        struct.pack("<2sHQII", b"nk", 0x2C, 0, 0, _NONE)
        + struct.pack("<IIIIIIIIIIIII", 0, 0, _NONE, _NONE, 0, _NONE, 0x78, _NONE, 0, 0, 0, 0, 0)
        + struct.pack("<HH", 4, 0)
        + b"ROOT"
    )
    descriptor = struct.pack("<BBHIIII", 1, 0, 0x8000, 0, 0, 0, 0)
    security = _cell(struct.pack("<2sHIIII", b"sk", 0, 0x78, 0x78, 1, len(descriptor)) + descriptor)
    assert 0x20 + len(root) == 0x78
    free = _BIN - 0x78 - len(security)
    content = root + security + struct.pack("<i", free).ljust(free, b"\0")
    return _base_block() + struct.pack("<4sIIQQI", b"hbin", 0, _BIN, 0, 0, 0) + content


def _cell(body: bytes) -> bytes:
    size = (len(body) + 4 + 7) & ~7
    return struct.pack("<i", -size) + body.ljust(size - 4, b"\0")


def _base_block() -> bytes:
    """Return the base block: signature, counters, format 1.3, the root key's place, a checksum."""
    block = bytearray(_BIN)
    struct.pack_into("<4sIIQIIIIIII", block, 0, b"regf", 1, 1, 0, 1, 3, 0, 1, 0x20, _BIN, 1)
    checksum = 0
    for (each,) in struct.iter_unpack("<I", block[:508]):
        checksum ^= each
    struct.pack_into("<I", block, 508, checksum)
    return bytes(block)


def write_hive(path: Path, content: Content) -> None:
    """The file is a hive with these keys and values."""
    path.write_bytes(empty_hive())
    with hives.change_hive(str(path), path.name) as hive:
        for key, values in content.items():
            for name, value in values.items():
                hive.set(key, name, value)


def software(
    product: str = "Windows Server 2022 Standard",
    build: str = "20348",
    installation: str = "Server",
) -> dict[str, dict[str, Value]]:
    """Return what a SOFTWARE hive says of a release, and that VMware's tools are installed."""
    return {
        r"Microsoft\Windows NT\CurrentVersion": {
            "ProductName": text(product),
            "EditionID": text("ServerStandard"),
            "InstallationType": text(installation),
            "CurrentBuildNumber": text(build),
        },
        rf"Microsoft\Windows\CurrentVersion\Uninstall\{TOOLS}": {
            "DisplayName": text("VMware Tools")
        },
        r"Microsoft\Windows\CurrentVersion\Uninstall\Other": {"DisplayName": text("Another")},
    }


def system(*, database: bool = True) -> dict[str, dict[str, Value]]:
    """Return a SYSTEM hive of a VM on VMware with one static connection."""
    pci = rf"{CONTROL}\Enum\PCI\VEN_15AD&DEV_07C0&SUBSYS_07C015AD&REV_02\4&1"
    tcpip = rf"{CONTROL}\Services\Tcpip\Parameters\Interfaces\{GUID}"
    found = {
        "Select": {"Current": number(1), "Default": number(1)},
        rf"{CONTROL}\Control\Session Manager\Environment": {
            "PROCESSOR_ARCHITECTURE": text("AMD64")
        },
        rf"{CONTROL}\Control\Session Manager\Power": {"HiberbootEnabled": number(0)},
        pci: {
            "ClassGUID": text("{4d36e97b-e325-11ce-bfc1-08002be10318}"),
            "Service": text("pvscsi"),
        },
        rf"{CONTROL}\Services\pvscsi": {"Start": number(0), "ImagePath": text("pvscsi.sys")},
        rf"{CONTROL}\Services\VMTools": {"Start": number(2), "ImagePath": text("vmtoolsd.exe")},
        rf"{CONTROL}\Control\Network\{CLASS}\{GUID}\Connection": {"Name": text("Ethernet0")},
        tcpip: {
            "EnableDHCP": number(0),
            "IPAddress": texts(["192.0.2.10", "192.0.2.11"]),
            "SubnetMask": texts(["255.255.255.0", "255.255.255.0"]),
            "DefaultGateway": texts(["192.0.2.1"]),
            "NameServer": text("192.0.2.53,192.0.2.54"),
        },
    }
    if database:
        found["DriverDatabase"] = {"Version": number(1)}
    return found


def fill_windows(root: Path, system_hive: Content, software_hive: Content) -> None:
    """The folder holds what Ferry looks at in a Windows, with its names in mixed case."""
    config = root / "Windows" / "System32" / "config"
    config.mkdir(parents=True)
    (root / "Windows" / "System32" / "drivers").mkdir()
    (root / "Windows" / "System32" / "DriverStore" / "FileRepository").mkdir(parents=True)
    write_hive(config / "SYSTEM", system_hive)
    write_hive(config / "SOFTWARE", software_hive)


def disk(path: Path) -> Disk:
    """Return a disk of the guest that is this file."""
    return Disk("sda", str(path), path.stat().st_size, "dos")


_INF = """\
; {name}
[Version]
Signature="$Windows NT$"
Class=SCSIAdapter
ClassGUID={guid}
Provider=%VENDOR%
DriverVer=07/29/2024,100.95.104.26200 ; stamped
CatalogFile={name}.cat

[Manufacturer]
%VENDOR% = Models,NTamd64

[Models.NTamd64]
%Desc% = {install}, PCI\\VEN_1AF4&DEV_{old}&SUBSYS_{sub}1AF4&REV_00, PCI\\VEN_1AF4&DEV_{old}
%Desc% = {install}, PCI\\VEN_1AF4&DEV_{new}&SUBSYS_11001AF4&REV_01, PCI\\VEN_1AF4&DEV_{new}

[{install}.Services]
AddService = {service}, 0x00000002 , Service_Inst, Log_Inst

[Service_Inst]
ServiceType    = 1
StartType      = %BOOT%
LoadOrderGroup = SCSI miniport
AddReg         = Parameters_AddReg

[Parameters_AddReg]
HKR, "Parameters\\PnpInterface", "5", %REG_DWORD%, 0x00000001
HKR, "Parameters", "BusType", %REG_DWORD%, 0x0000000A
HKR,Parameters,DisableMSI,,"0"

[Strings]
VENDOR = "Red Hat, Inc."
Desc = "VirtIO; a controller"
BOOT = 0
REG_DWORD = 0x00010001
"""

# Name -> legacy and modern number of the device, its subsystem, its service, its folder on the ISO.
_DEVICES = {
    "viostor": ("1001", "1042", "0002", "viostor", "viostor"),
    "vioscsi": ("1004", "1048", "0008", "vioscsi", "vioscsi"),
    "netkvm": ("1000", "1041", "0001", "netkvm", "NetKVM"),
    "balloon": ("1002", "1045", "0005", "BALLOON", "Balloon"),
    "vioser": ("1003", "1043", "0003", "VirtioSerial", "vioserial"),
}


def driver_inf(name: str) -> str:
    """Return an .inf with the shape of virtio-win's."""
    old, new, sub, service, _folder = _DEVICES[name]
    guid = "{4D36E97B-E325-11CE-BFC1-08002BE10318}"
    values = {"old": old, "new": new, "sub": sub, "service": service}
    return _INF.format(name=name, guid=guid, install="scsi_inst", **values)


def fill_virtio_win(
    root: Path,
    releases: Sequence[str] = ("2k12R2", "2k22"),
    *,
    layout: str = "{folder}/{release}/amd64",
    left_out: Sequence[str] = (),
) -> None:
    """The folder holds drivers as virtio-win has them, each file with other bytes, and the agent."""
    for release in releases:
        for name, values in _DEVICES.items():
            if name in left_out:
                continue
            folder = root / layout.format(folder=values[-1], release=release)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.inf").write_bytes(driver_inf(name).encode("utf-16"))
            for ending in ("sys", "cat", "pdb"):
                (folder / f"{name}.{ending}").write_text(f"{name} {release} {ending}")
    agent = root / "guest-agent"
    agent.mkdir(parents=True, exist_ok=True)
    (agent / "qemu-ga-x86_64.msi").write_text("agent")
