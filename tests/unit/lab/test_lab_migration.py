# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proof that cannot fail proves nothing: each fact of a clone is broken once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lab.guests.marker import BootReport, Interface
from lab.migration import prove

SOURCE = BootReport(
    host="web01",
    root="/dev/sda1",
    driver="vmw_pvscsi",
    failed_units=(),
    interfaces=(Interface("ens192", "00:50:56:00:00:0b", ("198.18.1.11/24",)),),
    has_vmware_tools=True,
    data_is_intact=True,
    file_count=56,
    root_names=("/dev/sda1", "/dev/sda1"),
    agent_runs=False,
)
CLONE_NIC = Interface("ens192", "52:54:00:00:00:01", ("198.18.1.11/24",))
CLONE = replace(
    SOURCE,
    root="/dev/vda1",
    driver="virtio_blk",
    interfaces=(CLONE_NIC,),
    has_vmware_tools=False,
)


def test_a_right_clone_is_proven_in_every_fact() -> None:
    proof = prove(SOURCE, CLONE, file_count=56)
    assert proof.holds
    assert len(proof.facts) == 8


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        pytest.param({"host": "localhost"}, "hostname", id="another name"),
        pytest.param({"driver": "ata_piix"}, "root disk", id="a disk that is not virtio"),
        pytest.param({"failed_units": ("ssh.service",)}, "no unit failed", id="a failed unit"),
        pytest.param(
            {"interfaces": (replace(CLONE_NIC, name="eth0"),)}, "NIC is named", id="a renamed NIC"
        ),
        pytest.param(
            {"interfaces": (replace(CLONE_NIC, addresses=()),)}, "its address", id="no address"
        ),
        pytest.param(
            {"interfaces": (replace(CLONE_NIC, mac=SOURCE.interfaces[0].mac),)},
            "its MAC",
            id="the source's MAC",
        ),
        pytest.param({"has_vmware_tools": True}, "VMware", id="tools left behind"),
        pytest.param({"data_is_intact": False}, "files", id="a wrong checksum"),
        pytest.param({"file_count": 55}, "files", id="a file that is not listed"),
    ],
)
def test_a_clone_that_is_wrong_in_one_fact_is_not_proven(change: dict[str, Any], fact: str) -> None:
    proof = prove(SOURCE, replace(CLONE, **change), file_count=56)
    broken = [text for text, held in proof.facts if not held]
    assert broken
    assert any(fact in text for text in broken)
