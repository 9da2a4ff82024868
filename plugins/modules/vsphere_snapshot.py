#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: vsphere_snapshot
short_description: Take or remove a migration's snapshot of a VMware VM
version_added: 0.1.0
description:
  - Takes one snapshot of a VM over all of its disks, without its memory, or removes it and merges what it held.
  - The snapshot carries the migration's id in its name (C(ferry-<id>)) and description, and is found again by both. A run that was
    killed is finished by the next one. What does not carry the mark is not touched.
  - A removal has ended when the vCenter has merged the files, and no disk of the VM waits for it any more. This can take hours for a
    snapshot that was kept long, and holds the VM for moments.
author:
  - The Ferry authors (@ferry-hvm)
extends_documentation_fragment:
  - ferry.hvm.attributes
  - ferry.hvm.attributes.vsphere
  - ferry.hvm.vsphere
  - ferry.hvm.vsphere.machine
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) takes the snapshot, unless the VM has it.
      - V(absent) removes all snapshots of the migration, and merges disks that wait for it, whoever left them so.
    type: str
    choices: [present, absent]
    required: true
  migration_id:
    description:
      - Id of the migration, 1 to 63 lower case letters, digits and hyphens.
    type: str
    required: true
  quiesce:
    description:
      - Whether VMware Tools bring the guest's file systems to a consistent state first. Only used by O(state=present). A VM
        that is off needs no quiescing.
      - V(required) fails where that cannot be done, and leaves no snapshot behind.
      - V(try) then takes the snapshot without, and warns.
      - V(no) does not ask for it. The snapshot is as a disk is after a power failure.
    type: str
    choices: [required, try, "no"]
    default: try
  change_tracking:
    description:
      - V(enabled) lets the host note which areas of the disks change, so that later syncs read only those. Only used by
        O(state=present).
      - It is enabled once and stays so. A running VM begins to track at its next snapshot, so one more is taken and removed.
      - It is refused while the VM has snapshots, and for virtual hardware before version 7.
      - V(unchanged) leaves it as it is.
    type: str
    choices: [unchanged, enabled]
    default: unchanged
  left_out_disks:
    description:
      - Keys of disks that are not migrated. A VM with disks that a snapshot does not hold (independent, shared with other VMs, raw
        device mappings in physical mode) is refused until each of them is named here.
      - The vCenter itself may still refuse a snapshot of a running VM with shared disks.
    type: list
    elements: int
    default: []
  wait_timeout:
    description:
      - Seconds to wait for each task of the vCenter. It goes on when the module gives up; run again then.
    type: int
    default: 7200
seealso:
  - module: ferry.hvm.vsphere_snapshot_info
  - module: ferry.hvm.vsphere_changed_extents_info
"""

EXAMPLES = r"""
- name: Take the snapshot of a sync
  ferry.hvm.vsphere_snapshot:
    state: present
    moid: vm-42
    migration_id: web01
    quiesce: required
    change_tracking: enabled
  register: taken

- name: Remove it
  ferry.hvm.vsphere_snapshot:
    state: absent
    moid: vm-42
    migration_id: web01
"""

RETURN = r"""
vm:
  description: The VM as it is after the run, in check mode as it is now.
  returned: success
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
    instance_uuid:
      description: Its instance UUID.
      type: str
      sample: 5032a1f0-8f3c-7a1e-2d44-90b1c2d3e4f5
    power_state:
      description: Its power state.
      type: str
      sample: poweredOn
    change_tracking:
      description: Whether its changes are tracked.
      type: bool
      sample: true
    needs_consolidation:
      description: Whether files of its disks wait to be merged.
      type: bool
      sample: false
snapshot:
  description: The migration's snapshot as it is after the run, in check mode as it is now; none if there is none.
  returned: success
  type: dict
  contains:
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
    disks:
      description: The disks as they are in the snapshot, without those that were left out.
      type: list
      elements: dict
      contains:
        key:
          description: The number by which the VM knows the disk.
          type: int
          sample: 2000
        label:
          description: What the vCenter shows.
          type: str
          sample: Hard disk 1
        uuid:
          description: UUID of its backing; none if it has none.
          type: str
          sample: 6000C293-7a88-110e-6d1f-2b3c4d5e6f70
        capacity:
          description: Its size in bytes.
          type: int
          sample: 42949672960
        unit:
          description: Its unit on its controller.
          type: int
          sample: 0
        controller:
          description: What it is attached to.
          type: dict
          contains:
            key:
              description: The number by which the VM knows the controller.
              type: int
              sample: 1000
            type:
              description: The kind of controller, as the API calls it.
              type: str
              sample: ParaVirtualSCSI
            bus:
              description: The number of its bus among those of its kind.
              type: int
              sample: 0
        file:
          description: Its descriptor on the datastore.
          type: str
          sample: "[datastore1] web01/web01.vmdk"
        backing:
          description: The kind of backing, as the API calls it.
          type: str
          sample: FlatVer2
        mode:
          description: How it takes writes; V(independent_persistent) and V(independent_nonpersistent) stay out of snapshots.
          type: str
          sample: persistent
        thin:
          description: Whether storage is only used for what was written.
          type: bool
          sample: true
        has_parent:
          description: Whether its file only holds what was written since a snapshot.
          type: bool
          sample: false
        change_id:
          description: The moment of its change tracking; none in a VM (snapshots have them), and where nothing is tracked.
          type: str
          sample: 52 3c 9f 01 7a 88 11 0e-6d 1f 2b 3c 4d 5e 6f 70/4
        snapshot_obstacle:
          description: Why a snapshot does not hold it; none if it does.
          type: str
          sample: it is independent
    baselines:
      description:
        - What to keep of each disk that is tracked, once a sync from this snapshot is verified. The next sync gives it to
          M(ferry.hvm.vsphere_changed_extents_info).
      type: list
      elements: dict
      contains:
        key:
          description: The disk's key.
          type: int
          sample: 2000
        uuid:
          description: UUID of its backing.
          type: str
          sample: 6000C293-7a88-110e-6d1f-2b3c4d5e6f70
        capacity:
          description: Its size in bytes.
          type: int
          sample: 42949672960
        change_id:
          description: Its change id.
          type: str
          sample: 52 3c 9f 01 7a 88 11 0e-6d 1f 2b 3c 4d 5e 6f 70/4
"""

from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, run_module
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vcenter import CONNECTION, ONE_MACHINE
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vsphere_snapshot import work_snapshot

SPEC = ArgumentSpec(
    options={
        "state": {"type": "str", "choices": ["present", "absent"], "required": True},
        "migration_id": {"type": "str", "required": True},
        "quiesce": {"type": "str", "choices": ["required", "try", "no"], "default": "try"},
        "change_tracking": {
            "type": "str",
            "choices": ["unchanged", "enabled"],
            "default": "unchanged",
        },
        "left_out_disks": {"type": "list", "elements": "int", "default": []},
        "wait_timeout": {"type": "int", "default": 7200},
    },
).with_options(ONE_MACHINE)


def main() -> None:
    run_module(SPEC.with_options(CONNECTION), work_snapshot)


if __name__ == "__main__":
    main()
