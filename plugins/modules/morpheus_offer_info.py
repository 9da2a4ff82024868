#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: morpheus_offer_info
short_description: Look at what a Morpheus appliance offers to a new instance
version_added: 0.1.0
description:
  - Returns the service plans, networks and datastores among which a new instance of a cloud, group and layout may choose.
author:
  - The Ferry authors (@ferry-hvm)
extends_documentation_fragment:
  - ferry.hvm.attributes
  - ferry.hvm.attributes.info
  - ferry.hvm.attributes.morpheus
  - ferry.hvm.morpheus
options:
  cloud:
    description:
      - Cloud, by name, code or id.
    type: str
    required: true
  group:
    description:
      - Group, by name, code or id.
    type: str
    required: true
  instance_type:
    description:
      - Instance type, by name, code or id.
    type: str
    required: true
  layout:
    description:
      - Layout, by name, code or id, of those that O(instance_type) has.
    type: str
    required: true
  cluster:
    description:
      - HVM cluster whose datastores are meant, by name or id. Without it those of O(cloud).
    type: str
seealso:
  - module: ferry.hvm.morpheus_instance
"""

EXAMPLES = r"""
- name: See which plans there are
  ferry.hvm.morpheus_offer_info:
    cloud: Lab Cloud
    group: Lab Group
    instance_type: mvm
    layout: mvm-1.0-single
  register: found
"""

RETURN = r"""
offer:
  description: What is offered. Each entry has C(id), C(name) and C(code), which is empty where there is none.
  returned: success
  type: dict
  contains:
    plans:
      description: >-
        Service plans, also with C(cpus), C(memory) in bytes, and whether an instance may have its own instead, C(own_cpus) and
        C(own_memory).
      type: list
      elements: dict
      sample:
        - id: 73
          name: lab-2c-2g
          code: lab-2c-2g
          cpus: 2
          memory: 2147483648
          own_cpus: false
          own_memory: false
    networks:
      description: Networks.
      type: list
      elements: dict
      sample:
        - id: 22
          name: migration
          code: ""
    datastores:
      description: Datastores.
      type: list
      elements: dict
      sample:
        - id: 12
          name: lab-datastore
          code: ""
"""

from ansible_collections.ferry.hvm.plugins.module_utils.entry.appliance import CONNECTION
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_offer_info import (
    work_offer_info,
)
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, run_module

SPEC = ArgumentSpec(
    options={
        "cloud": {"type": "str", "required": True},
        "group": {"type": "str", "required": True},
        "instance_type": {"type": "str", "required": True},
        "layout": {"type": "str", "required": True},
        "cluster": {"type": "str"},
    }
)


def main() -> None:
    run_module(SPEC.with_options(CONNECTION), work_offer_info)


if __name__ == "__main__":
    main()
