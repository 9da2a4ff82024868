#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: morpheus_snapshot
short_description: Take, delete or return to a snapshot of an instance on a Morpheus appliance
version_added: 0.1.0
description:
  - Takes a snapshot of all volumes of an instance, deletes it, or brings the instance's volumes back to it.
  - The appliance works on snapshots in its own time; the module ends when that has ended, and fails with the
    appliance's words where it failed.
  - A snapshot is known by its name. Its instance's memory is never part of it.
author:
  - The Ferry authors (@ferry-hvm)
extends_documentation_fragment:
  - ferry.hvm.attributes
  - ferry.hvm.attributes.morpheus
  - ferry.hvm.morpheus
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: O(state=reverted) reverts each time, for nobody can see whether the disks were written since.
options:
  state:
    description:
      - V(present) takes a snapshot of the name unless a whole one exists, which is not taken anew. One that
        failed is deleted first.
      - V(absent) deletes the snapshots of the name; the volumes keep what they hold.
      - V(reverted) gives the volumes back what they held at the snapshot, and is refused while the instance is
        not off. Everything written since is lost.
    type: str
    choices: [present, absent, reverted]
    required: true
  instance:
    description:
      - Name of the instance.
    type: str
    required: true
  name:
    description:
      - Name of the snapshot.
    type: str
    required: true
  description:
    description:
      - What the appliance shows beside the name. Only used when a snapshot is taken.
    type: str
    default: ""
  must_exist:
    description:
      - Whether O(state=reverted) fails where there is no such snapshot. If not, a warning says so and nothing
        is changed.
    type: bool
    default: true
seealso:
  - module: ferry.hvm.morpheus_snapshot_info
notes:
  - Whether a revert also undoes what became of the set of volumes since is the appliance's choice. A warning
    tells it, and RV(instance) has the volumes as they are afterwards.
"""

EXAMPLES = r"""
- name: Keep what the last sync brought
  ferry.hvm.morpheus_snapshot:
    instance: web01
    name: ferry-snapshot-web01.2
    description: Sync 2 of migration web01, taken by Ferry.
    state: present

- name: The instance is as it was then
  ferry.hvm.morpheus_snapshot:
    instance: web01
    name: ferry-snapshot-web01.2
    state: reverted
  register: reverted

- name: The snapshot is gone
  ferry.hvm.morpheus_snapshot:
    instance: web01
    name: ferry-snapshot-web01.2
    state: absent
"""

RETURN = r"""
snapshot:
  description: The snapshot as it is after the run, in check mode as it is now; none if there is no such snapshot.
  returned: success
  type: dict
  contains:
    id:
      description: The appliance's number of the snapshot.
      type: int
      sample: 1044
    name:
      description: Its name.
      type: str
      sample: ferry-snapshot-web01.2
    description:
      description: Its description.
      type: str
      sample: Sync 2 of migration web01, taken by Ferry.
    status:
      description: Its status in lower case; V(complete) is whole.
      type: str
      sample: complete
    created:
      description: When it was taken, in UTC.
      type: str
      sample: "2026-11-28T14:00:00Z"
    active:
      description: Whether the instance's disks were written on from it.
      type: bool
      sample: true
    volume_ids:
      description: The appliance's numbers of the volumes that it holds.
      type: list
      elements: int
      sample: [1007, 1008]
instance:
  description: The instance as it is after the run, as M(ferry.hvm.morpheus_instance_info) returns it.
  returned: success
  type: dict
  sample:
    id: 1002
    name: web01
    status: stopped
    power_state: "off"
"""

from ansible_collections.ferry.hvm.plugins.module_utils.entry.appliance import CONNECTION
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_snapshot import work_snapshot
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, run_module

SPEC = ArgumentSpec(
    options={
        "state": {
            "type": "str",
            "choices": ["present", "absent", "reverted"],
            "required": True,
        },
        "instance": {"type": "str", "required": True},
        "name": {"type": "str", "required": True},
        "description": {"type": "str", "default": ""},
        "must_exist": {"type": "bool", "default": True},
    },
)


def main() -> None:
    run_module(SPEC.with_options(CONNECTION), work_snapshot)


if __name__ == "__main__":
    main()
