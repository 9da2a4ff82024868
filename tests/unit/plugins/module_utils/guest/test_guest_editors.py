# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables, GRUB's files, udev rules and .link files: the intended words change, and nothing else."""

from __future__ import annotations

import re

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest import grub, network
from ansible_collections.ferry.hvm.plugins.module_utils.guest.device_names import (
    find_file_system,
    is_unstable,
    stable_name,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.tables import (
    Row,
    edit_field,
    read_rows,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.guest.guest_samples import (
    DATA_UUID,
    ROOT_UUID,
    SDA1,
    SDA2,
    SDB1,
)

FILE_SYSTEMS = (SDA1, SDA2, SDB1)
OLD, NEW = "00:50:56:aa:bb:01", "52:54:00:12:34:56"
# Text as a guest may have it: any byte, decoded as the room decodes it.
guest_text = st.binary(max_size=200).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param("/dev/sda1", SDA1, id="kernel name"),
        pytest.param(f"UUID={DATA_UUID.upper()}", SDB1, id="UUID in upper case"),
        pytest.param(f'UUID="{DATA_UUID}"', SDB1, id="UUID in quotes"),
        pytest.param("LABEL=data", SDB1, id="label"),
        pytest.param("PARTUUID=12345678-02", SDA2, id="partition UUID"),
        pytest.param(f"/dev/disk/by-uuid/{ROOT_UUID}", SDA1, id="link by UUID"),
        pytest.param("/dev/disk/by-label/rootfs", SDA1, id="link by label"),
        pytest.param("/dev/sda3", None, id="no such partition"),
        pytest.param("/dev/sda", None, id="whole disk that holds partitions"),
        pytest.param("LABEL=", None, id="empty label is not the label of all"),
        pytest.param("tmpfs", None, id="no device"),
        pytest.param("server:/export", None, id="a share"),
    ],
)
def test_a_device_is_found_as_fstab_means_it(spec: str, expected: object) -> None:
    assert find_file_system(spec, FILE_SYSTEMS) == expected


@pytest.mark.parametrize(
    ("device", "unstable"),
    [
        ("/dev/sda1", True),
        ("/dev/sdaa12", True),
        ("/dev/hda", True),
        ("/dev/nvme0n1p2", True),
        ("/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0-part1", True),
        ("/dev/disk/by-id/scsi-36000c29-part1", True),
        ("/dev/disk/by-id/dm-uuid-part2-mpath-36000c29", True),
        ("/dev/disk/by-id/dm-name-mpatha-part2", True),
        ("/dev/mapper/mpatha", True),
        ("/dev/mapper/mpathb-part2", True),
        ("/dev/mapper/ov-0p1", True),
        ("/dev/mapper/mpath_reports-root", False),
        ("/dev/disk/by-id/dm-uuid-LVM-GGdc6yC1", False),
        ("/dev/disk/by-id/dm-uuid-CRYPT-LUKS2-6c5a-dm_crypt-0", False),
        ("/dev/disk/by-id/dm-name-vg-root", False),
        ("/dev/disk/by-id/md-uuid-0a1b2c3d:4e5f6071:8293a4b5:c6d7e8f9", False),
        ("/dev/mapper/vg-root", False),
        ("/dev/vg/root", False),
        ("/dev/md0", False),
        ("/dev/sr0", False),
        (f"/dev/disk/by-uuid/{ROOT_UUID}", False),
        (f"UUID={ROOT_UUID}", False),
    ],
)
def test_unstable_names_are_told_from_stable_ones(device: str, unstable: bool) -> None:
    assert is_unstable(device) is unstable


def test_an_nvme_disk_is_found_by_its_name_at_the_source() -> None:
    other = SDA1.__class__("nvme0n1", 2, "/dev/mapper/ov-0p2", "ext4", "abc")
    assert stable_name("/dev/nvme0n1p2", [other]) == "UUID=abc"


