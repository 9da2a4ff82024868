#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: vsphere_changed_extents_info
short_description: Tell which extents of a VMware VM's disks changed since a sync
version_added: 0.1.0
description:
  - Returns for each disk of the migration's snapshot the extents that changed since O(baselines), or why that is not known. Unknown
    means that all of the disk is to be read; it is not an error.
  - Extents are sorted whole granules of 64 KiB that do not touch. They may hold more than what changed, and by the API's promise never less.
    That promise was broken by some releases, so a sync reads a sample of the rest too.
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
      - Id of the migration whose snapshot is looked at. The VM has exactly one.
    type: str
    required: true
  baselines:
    description:
      - What M(ferry.hvm.vsphere_snapshot) returned as C(baselines) of the snapshot of the last verified sync. That snapshot need not exist
        any more. A disk that has none here is new.
    type: list
    elements: dict
    default: []
    suboptions:
      key:
        description:
          - The disk's key.
        type: int
        required: true
      uuid:
        description:
          - UUID of its backing.
        type: str
        required: true
      capacity:
        description:
          - Its size in bytes.
        type: int
        required: true
      change_id:
        description:
          - Its change id.
        type: str
        required: true
  left_out_disks:
    description:
      - Keys of disks that are not migrated.
    type: list
    elements: int
    default: []
seealso:
  - module: ferry.hvm.vsphere_snapshot
"""

EXAMPLES = r"""
- name: See what changed since the last sync
  ferry.hvm.vsphere_changed_extents_info:
    moid: vm-42
    migration_id: web01
    baselines: "{{ last_sync.baselines }}"
  register: changes
"""

RETURN = r"""
disks:
  description: The disks of the snapshot, by key, without those that were left out.
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: The disk's key.
      type: int
      sample: 2000
    extents:
      description: What changed; none if it is not known.
      type: list
      elements: dict
      contains:
        start:
          description: The first byte.
          type: int
          sample: 131072
        length:
          description: The number of bytes.
          type: int
          sample: 65536
    changed_bytes:
      description: How many bytes the extents hold; none if they are not known.
      type: int
      sample: 65536
    delta_reason:
      description:
        - Why the extents are not known, none if they are.
        - V(no_baseline), nothing was given for the disk.
        - V(disk_replaced), its key or the UUID of its backing is another; V(disk_unidentified), its backing has no UUID.
        - V(capacity_changed), its size is another.
        - V(no_change_id), its changes are not tracked; V(change_id_unknown), a change id has not the form of one.
        - V(change_id_reset), the tracking began anew; V(counter_went_back), the new change id is older than the baseline's.
        - V(host_loses_changes), its ESXi is of a build that loses changes while it merges snapshots.
        - V(query_failed), the vCenter answered with a fault; V(answer_invalid), with something that the API does not allow.
      type: str
      sample: null
    delta_detail:
      description: What was seen, for people; none if the extents are known.
      type: str
      sample: null
    baseline:
      description: What to keep of the disk once a sync from this snapshot is verified; none if the disk is not tracked.
      type: dict
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
          sample: 52 3c 9f 01 7a 88 11 0e-6d 1f 2b 3c 4d 5e 6f 70/5
"""

from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, run_module
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vcenter import CONNECTION, ONE_MACHINE
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vsphere_changed_extents_info import (
    work_changed_extents_info,
)

SPEC = ArgumentSpec(
    options={
        "migration_id": {"type": "str", "required": True},
        "baselines": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "key": {"type": "int", "required": True, "no_log": False},
                "uuid": {"type": "str", "required": True},
                "capacity": {"type": "int", "required": True},
                "change_id": {"type": "str", "required": True},
            },
        },
        "left_out_disks": {"type": "list", "elements": "int", "default": []},
    },
).with_options(ONE_MACHINE)


def main() -> None:
    run_module(SPEC.with_options(CONNECTION), work_changed_extents_info)


if __name__ == "__main__":
    main()
