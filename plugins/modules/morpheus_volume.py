#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: morpheus_volume
short_description: Attach, detach or delete a storage volume on a Morpheus appliance
version_added: 0.1.0
description:
  - Moves a storage volume to an instance, as its root (boot) volume or as a data volume, takes it from there,
    or deletes it with its data.
  - After each step the server is read again, and the module succeeds only when what was asked is true there.
  - Nothing is forced. A volume is not taken from an instance to be given to another, a second root volume
    is refused, an instance that is not off is not touched, and a volume that an instance has is not deleted.
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
    support: full
options:
  state:
    description:
      - V(attached) attaches the volume to O(instance). One that is there in another role or unit is
        detached and attached again.
      - V(detached) takes the volume from O(instance), or without O(instance) from whichever has it.
      - V(absent) deletes the volume for good, and is refused while an instance has it.
    type: str
    choices: [attached, detached, absent]
    required: true
  id:
    description:
      - The appliance's number of the volume.
    type: int
  name:
    description:
      - Name of the volume. Where several have it, the one that O(instance) has is meant, else the module fails.
    type: str
  instance:
    description:
      - Name of the instance.
    type: str
  root:
    description:
      - Whether the instance boots from the volume. Only used by O(state=attached).
    type: bool
    default: false
  unit:
    description:
      - Unit number on the controller that the instance's other volumes are on. Only used by O(state=attached).
      - Without it the volume stays at its unit, or gets the lowest one that is free.
    type: int
  yielding_snapshots:
    description:
      - Names of snapshots of the instance that are deleted where the appliance refuses to attach or detach the
        volume while they exist; the module then asks once more. RV(deleted_snapshots) and a warning tell it.
      - While the instance has a snapshot that is not named here none is deleted, for that would not help.
    type: list
    elements: str
    default: []
seealso:
  - module: ferry.hvm.morpheus_volume_info
"""

EXAMPLES = r"""
- name: Take the guest's own root away, and remember its place
  ferry.hvm.morpheus_volume:
    state: detached
    name: root
    instance: web01
  register: guest_root

- name: Let the instance boot the worker
  ferry.hvm.morpheus_volume:
    state: attached
    name: ferry-worker-web01
    instance: web01
    root: true

- name: Delete a volume that no instance has
  ferry.hvm.morpheus_volume:
    state: absent
    name: ferry-worker-web01
"""

RETURN = r"""
deleted_snapshots:
  description: Names of the snapshots that were deleted so that the volume could be moved.
  returned: success
  type: list
  elements: str
  sample: [ferry-snapshot-web01.2]
volume:
  description: The volume as it is after the run, in check mode as it is now; none if there is no such volume.
  returned: success
  type: dict
  contains:
    id:
      description: The appliance's number of the volume.
      type: int
      sample: 1007
    uuid:
      description: Its UUID.
      type: str
      sample: 0b1ae2bb-6d2e-4ba2-a8a5-6bb2b1c9a0d5
    name:
      description: Its name.
      type: str
      sample: ferry-worker-web01
    size:
      description: Its size in bytes.
      type: int
      sample: 2147483648
    root:
      description: Whether an instance boots from it.
      type: bool
      sample: true
    unit:
      description: Its unit on its controller; none while it is attached to nothing.
      type: int
      sample: 0
    controller_id:
      description: The appliance's number of its controller; none while it is attached to nothing.
      type: int
      sample: 1005
    status:
      description: Its status in lower case; V(provisioned) is ready for use.
      type: str
      sample: provisioned
    instance:
      description: Name of the instance that has it; none while it is attached to nothing.
      type: str
      sample: web01
    server_id:
      description: The appliance's number of the server that has it.
      type: int
      sample: 1004
"""

from ansible_collections.ferry.hvm.plugins.module_utils.entry.appliance import CONNECTION
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_volume import work_volume
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, run_module

SPEC = ArgumentSpec(
    options={
        "state": {
            "type": "str",
            "choices": ["attached", "detached", "absent"],
            "required": True,
        },
        "id": {"type": "int"},
        "name": {"type": "str"},
        "instance": {"type": "str"},
        "root": {"type": "bool", "default": False},
        "unit": {"type": "int"},
        "yielding_snapshots": {"type": "list", "elements": "str", "default": []},
    },
    required_if=[("state", "attached", ["instance"])],
    required_one_of=[("id", "name")],
    mutually_exclusive=[("id", "name")],
)


def main() -> None:
    run_module(SPEC.with_options(CONNECTION), work_volume)


if __name__ == "__main__":
    main()