def test_editing_a_table_keeps_comments_tabs_and_odd_bytes() -> None:
    text = (
        "# /dev/sda1 is the root\n\n/dev/sda1\t/\text4  x 0 1 # \udcff\n  /dev/sdb1 /srv xfs\n#end"
    )
    edited = edit_field(text, 0, lambda row: stable_name(row.field(0), FILE_SYSTEMS))
    assert edited == (
        f"# /dev/sda1 is the root\n\nUUID={ROOT_UUID}\t/\text4  x 0 1 # \udcff\n"
        f"  UUID={DATA_UUID} /srv xfs\n#end"
    )


def test_a_commented_entry_stays_a_comment() -> None:
    # vJailbreak #2007: rewriting fstab switched on bind mounts that were commented out.
    text = "#/dev/sda1 /old ext4 defaults 0 0\n # /srv /mnt none bind\n"
    assert read_rows(text) == []
    assert edit_field(text, 0, lambda _row: "changed") == text


@given(guest_text)
def test_a_table_is_the_same_when_nothing_is_to_change(text: str) -> None:
    assert edit_field(text, 0, lambda _row: None) == text


@given(
    st.lists(
        st.sampled_from(["/dev/sda1 / ext4", "\t/dev/sdb1\t/x", "# c /dev/sda1", "", "\udcfe"])
    )
)
def test_only_the_rows_that_name_a_disk_change(lines: list[str]) -> None:
    def change(row: Row) -> str | None:
        return "UUID=x" if row.field(0) == "/dev/sda1" else None

    edited = edit_field("\n".join(lines), 0, change).split("\n")
    wanted = ["UUID=x / ext4" if line.startswith("/dev/sda1") else line for line in lines]
    assert edited == (wanted or [""])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("linux /vmlinuz root=/dev/sda1 ro", f"linux /vmlinuz root=UUID={ROOT_UUID} ro"),
        ('X="root=/dev/sda1 quiet"', f'X="root=UUID={ROOT_UUID} quiet"'),
        ("X='a resume=/dev/sdb1'", f"X='a resume=UUID={DATA_UUID}'"),
        ("ro fips=1 boot=/dev/sda1", f"ro fips=1 boot=UUID={ROOT_UUID}"),
        ("fips=1 bootdev=/dev/sda1", f"fips=1 bootdev=UUID={ROOT_UUID}"),
        ("reboot=/dev/sda1", "reboot=/dev/sda1"),
        ("# root=/dev/sda1", "# root=/dev/sda1"),
        ("X=1 # root=/dev/sda1", "X=1 # root=/dev/sda1"),
        ('X="a #b root=/dev/sda1"', f'X="a #b root=UUID={ROOT_UUID}"'),
        ("linux /vmlinuz nfsroot=/dev/sda1", "linux /vmlinuz nfsroot=/dev/sda1"),
        ("linux /vmlinuz root=/dev/mapper/vg-root", "linux /vmlinuz root=/dev/mapper/vg-root"),
        ("linux /vmlinuz root=/dev/sda11", "linux /vmlinuz root=/dev/sda11"),
    ],
)
def test_devices_on_a_kernel_command_line_are_replaced(before: str, after: str) -> None:
    assert grub.replace_devices(before, lambda name: stable_name(name, FILE_SYSTEMS)) == after


@given(guest_text)
def test_text_without_a_device_word_is_left_alone(text: str) -> None:
    if not re.search("root=|resume=", text):
        assert grub.replace_devices(text, lambda _name: "UUID=x") == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A=1\n", 'A=1\nNAME="w"\n'),
        ("A=1", 'A=1\nNAME="w"\n'),
        ("", 'NAME="w"\n'),
        ('NAME=""\n', 'NAME="w"\n'),
        ('NAME="a $B" # why\n', 'NAME="a $B w" # why\n'),
        ("NAME='a'\n", "NAME='a w'\n"),
        ("NAME=a\n", 'NAME="a w"\n'),
        ("  export NAME=a\n", '  export NAME="a w"\n'),
        ("NAME=a\nNAME=b\n", 'NAME=a\nNAME="b w"\n'),
        ("#NAME=a\nOTHER_NAME=c\n", '#NAME=a\nOTHER_NAME=c\nNAME="w"\n'),
    ],
)
def test_words_are_added_inside_the_last_value(before: str, after: str) -> None:
    assert grub.append_words(before, "NAME", "w") == after


