# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packaged simulator alone, started as the lab's vCenter is: a judge that is none of ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyVmomi import vim, vmodl

from lab.vcenter.server import local_vcenter
from tests.support.vcenter_client import Client, log_in


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with local_vcenter(tmp_path, {}, plain=True) as vcenter:
        yield log_in(vcenter)


def test_the_plain_simulator_takes_and_removes_a_snapshot(client: Client) -> None:
    vm = client.vm("DC0_C0_RP0_VM0")

    snapshot = client.take_snapshot(vm, "plain", quiesce=True)
    (shown,) = client.read(vm, "snapshot.rootSnapshotList")
    client.remove_snapshot(snapshot)

    assert (shown.name, shown.quiesced, shown.snapshot) == ("plain", True, snapshot)
    assert not client.read(vm, "snapshot.rootSnapshotList")


def test_the_plain_simulator_knows_nothing_of_changed_areas(client: Client) -> None:
    vm = client.vm("DC0_C0_RP0_VM0")
    snapshot = client.take_snapshot(vm)

    with pytest.raises((vmodl.fault.MethodNotFound, vim.fault.FileFault)):
        vm.QueryChangedDiskAreas(snapshot, 2000, 0, "*")


def test_a_wrong_password_is_refused(client: Client) -> None:
    with pytest.raises(vim.fault.InvalidLogin):
        log_in(replace(client.vcenter, password="wrong"))
