# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Names that several files about Windows share: drivers, releases, and what is ours in a guest."""

from __future__ import annotations

from typing import Mapping

# Folder of virtio-win (its .inf is named alike) -> the service that the driver runs as. The first two
# carry the boot disk.
VIRTIO_DRIVERS: Mapping[str, str] = {
    "viostor": "viostor",
    "vioscsi": "vioscsi",
    "netkvm": "netkvm",
    "balloon": "BALLOON",
    "vioser": "VirtioSerial",
}
BOOT_DRIVERS = ("viostor", "vioscsi")
# Each has its folder on virtio-win's ISO, mostly named as its .inf.
INF_FOLDERS: Mapping[str, str] = {"vioser": "vioserial"}
# PCI's vendor number of virtio, as identifiers of devices begin with it.
VIRTIO_VENDOR = "VEN_1AF4"
# What virtio-win calls a server release, by the build of that release.
SERVER_RELEASES: Mapping[int, str] = {
    9600: "2k12R2",
    14393: "2k16",
    17763: "2k19",
    20348: "2k22",
    26100: "2k25",
}
RELEASES_IN_WORDS = "Windows Server 2012 R2, 2016, 2019, 2022, 2025"
# Key below the root of the SYSTEM hive, since Windows 8.
DATABASE = "DriverDatabase"
# What we register by hand has this before its name, so it is never taken for Windows' own oem0.inf.
OUR_PREFIX = "ferry_"
FIRST_BOOT = "FerryFirstBoot"