def test_a_flag_is_set_wherever_it_is_given() -> None:
    text = "# FLAG=true\nFLAG=true\n\tFLAG='true'  # twice\n"
    assert (
        grub.set_flag(text, "FLAG", "false") == "# FLAG=true\nFLAG=false\n\tFLAG=false  # twice\n"
    )
    assert grub.get_value(text, "FLAG") == "true"
    assert grub.get_value(text, "OTHER") is None


RULE = f'SUBSYSTEM=="net", ACTION=="add", ATTR{{address}}=="{OLD}", NAME="ens192"\n'
RULE_OF_NEW = RULE.replace(OLD, NEW)


@pytest.mark.parametrize(
    ("before", "added"),
    [
        pytest.param(RULE, RULE_OF_NEW, id="the new MAC is added"),
        pytest.param(RULE.rstrip("\n"), "\n" + RULE_OF_NEW, id="no newline at the end"),
        pytest.param(RULE.replace(OLD, OLD.upper()), RULE_OF_NEW, id="upper case is the same MAC"),
        pytest.param(RULE + RULE_OF_NEW, "", id="both are there"),
        pytest.param(
            RULE.replace("ACTION", 'DRIVERS=="?*", ATTR{type}=="1", KERNEL=="eth*", ACTION'),
            RULE_OF_NEW,
            id="as Debian's generator wrote it",
        ),
        pytest.param(
            RULE.replace("ACTION", 'DRIVERS=="vmxnet3", ACTION'),
            RULE + RULE_OF_NEW,
            id="a rule for the old driver does not hold on the new one",
        ),
        pytest.param("# " + RULE, RULE + RULE_OF_NEW, id="a comment is no rule"),
    ],
)
def test_udev_rules_give_the_name_to_both_macs(before: str, added: str) -> None:
    assert network.add_rules(before, "ens192", (OLD, NEW)) == before + added


LINK = f"# lan\n[Match]\nMACAddress={OLD.upper()}\n\n[Link]\nName=lan0\nMTUBytes=9000\n"


def test_a_link_file_gets_the_new_mac_and_keeps_the_rest() -> None:
    edited = network.add_link_macs(LINK, (OLD, NEW))
    assert edited == LINK.replace(OLD.upper(), f"{OLD.upper()} {NEW}")
    assert network.link_macs(edited) == (OLD, NEW)
    assert network.add_link_macs(edited, (OLD, NEW)) == edited


def test_a_link_file_that_matches_more_than_macs_is_not_ours_to_edit() -> None:
    assert network.link_macs(LINK.replace("[Link]", "Driver=vmxnet3\n[Link]")) == ()


def test_a_new_link_file_reads_back() -> None:
    text = network.new_link("ens192", (OLD, NEW))
    assert (network.link_name(text), network.link_macs(text)) == ("ens192", (OLD, NEW))


def test_configured_names_leave_out_loopback_and_aliases() -> None:
    files = {
        "/etc/network/interfaces": "auto lo\niface lo inet loopback\n iface ens192 inet static\n"
        "#iface ens9 inet dhcp\niface ens192:1 inet static\niface ens192 inet6 auto\n",
        "/etc/network/interfaces.d/more": "iface ens224 inet dhcp\n",
        "/etc/other": "iface ens1 inet dhcp\n",
    }
    assert network.configured_names(files) == ["ens192", "ens224"]


@given(guest_text)
def test_readers_of_network_files_take_any_bytes(text: str) -> None:
    network.rule_names(text)
    network.link_macs(text)
    network.configured_names({"/etc/network/interfaces": text})
    assert network.add_rules(text, "lan0", (OLD,)).startswith(text)
