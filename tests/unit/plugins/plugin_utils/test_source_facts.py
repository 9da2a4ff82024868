# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a source are read without any of the host's programs."""

from __future__ import annotations

import ipaddress
import socket
import struct
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.plugin_utils.on_source.addresses import (
    parse_address,
    read_addresses,
    split_messages,
)
from ansible_collections.ferry.hvm.plugins.plugin_utils.on_source.facts import (
    is_port_free,
    is_secure_boot,
    parse_os_release,
    read_facts,
    read_file_systems,
    read_mac,
    unescape,
)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        pytest.param("ID=debian", "debian", id="bare"),
        pytest.param('ID="rhel"', "rhel", id="double quotes"),
        pytest.param("ID='sles'", "sles", id="single quotes"),
        pytest.param('ID="a\'b"', "a'b", id="a quote within"),
        pytest.param("ID=", "", id="empty"),
    ],
)
def test_os_release_values_lose_their_quotes(line: str, value: str) -> None:
    assert parse_os_release(f"# comment\n\n{line}\nANSI_COLOR=1\n")["ID"] == value


def test_mount_points_with_blanks_are_called_as_they_are() -> None:
    assert unescape(r"/srv/a\040b\134c") == r"/srv/a b\c"


def test_loopback_has_its_address() -> None:
    assert "127.0.0.1/8" in read_addresses()[socket.if_nametoindex("lo")]


def test_addresses_are_addresses() -> None:
    found = [ipaddress.ip_interface(each) for all_ in read_addresses().values() for each in all_]
    assert found


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value


def test_our_end_of_a_tunnel_is_told_not_the_other() -> None:
    theirs, ours = (socket.inet_aton(each) for each in ("192.0.2.1", "192.0.2.2"))
    body = struct.pack("=BBBBI", socket.AF_INET, 32, 0, 0, 7)
    assert parse_address(body + attribute(1, theirs) + attribute(2, ours)) == (7, "192.0.2.2/32")


def test_ipv6_has_its_address_in_the_other_attribute() -> None:
    body = struct.pack("=BBBBI", socket.AF_INET6, 64, 0, 0, 3)
    address = socket.inet_pton(socket.AF_INET6, "2001:db8::10")
    assert parse_address(body + attribute(1, address)) == (3, "2001:db8::10/64")


def test_messages_are_split_at_their_padded_ends() -> None:
    messages = b"".join(
        struct.pack("=IHHII", 16 + length, 20, 0, 1, 0) + b"x" * length + b"\0" * (-length % 4)
        for length in (4, 5, 8)
    )
    assert [len(body) for _kind, body in split_messages(messages)] == [4, 5, 8]


def test_a_port_that_is_listened_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert not is_port_free(port)
    assert is_port_free(port)


def test_a_host_without_ipv6_has_free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    # A family that no kernel knows answers as IPv6 does where it is switched off.
    monkeypatch.setattr(socket, "AF_INET6", 255)
    with socket.create_server(("", 0)) as listener:
        port = listener.getsockname()[1]
        assert not is_port_free(port)
    assert is_port_free(port)


def test_root_is_among_the_file_systems_or_no_block_device_holds_it() -> None:
    mounted = read_file_systems()
    assert all(each["device"].startswith("/dev/") for each in mounted)
    assert all(each["size"] >= 0 for each in mounted)


def test_facts_have_what_a_migration_needs() -> None:
    facts = read_facts(5994)
    assert facts["hostname"] == socket.gethostname()
    assert facts["cpus"] >= 1
    assert facts["memory"] > 0
    assert "lo" not in [each["name"] for each in facts["interfaces"]]


def test_the_members_of_a_bond_have_macs_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "address").write_text("00:50:56:aa:bb:01\n")
    assert read_mac(str(tmp_path)) == "00:50:56:aa:bb:01"
    (tmp_path / "bonding_slave").mkdir()
    (tmp_path / "bonding_slave/perm_hwaddr").write_text("00:50:56:aa:bb:02\n")
    assert read_mac(str(tmp_path)) == "00:50:56:aa:bb:02"


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"\6\0\0\0\1", True), (b"\6\0\0\0\0", False), (b"", False), (None, False)],
    ids=["on", "off", "torn", "no UEFI"],
)
def test_secure_boot_is_what_the_firmwares_variable_says(
    tmp_path: Path, content: bytes | None, told: bool
) -> None:
    if content is not None:
        (tmp_path / "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c").write_bytes(content)
    assert is_secure_boot(str(tmp_path)) is told
