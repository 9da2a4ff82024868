#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: morpheus_instance_info
short_description: Look at instances of a Morpheus appliance
version_added: 0.1.0
description:
  - Returns the instances that the user may see, with their volumes and network cards as their servers have them.
author:
  - The Ferry authors (@ferry-hvm)
extends_documentation_fragment:
  - ferry.hvm.attributes
  - ferry.hvm.attributes.info
  - ferry.hvm.attributes.morpheus
  - ferry.hvm.morpheus
options:
  name:
    description:
      - Only the instance that has exactly this name.
    type: str
  tags:
    description:
      - Only instances that carry all of these tags with these values.
    type: dict
  settled:
    description:
      - Whether to wait, for at most O(wait_timeout) seconds, until the appliance works on none of the instances.
    type: bool
    default: false
seealso:
  - module: ferry.hvm.morpheus_instance
"""

EXAMPLES = r"""
- name: Look at one instance
  ferry.hvm.morpheus_instance_info:
    name: web01
  register: found

- name: Find what belongs to a migration
  ferry.hvm.morpheus_instance_info:
    tags:
      ferry: web01
  register: found
"""

RETURN = r"""
instances:
  description: The instances; an empty list if there are none.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The appliance's number of the instance.
      type: int
      sample: 1002
    uuid:
      description: Its UUID.
      type: str
      sample: 27b3c39c-1ed2-4f35-8f64-4b2f0c1cf6b6
    name:
      description: Its name.
      type: str
      sample: web01
    status:
      description: Its status in lower case.
      type: str
      sample: stopped
    power_state:
      description: Power of its server, V(on), V(off), V(paused) or V(unknown).
      type: str
      sample: "off"
    server_id:
      description: The appliance's number of its server.
      type: int
      sample: 1004
    volumes:
      description: >-
        Its volumes, the root first, each with C(id), C(uuid), C(name), C(size) in bytes, C(root), C(unit) and
        C(controller_id).
      type: list
      elements: dict
      sample: []
    interfaces:
      description: Its network cards, each with C(id), C(network), C(mac) and C(address), which is empty if not known.
      type: list
      elements: dict
      sample: []
    tags:
      description: Its tags.
      type: dict
      sample:
        ferry: web01
    labels:
      description: Its labels.
      type: list
      elements: str
      sample: [ferry]
"""

from ansible_collections.ferry.hvm.plugins.module_utils.entry.appliance import CONNECTION
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_instance_info import (
    work_instance_info,
)
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, run_module

SPEC = ArgumentSpec(
    options={
        "name": {"type": "str"},
        "tags": {"type": "dict"},
        "settled": {"type": "bool", "default": False},
    }
)


def main() -> None:
    run_module(SPEC.with_options(CONNECTION), work_instance_info)


if __name__ == "__main__":
    main()
