# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's network, made for real and taken away again."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import network
from lab.command import run
from lab.errors import LabError
from lab.settings import LabSettings
from tests.support.appliance_lab_index import free_index


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LabSettings]:
    with free_index() as index:
        settings = LabSettings(f"nettest{index}", index, tmp_path)
        network.bring_up(settings)
        try:
            yield settings
        finally:
            network.take_down(settings)


def addresses(lab: LabSettings, interface: str) -> list[str]:
    told = json.loads(run("ip", "-n", lab.namespace, "-json", "address", "show", interface))
    return [each["local"] for each in told[0]["addr_info"]]


def bridge_of(lab: LabSettings, tap: str) -> str:
    return str(
        json.loads(run("ip", "-n", lab.namespace, "-json", "link", "show", tap))[0]["master"]
    )


def test_the_host_reaches_the_networks_behind_the_namespace(lab: LabSettings) -> None:
    for gateway in (lab.production[1], lab.migration[1]):
        # Nobody listens there, and the namespace says so at once: the way is open both ways.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((str(gateway), 9), timeout=5)


def test_the_isolated_network_has_no_address_at_all(lab: LabSettings) -> None:
    assert addresses(lab, "isolated") == []
    assert str(lab.production[1]) in addresses(lab, "production")


def test_bringing_up_again_changes_nothing(lab: LabSettings) -> None:
    before = network.links(lab.namespace)

    network.bring_up(lab)

    assert (
        network.links(lab.namespace)
        == before
        == {
            "lo",
            "uplink",
            "production",
            "migration",
            "isolated",
        }
    )


def test_a_tap_moves_to_the_network_that_it_is_plugged_into(lab: LabSettings) -> None:
    network.plug(lab.namespace, "tap0", "migration")
    network.plug(lab.namespace, "tap0", "isolated")
    assert bridge_of(lab, "tap0") == "isolated"

    network.unplug(lab.namespace, "tap0")
    network.unplug(lab.namespace, "tap0")
    assert "tap0" not in network.links(lab.namespace)


def test_a_network_that_does_not_exist_is_named(lab: LabSettings) -> None:
    with pytest.raises(LabError, match="no network 'internet' in the lab"):
        network.plug(lab.namespace, "tap0", "internet")


def test_taking_down_leaves_nothing_and_may_be_repeated(lab: LabSettings) -> None:
    network.take_down(lab)
    network.take_down(lab)

    assert lab.namespace not in network.namespaces()
    assert lab.host_link not in network.links()
    assert str(lab.link.network_address) not in run("ip", "route")
