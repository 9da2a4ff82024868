#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: morpheus_image
short_description: Keep a virtual image with its file on a Morpheus appliance
version_added: 0.1.0
description:
  - Uploads a disk image and verifies that all of it arrived, or removes it from the appliance and from all clouds.
  - Length and SHA-256 of the file are kept on the image as the tags C(ferry_length) and C(ferry_sha256). An image of
    the same name that holds this very file is left as it is.
  - What an interrupted upload left, or an earlier file, is removed and made again, provided that the image carries
    these tags and the same tag C(ferry), which names the migration. Any other image is somebody else's, and the
    module fails.
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
      - V(present) uploads the file unless it is there.
      - V(absent) removes every image of this name that users made, with the copies that clouds cached.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - Name of the virtual image.
    type: str
    required: true
  path:
    description:
      - The image file on the host where the module runs. Needed for O(state=present).
    type: path
  image_type:
    description:
      - What the file is. The bytes of V(raw) are used as the disk. V(iso) gives an instance a medium and an empty disk.
    type: str
    choices: [raw, qcow2, iso]
    default: raw
  min_disk:
    description:
      - Bytes that the root volume of an instance made from the image must have at least. Set at upload only.
    type: int
  uefi:
    description:
      - Whether instances made from the image boot by UEFI. Set at upload only; an image for the other firmware is none of
        the wanted.
    type: bool
    default: false
  tags:
    description:
      - Tags that the image shall carry. Other tags stay.
    type: dict
  labels:
    description:
      - Labels that the image shall carry. Other labels stay.
    type: list
    elements: str
seealso:
  - module: ferry.hvm.morpheus_instance
"""

EXAMPLES = r"""
- name: Upload the worker of this migration
  ferry.hvm.morpheus_image:
    url: https://morpheus.example.com
    token: "{{ morpheus_token }}"
    name: ferry-worker-web01
    path: /var/tmp/ferry-worker-web01.iso
    image_type: raw
    min_disk: 2147483648
    labels: [ferry]
    tags:
      ferry: web01

- name: Remove it
  ferry.hvm.morpheus_image:
    url: https://morpheus.example.com
    token: "{{ morpheus_token }}"
    name: ferry-worker-web01
    state: absent
"""

RETURN = r"""
image:
  description: The image as the appliance has it after the run; none after a removal.
  returned: success; none in check mode if the image would change
  type: dict
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
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_image import work_image
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, run_module

SPEC = ArgumentSpec(
    options={
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "name": {"type": "str", "required": True},
        "path": {"type": "path"},
        "image_type": {"type": "str", "choices": ["raw", "qcow2", "iso"], "default": "raw"},
        "min_disk": {"type": "int"},
        "uefi": {"type": "bool", "default": False},
        "tags": {"type": "dict"},
        "labels": {"type": "list", "elements": "str"},
    },
    required_if=[("state", "present", ["path"])],
)


def main() -> None:
    run_module(SPEC.with_options(CONNECTION), work_image)


if __name__ == "__main__":
    main()
