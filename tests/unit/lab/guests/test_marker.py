# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot reports are read from consoles that kernel, boot loader and login prompts write to as well."""

from __future__ import annotations

import os

import pytest

from lab.guests.debian import ROOTFS
from lab.guests.marker import BootReport, Interface, read_reports

BOOT = """
FERRY-BOOT host=web01 root=/dev/sda1 driver=vmw_pvscsi failed=0
FERRY-NET ens192 00:50:56:00:00:0b 198.18.1.11/24
FERRY-NAMES kernel=UUID=11111111-2222-3333-4444-555555555555 fstab=/dev/sda1
FERRY-TOOLS open-vm-tools=installed
FERRY-AGENT qemu-guest-agent=active
FERRY-DATA sums=ok files=56
FERRY-DONE
"""


def test_report_of_a_healthy_boot() -> None:
    assert read_reports(BOOT) == [
        BootReport(
            host="web01",
            root="/dev/sda1",
            driver="vmw_pvscsi",
            failed_units=(),
            interfaces=(Interface("ens192", "00:50:56:00:00:0b", ("198.18.1.11/24",)),),
            has_vmware_tools=True,
            data_is_intact=True,
            file_count=56,
            root_names=("UUID=11111111-2222-3333-4444-555555555555", "/dev/sda1"),
            agent_runs=True,
        )
    ]


def test_report_of_a_boot_where_everything_is_wrong() -> None:
    console = BOOT.replace("failed=0", "failed=2\nFERRY-FAILED a.service\nFERRY-FAILED b.mount")
    console = console.replace("198.18.1.11/24", "-").replace("installed", "absent")
    console = console.replace("=active", "=inactive")
    (report,) = read_reports(console.replace("sums=ok files=56", "sums=bad files=0"))
    assert report.failed_units == ("a.service", "b.mount")
    assert report.interfaces[0].addresses == ()
    assert not report.has_vmware_tools
    assert not report.agent_runs
    assert not report.data_is_intact
    assert report.file_count == 0


def test_several_addresses_are_told_apart() -> None:
    (report,) = read_reports(BOOT.replace("198.18.1.11/24", "198.18.1.11/24,2001:db8::1/64"))
    assert report.interfaces[0].addresses == ("198.18.1.11/24", "2001:db8::1/64")


def test_each_boot_has_its_own_report() -> None:
    second = BOOT.replace("vmw_pvscsi", "virtio_blk").replace("/dev/sda1", "/dev/vda1")
    reports = read_reports(BOOT + "\n\x1b[H\x1b[JGRUB\n" + second)
    assert [report.driver for report in reports] == ["vmw_pvscsi", "virtio_blk"]


def test_serial_line_ends_and_prompts_do_not_matter() -> None:
    console = "Debian GNU/Linux 12 web01 ttyS0\n\nweb01 login: " + BOOT
    assert read_reports(console.replace("\n", "\r\n")) == read_reports(BOOT)


@pytest.mark.parametrize(
    "console",
    [
        pytest.param("", id="nothing yet"),
        pytest.param(BOOT.replace("FERRY-DONE\n", ""), id="the last line is missing"),
        pytest.param("ALERT!  /dev/sda1 does not exist.  Dropping to a shell!\n", id="no boot"),
    ],
)
def test_an_incomplete_boot_is_no_report(console: str) -> None:
    assert read_reports(console) == []


def test_a_report_cut_off_by_a_reset_does_not_spoil_the_next() -> None:
    cut_off = BOOT[: BOOT.index("FERRY-DATA")].replace("web01", "other")
    assert read_reports(cut_off + "\nSeaBIOS\n" + BOOT) == read_reports(BOOT)


@pytest.mark.parametrize(
    "missing", ["FERRY-BOOT", "FERRY-NAMES", "FERRY-TOOLS", "FERRY-AGENT", "FERRY-DATA"]
)
def test_a_report_without_one_of_its_lines_is_refused(missing: str) -> None:
    console = "\n".join(line for line in BOOT.splitlines() if not line.startswith(missing))
    with pytest.raises(ValueError, match=missing):
        read_reports(console)


def test_failed_units_must_be_named() -> None:
    with pytest.raises(ValueError, match="1 failed units"):
        read_reports(BOOT.replace("failed=0", "failed=1"))


def test_example_in_the_guests_script_is_what_is_read_here() -> None:
    script = (ROOTFS / "usr/local/sbin/ferry-marker").read_text()
    comments = [line.lstrip("# ") for line in script.splitlines() if line.startswith("#   ")]
    (report,) = read_reports("\n".join(comments))
    assert report.host == "web01"
    assert report.interfaces[0].name == "ens192"


def test_guests_script_is_a_program() -> None:
    assert os.access(ROOTFS / "usr/local/sbin/ferry-marker", os.X_OK)
