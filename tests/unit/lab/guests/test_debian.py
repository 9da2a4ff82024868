# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only Debian's own archives make a server, whatever else the host's apt knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.guests.debian import ROOTFS, debian_sources

APT_GET = """\
#!/bin/sh
# An apt-get that knows these archives, and honours the filter by origin as the real one does.
case "$*" in *'Origin: Debian'*) cat "{archives}" ;; *) echo "deb http://a.invalid/ other main" ;; esac
"""


@pytest.fixture(name="archives")
def _archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    archives = tmp_path / "archives"
    program = tmp_path / "bin" / "apt-get"
    program.parent.mkdir()
    program.write_text(APT_GET.format(archives=archives))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return archives


def test_release_updates_and_security_are_used(archives: Path) -> None:
    lines = (
        "deb http://mirror.invalid/debian/ bookworm main\n"
        "deb http://mirror.invalid/debian/ bookworm-updates main\n"
        "deb http://mirror.invalid/debian-security/ bookworm-security main\n"
    )
    archives.write_text(lines)
    assert debian_sources() == lines


def test_archives_of_another_release_are_left_out(archives: Path) -> None:
    bookworm = "deb http://mirror.invalid/debian/ bookworm main\n"
    archives.write_text(bookworm + "deb http://mirror.invalid/debian/ trixie main\n")
    assert debian_sources() == bookworm


def test_another_release_comes_from_the_same_archive_without_its_updates(archives: Path) -> None:
    archives.write_text(
        "deb http://bookworm.invalid/debian/ bookworm main\n"
        "deb http://bookworm.invalid/debian-security/ bookworm-security main\n"
    )
    assert debian_sources("trixie") == "deb http://bookworm.invalid/debian/ trixie main\n"


def test_a_host_without_lists_is_told_what_to_do(archives: Path) -> None:
    archives.write_text("")
    with pytest.raises(LabError, match=r"bookworm.*apt-get update"):
        debian_sources()


def test_no_virtio_driver_is_asked_for_in_the_initramfs() -> None:
    modules = (ROOTFS / "etc/initramfs-tools/modules").read_text().splitlines()
    assert [line for line in modules if not line.startswith("#")] == ["sd_mod", "vmw_pvscsi"]
    assert "MODULES=list" in (ROOTFS / "etc/initramfs-tools/conf.d/vmware-only").read_text()


def test_file_systems_and_kernel_are_named_by_device() -> None:
    lines = (ROOTFS / "etc/fstab").read_text().splitlines()
    mounts = [line.split()[:3] for line in lines if not line.startswith("#")]
    assert mounts == [["/dev/sda1", "/", "ext4"], ["/dev/sdb1", "/srv/data", "xfs"]]
    assert "GRUB_DISABLE_LINUX_UUID=true" in (ROOTFS / "etc/default/grub").read_text()
