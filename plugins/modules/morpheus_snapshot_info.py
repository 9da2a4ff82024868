#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: morpheus_snapshot_info
short_description: Look at the snapshots of an instance on a Morpheus appliance
version_added: 0.1.0
description:
  - Returns the snapshots of an instance.
author:
  - The Ferry authors (@ferry-hvm)
extends_documentation_fragment:
  - ferry.hvm.attributes
  - ferry.hvm.attributes.info
  - ferry.hvm.attributes.morpheus
  - ferry.hvm.morpheus
options:
  instance:
    description:
      - Name of the instance.
    type: str
    required: true
seealso:
  - module: ferry.hvm.morpheus_snapshot
"""

EXAMPLES = r"""
- name: See which snapshots the target has
  ferry.hvm.morpheus_snapshot_info:
    instance: web01
  register: found
"""

RETURN = r"""
snapshots:
  description: The snapshots, the oldest first; an empty list if there are none, or no such instance.
  returned: success
  type: list
  elements: dict
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
"""

from ansible_collections.ferry.hvm.plugins.module_utils.entry.appliance import CONNECTION
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_snapshot_info import (
    work_snapshot_info,
)
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, run_module

SPEC = ArgumentSpec(options={"instance": {"type": "str", "required": True}})


def main() -> None:
    run_module(SPEC.with_options(CONNECTION), work_snapshot_info)


if __name__ == "__main__":
    main()
