# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM's snapshot goes, and is told of, whatever the appliance says: roles on the lab's vCenter and appliance."""

from __future__ import annotations

import pytest

from tests.integration.test_reconcile_roles import World, role, world
from tests.support.vsphere_modules import VsphereModules

# Some twenty module runs of a second or two each; several times that on a loaded machine.
pytestmark = pytest.mark.timeout(900)

__all__ = ["world"]

SILENT = {"path": ".*", "method": "GET", "status": 403, "message": "Out-of-order", "times": 1000}


def test_a_silent_appliance_does_not_keep_the_vms_snapshot_from_being_removed(world: World) -> None:
    vm = VsphereModules(world.vcenter)
    vm.snapshot()
    world.api.request("POST", "/lab/faults", SILENT)

    done = world.play([role("audit_leftovers"), role("remove_helpers")])

    assert done.status == 2, done.output
    assert vm.snapshots() == []
    assert "vm_snapshots: - ferry-web01" in done.output
    for kind in ("instances", "volumes", "images", "target_snapshots"):
        assert f"{kind}: - 'unknown: the appliance does not answer" in done.output
    left = done.output.rpartition("What is left, as far as is known:")[2]
    for name in ("instance web01, which may boot from ferry-worker-web01", "image ferry-worker-web01"):
        assert f"{name}" in left
    assert "snapshot ferry-web01" not in left
