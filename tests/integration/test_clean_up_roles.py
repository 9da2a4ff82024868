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


def test_a_silent_appliance_does_not_keep_a_vms_snapshots_from_being_removed(world: World) -> None:
    """The vCenter is not at its best either: what it does not merge is told, and made up for by the next run."""
    vm = VsphereModules(world.vcenter)
    for migration in ("web01", "check-web01"):
        vm.snapshot(migration_id=migration)
    world.api.request("POST", "/lab/faults", SILENT)
    # Of each of the two, the removal does not merge, nor does the consolidation after it.
    vm.control.add_fault("consolidation", times=4)

    # As a playbook cleans up of which one step was run by its tag.
    clean_up = {"block": [role("remove_helpers")], "rescue": [role("audit_leftovers")]}
    tasks = [{**each, "tags": ["always"]} for each in (role("audit_leftovers"), clean_up)]
    done = world.play(tasks, "--tags", "vm_10b")

    assert done.status == 0, done.output
    before, _name, after = done.output.partition("remove_helpers :")
    assert "vm_snapshots: - ferry-web01 - ferry-check-web01 volumes:" in before
    assert "needs_consolidation: []" in before
    assert vm.snapshots() == []
    assert "vm_snapshots: [] volumes:" in after
    assert "needs_consolidation: - web01" in after
    for kind in ("instances", "volumes", "images", "target_snapshots"):
        assert f"{kind}: - 'unknown: the appliance does not answer" in after
    left = after.partition("What is left, as far as is known:")[2].partition("Mend the cause")[0]
    for name in (
        "snapshot ferry-web01 of the VM, or files of it to be merged",
        "snapshot ferry-check-web01 of the VM",
        "instance web01, which may boot from ferry-worker-web01",
        "image ferry-worker-web01",
    ):
        assert f"{name}" in left

    vm.remove()
    assert vm.call("vm_info", name="web01").result["vms"][0]["needs_consolidation"] is False
