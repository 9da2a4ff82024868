#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: morpheus_instance
short_description: Create, start, stop, rewire or remove an instance on a Morpheus appliance
version_added: 0.1.0
description:
  - Brings about an HVM instance, its absence, or its power state, and waits until instance and server both say so.
  - Of an instance that exists, O(state=present) changes only tags, labels and network cards. Its volumes, image
    and plan are left as they are, because volumes come and go during a migration (M(ferry.hvm.morpheus_volume)).
author:
  - The Ferry authors (@ferry-hvm)
extends_documentation_fragment:
  - ferry.hvm.attributes
  - ferry.hvm.attributes.morpheus
  - ferry.hvm.morpheus
attributes:
  check_mode:
    support: full
    details: Names are looked up in check mode too, so that a wrong one is found.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) creates the instance if there is none of this name, else sees to its tags, labels and network cards.
      - V(absent) removes the instance.
      - V(started) starts it and waits until it runs. V(stopped) shuts it down and waits until its power is off.
    type: str
    choices: [present, absent, started, stopped]
    default: present
  name:
    description:
      - Name of the instance, by which it is found.
    type: str
    required: true
  cloud:
    description:
      - Cloud of a new instance, by name, code or id.
    type: str
  group:
    description:
      - Group of a new instance, by name, code or id.
    type: str
  cluster:
    description:
      - HVM cluster of a new instance, by name or id. It also selects the datastores.
    type: str
  resource_pool:
    description:
      - Resource pool of a new instance, by name, by id, as V(pool-5) or as V(poolGroup-3).
      - Without it the pool that has the name of O(cluster) is used.
    type: str
  instance_type:
    description:
      - Instance type of a new instance, by name, code or id.
    type: str
  layout:
    description:
      - Layout of a new instance, by name, code or id, of those that O(instance_type) has.
    type: str
  plan:
    description:
      - Service plan of a new instance, by name, code or id.
    type: str
  cpus:
    description:
      - Virtual CPUs of a new instance, where its plan lets it have its own. Without it the plan's.
    type: int
  memory:
    description:
      - Memory of a new instance in bytes, where its plan lets it have its own. Without it the plan's.
    type: int
  image:
    description:
      - Name of the virtual image that the root volume of a new instance is made from. Without it all volumes are empty.
    type: str
  volumes:
    description:
      - Volumes of a new instance. Exactly one of them is the root.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the volume.
        type: str
        required: true
      size:
        description:
          - Size in bytes. The appliance makes volumes of whole GiB, so it is rounded up.
        type: int
        required: true
      root:
        description:
          - Whether the instance boots from it.
        type: bool
        default: false
      datastore:
        description:
          - Datastore, by name or id. Without it the appliance chooses one.
        type: str
      unit:
        description:
          - Unit number that the volume shall get. Volumes are asked for in the order of their units,
            and the module fails if the appliance gives them others.
        type: int
  networks:
    description:
      - Network cards, in their order. An instance that exists gets exactly these, if it is off. Its volumes, CPUs and memory stay.
    type: list
    elements: dict
    suboptions:
      network:
        description:
          - Network, by name, code or id.
        type: str
        required: true
      mac:
        description:
          - MAC address. Without it a card keeps the one that it has, and a new one gets one from the appliance.
        type: str
  powered_off:
    description:
      - Whether a new instance is made without being started. That is the default because an instance
        of a migration must not boot before its disks and networks are right.
    type: bool
    default: true
  tags:
    description:
      - Tags that the instance shall carry. Other tags stay.
    type: dict
  labels:
    description:
      - Labels that the instance shall carry. Other labels stay.
    type: list
    elements: str
  preserve_volumes:
    description:
      - Whether O(state=absent) must not delete any volume. It is refused while the instance still has volumes,
        because they would stay behind with nobody who knows of them. With V(false) the volumes that
        the instance still has are deleted with it.
    type: bool
    default: false
  force:
    description:
      - Whether O(state=absent) passes over troubles of the removal on the appliance.
    type: bool
    default: false
seealso:
  - module: ferry.hvm.morpheus_instance_info
  - module: ferry.hvm.morpheus_volume
"""

EXAMPLES = r"""
- name: Make an instance with empty disks, powered off
  ferry.hvm.morpheus_instance:
    name: web01
    cloud: Lab Cloud
    group: Lab Group
    cluster: lab-cluster
    instance_type: mvm
    layout: mvm-1.0-single
    plan: lab-2c-2g
    volumes:
      - name: root
        size: 10737418240
        root: true
      - name: data
        size: 5368709120
    networks:
      - network: migration
    tags:
      ferry: web01

- name: Give it the production network and the source's MAC address
  ferry.hvm.morpheus_instance:
    name: web01
    networks:
      - network: production
        mac: 00:50:56:01:02:03

- name: Start it
  ferry.hvm.morpheus_instance:
    name: web01
    state: started

- name: Remove an instance that has no volumes any more
  ferry.hvm.morpheus_instance:
    name: ferry-creator-web01
    state: absent
    preserve_volumes: true
"""

RETURN = r"""
instance:
  description: The instance as it is after the run, in check mode as it is now; none if there is no such instance.
  returned: success
  type: dict
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
      sample:
        - id: 1006
          uuid: 5f1b6a4e-2fd5-4ae3-a9a8-64a0c0d2c1a1
          name: root
          size: 10737418240
          root: true
          unit: 0
          controller_id: 1005
    interfaces:
      description: Its network cards, each with C(id), C(network), C(mac) and C(address), which is empty if not known.
      type: list
      elements: dict
      sample:
        - id: 1008
          network: migration
          mac: 52:54:00:8a:1c:02
          address: 198.18.2.104
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
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_instance import work_instance
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, run_module

VOLUME_OPTIONS = {
    "name": {"type": "str", "required": True},
    "size": {"type": "int", "required": True},
    "root": {"type": "bool", "default": False},
    "datastore": {"type": "str"},
    "unit": {"type": "int"},
}
NETWORK_OPTIONS = {"network": {"type": "str", "required": True}, "mac": {"type": "str"}}

SPEC = ArgumentSpec(
    options={
        "state": {
            "type": "str",
            "choices": ["present", "absent", "started", "stopped"],
            "default": "present",
        },
        "name": {"type": "str", "required": True},
        "cloud": {"type": "str"},
        "group": {"type": "str"},
        "cluster": {"type": "str"},
        "resource_pool": {"type": "str"},
        "instance_type": {"type": "str"},
        "layout": {"type": "str"},
        "plan": {"type": "str"},
        "cpus": {"type": "int"},
        "memory": {"type": "int"},
        "image": {"type": "str"},
        "volumes": {"type": "list", "elements": "dict", "options": VOLUME_OPTIONS},
        "networks": {"type": "list", "elements": "dict", "options": NETWORK_OPTIONS},
        "powered_off": {"type": "bool", "default": True},
        "tags": {"type": "dict"},
        "labels": {"type": "list", "elements": "str"},
        "preserve_volumes": {"type": "bool", "default": False},
        "force": {"type": "bool", "default": False},
    }
)


def main() -> None:
    run_module(SPEC.with_options(CONNECTION), work_instance)


if __name__ == "__main__":
    main()
