#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: morpheus_volume_info
short_description: Look at storage volumes of a Morpheus appliance
version_added: 0.1.0
description:
  - Returns the storage volumes that the user may see, and which instance has each of them.
author:
  - The Ferry authors (@ferry-hvm)
extends_documentation_fragment:
  - ferry.hvm.attributes
  - ferry.hvm.attributes.info
  - ferry.hvm.attributes.morpheus
  - ferry.hvm.morpheus
options:
  id:
    description:
      - Only the volume with this number.
    type: int
  name:
    description:
      - Only volumes that have exactly this name.
    type: str
seealso:
  - module: ferry.hvm.morpheus_volume
"""

EXAMPLES = r"""
- name: See who has the worker volume
  ferry.hvm.morpheus_volume_info:
    name: ferry-worker-web01
  register: found
"""

RETURN = r"""
volumes:
  description: The volumes; an empty list if there are none.
  returned: success
  type: list
  elements: dict
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
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_volume_info import (
    work_volume_info,
)
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, run_module

SPEC = ArgumentSpec(
    options={"id": {"type": "int"}, "name": {"type": "str"}},
    mutually_exclusive=[("id", "name")],
)


def main() -> None:
    run_module(SPEC.with_options(CONNECTION), work_volume_info)


if __name__ == "__main__":
    main()
