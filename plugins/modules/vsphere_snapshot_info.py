#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: vsphere_snapshot_info
short_description: Look at snapshots of VMware VMs
version_added: 0.1.0
description:
  - Returns the snapshots of a VM, or of all VMs that the user may see, and which of them Ferry took for which migration.
  - With O(of_ferry=true) and no VM it lists what killed runs left behind.
author:
  - The Ferry authors (@ferry-hvm)
extends_documentation_fragment:
  - ferry.hvm.attributes
  - ferry.hvm.attributes.info
  - ferry.hvm.attributes.vsphere
  - ferry.hvm.vsphere
  - ferry.hvm.vsphere.machine
options:
  migration_id:
    description:
      - Only snapshots of this migration.
    type: str
  of_ferry:
    description:
      - Whether only snapshots that carry Ferry's mark are returned.
    type: bool
    default: false
seealso:
  - module: ferry.hvm.vsphere_snapshot
"""

EXAMPLES = r"""
- name: List what Ferry left on all VMs
  ferry.hvm.vsphere_snapshot_info:
    of_ferry: true
  register: left
"""

RETURN = r"""
snapshots:
  description: The snapshots by VM, parents before their children; an empty list if there are none.
  returned: success
  type: list
  elements: dict
  contains:
    vm:
      description: The VM that has it.
      type: dict
      contains:
        moid:
          description: Its reference.
          type: str
          sample: vm-42
        name:
          description: Its name.
          type: str
          sample: web01
    moid:
      description: Its reference, by which later calls name it.
      type: str
      sample: snapshot-142
    name:
      description: Its name. It need not be the only one called so.
      type: str
      sample: ferry-web01
    description:
      description: Its description.
      type: str
      sample: Made by Ferry for migration web01. It goes when the sync has ended.
    created:
      description: When it was taken, by the clock of the vCenter, in UTC.
      type: str
      sample: "2026-11-28T13:28:44+00:00"
    quiesced:
      description: Whether VMware Tools brought the guest to a consistent state first.
      type: bool
      sample: true
    consistency:
      description:
        - V(filesystem_consistent) when it was quiesced; whether applications took part is not known to the vCenter.
        - V(powered_off) when Ferry took it of a VM that was off.
        - V(crash_consistent) else.
      type: str
      sample: filesystem_consistent
    current:
      description: Whether the VM writes on top of it.
      type: bool
      sample: true
    parent:
      description: Reference of the snapshot on which it was taken; none for the first.
      type: str
      sample: null
    migration_id:
      description: The migration that Ferry took it for; none for a snapshot that is not Ferry's.
      type: str
      sample: web01
"""

from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, run_module
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vcenter import CONNECTION, MACHINE
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vsphere_snapshot_info import (
    work_snapshot_info,
)

SPEC = ArgumentSpec(
    options={"migration_id": {"type": "str"}, "of_ferry": {"type": "bool", "default": False}}
).with_options(MACHINE)


def main() -> None:
    run_module(SPEC.with_options(CONNECTION), work_snapshot_info)


if __name__ == "__main__":
    main()
