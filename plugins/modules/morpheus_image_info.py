#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: morpheus_image_info
short_description: Look at virtual images of a Morpheus appliance
version_added: 0.1.0
description:
  - Returns the virtual images that users made, with their files, and whether those are whole.
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
      - Only images that have exactly this name.
    type: str
  tags:
    description:
      - Only images that carry all of these tags with these values.
    type: dict
seealso:
  - module: ferry.hvm.morpheus_image
"""

EXAMPLES = r"""
- name: Look for the worker's image
  ferry.hvm.morpheus_image_info:
    name: ferry-worker-web01
  register: found
"""

RETURN = r"""
images:
  description: The images; an empty list if there are none.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The appliance's number of the image.
      type: int
      sample: 1001
    name:
      description: Its name.
      type: str
      sample: ferry-worker-web01
    image_type:
      description: What its file is.
      type: str
      sample: raw
    status:
      description: Its status in lower case; V(active) is ready for use.
      type: str
      sample: active
    complete:
      description: Whether it is active and holds its one file whole.
      type: bool
      sample: true
    min_disk:
      description: Bytes that a root volume must have at least; 0 if not told.
      type: int
      sample: 2147483648
    uefi:
      description: Whether it boots by UEFI.
      type: bool
      sample: false
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
    files:
      description: Its files, each with C(name) and C(length) in bytes.
      type: list
      elements: dict
      sample:
        - name: ferry-worker-web01.raw
          length: 134217728
"""

from ansible_collections.ferry.hvm.plugins.module_utils.entry.appliance import CONNECTION
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_image_info import (
    work_image_info,
)
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, run_module

SPEC = ArgumentSpec(options={"name": {"type": "str"}, "tags": {"type": "dict"}})


def main() -> None:
    run_module(SPEC.with_options(CONNECTION), work_image_info)


if __name__ == "__main__":
    main()
