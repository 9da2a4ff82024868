# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Phony trees of families that cannot be had here: what is found in them, and which is refused."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path
from typing import IO, NamedTuple

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import PlanError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import GuestFacts
from ansible_collections.ferry.hvm.plugins.module_utils.guest.first_boot import LINK, UNIT_FILE
from ansible_collections.ferry.hvm.plugins.module_utils.guest.inspection import inspect
from ansible_collections.ferry.hvm.plugins.module_utils.guest.plan import make_plan
from ansible_collections.ferry.hvm.plugins.module_utils.guest.rules import Options
from ansible_collections.ferry.hvm.plugins.module_utils.guest.tree import GuestTree

from tests.unit.plugins.module_utils.guest.guest_samples import ALL, SDA1, build_archive, guest
from tests.unit.plugins.module_utils.guest.rpm_guests import answer

# What dracut puts before the image proper: an archive of its own, plain.
EARLY = build_archive(["early_cpio", "kernel/x86/microcode/GenuineIntel.bin"])
DRIVERS = build_archive([f"usr/lib/modules/x/kernel/drivers/{name}.ko.xz" for name in sorted(ALL)])


class Family(NamedTuple):
    """A release: its kernel, the initramfs as its tool names and packs it, and its network's file."""

    os_release: str
    kernel: str
    image: str
    packed: bytes
    network: str


FAMILIES = {
    "RHEL 7": Family(
        'ID="rhel"\nVERSION_ID="7.9"\nPRETTY_NAME="RHEL 7.9"\n',
        "3.10.0-1160.el7.x86_64",
        "/boot/initramfs-3.10.0-1160.el7.x86_64.img",
        EARLY + gzip.compress(DRIVERS),
        "/etc/sysconfig/network-scripts/ifcfg-ens192",
    ),
    "RHEL 9": Family(
        'ID="rhel"\nVERSION_ID="9.4"\nPRETTY_NAME="RHEL 9.4"\n',
        "5.14.0-427.el9.x86_64",
        "/boot/initramfs-5.14.0-427.el9.x86_64.img",
        EARLY + b"\x28\xb5\x2f\xfd" + DRIVERS,
        "/etc/NetworkManager/system-connections/ens192.nmconnection",
    ),
    "SLES 15": Family(
        'ID="sles"\nVERSION_ID="15.5"\nPRETTY_NAME="SLES 15 SP5"\n',
        "5.14.21-150500.53-default",
        "/boot/initrd-5.14.21-150500.53-default",
        EARLY + lzma.compress(DRIVERS),
        "/etc/sysconfig/network/ifcfg-eth0",
    ),
    "Ubuntu 22.04": Family(
        'ID=ubuntu\nVERSION_ID="22.04"\nPRETTY_NAME="Ubuntu 22.04"\n',
        "5.15.0-100-generic",
        "/boot/initrd.img-5.15.0-100-generic",
        EARLY + b"\x02\x21\x4c\x18" + DRIVERS,
        "/etc/netplan/50-cloud-init.yaml",
    ),
}


def unpack(_program: str, packed: IO[bytes]) -> IO[bytes]:
    """Stand for zstd and lz4 of the guest: what follows the magic is plain here."""
    packed.seek(4, 1)
    return packed


def build_tree(root: Path, family: Family) -> None:
    """The family's files lie below `root`."""
    for path, content in {
        "/etc/os-release": family.os_release.encode(),
        f"/boot/vmlinuz-{family.kernel}": b"",
        f"/lib/modules/{family.kernel}/modules.dep": b"",
        family.image: family.packed,
        family.network: b"x",
        "/boot/loader/entries/one.conf": b"options root=/dev/sda1\n",
    }.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def look_into(root: Path) -> GuestFacts:
    return inspect(
        GuestTree(str(root)),
        disks=guest().disks,
        file_systems=guest().file_systems,
        root=SDA1,
        decompress=unpack,
        run=answer({}),
    )


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_drivers_in_the_familys_own_initramfs_are_seen(tmp_path: Path, family: Family) -> None:
    build_tree(tmp_path, family)
    facts = look_into(tmp_path)
    assert [(k.version, k.initramfs, k.ready) for k in facts.kernels] == [
        (family.kernel, family.image, ALL)
    ]
    assert {family.network, "/boot/loader/entries/one.conf"} <= set(facts.files)


def test_a_unit_is_seen_beside_the_link_that_enables_it(tmp_path: Path) -> None:
    build_tree(tmp_path, FAMILIES["Ubuntu 22.04"])
    unit, link = (tmp_path / path.lstrip("/") for path in (UNIT_FILE, LINK))
    link.parent.mkdir(parents=True)
    unit.write_text("[Unit]\n")
    assert LINK not in look_into(tmp_path).files
    link.symlink_to(UNIT_FILE)
    assert look_into(tmp_path).files[LINK] == "[Unit]\n"


def test_a_family_that_is_not_handled_is_refused_by_name(tmp_path: Path) -> None:
    mint = (
        'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="21.3"\nPRETTY_NAME="Linux Mint 21.3"\n'
    )
    build_tree(tmp_path, FAMILIES["Ubuntu 22.04"]._replace(os_release=mint))
    facts = look_into(tmp_path)
    with pytest.raises(PlanError, match=facts.distribution.title):
        make_plan(facts, Options())
