# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.inventory import write_inventory
from lab.settings import LabSettings


@pytest.fixture
def servers(tmp_path: Path) -> dict[str, Any]:
    lab = LabSettings("test", 1, tmp_path)
    write_inventory(lab, ["web01", "db01"])
    content: dict[str, Any] = yaml.safe_load(lab.inventory.read_text())["servers"]
    return content


def test_each_source_server_is_a_host_with_its_address_and_its_instance(
    servers: dict[str, Any],
) -> None:
    assert servers["hosts"] == {
        "web01": {"ansible_host": "198.18.17.11", "ferry_instance": "web01"},
        "db01": {"ansible_host": "198.18.17.12", "ferry_instance": "db01"},
    }


def test_host_keys_are_checked_against_the_labs_own_list(
    servers: dict[str, Any], tmp_path: Path
) -> None:
    arguments = servers["vars"]["ansible_ssh_common_args"]

    assert f"UserKnownHostsFile={tmp_path}/known_hosts" in arguments
    assert "StrictHostKeyChecking" not in arguments


def test_the_password_is_looked_up_and_not_written_down(servers: dict[str, Any]) -> None:
    password = servers["vars"]["ferry_morpheus_password"]

    assert password.startswith("{{ lookup('ansible.builtin.file'")
    assert "appliance.password" in password


def test_a_lab_without_source_servers_has_an_inventory_without_hosts(tmp_path: Path) -> None:
    lab = LabSettings("test", 1, tmp_path)

    write_inventory(lab, [])

    assert yaml.safe_load(lab.inventory.read_text())["servers"]["hosts"] == {}
