#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: morpheus_volume_set
short_description: Add, grow and delete volumes of an instance on a Morpheus appliance
version_added: 0.1.0
description:
  - Sees to it that an instance that exists has the named volumes, each at least as large as asked, and that it does
    not have those that shall go. All of it is one change on the appliance.
  - A volume is never shrunk, and only a volume that O(absent) names is deleted. All others stay; the module succeeds only
    when they are there.
  - An instance that is not off is not touched, and its root volume is not deleted.
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
  instance:
    description:
      - Name of the instance.
    type: str
    required: true
  cluster:
    description:
      - HVM cluster whose datastores are meant, by name or id. Without it those of the instance's cloud.
    type: str
  volumes:
    description:
      - Volumes that the instance shall have.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - Name of the volume, by which it is found.
        type: str
        required: true
      size:
        description:
          - Least size in bytes. The appliance makes volumes of whole GiB, so it is rounded up. A larger volume stays as it is.
        type: int
        required: true
      datastore:
        description:
          - Datastore of a new volume, by name or id. Without it the appliance chooses one. A volume that is there is not moved.
        type: str
  absent:
    description:
      - Names of volumes that are deleted with their data. One that the instance does not have is passed over.
    type: list
    elements: str
    default: []
  yielding_snapshots:
    description:
      - Names of snapshots of the instance that are deleted where the appliance refuses the change while they exist; the
        module then asks once more. RV(deleted_snapshots) and a warning tell it.
      - While the instance has a snapshot that is not named here none is deleted, for that would not help.
    type: list
    elements: str
    default: []
seealso:
  - module: ferry.hvm.morpheus_volume
  - module: ferry.hvm.morpheus_instance
"""

EXAMPLES = r"""
- name: The source got a disk, and one of its disks grew
  ferry.hvm.morpheus_volume_set:
    instance: web01
    volumes:
      - name: disk-2000
        size: 10737418240
      - name: disk-2001
        size: 5368709120
        datastore: datastore1

- name: Delete the volume of a disk that the source has no more
  ferry.hvm.morpheus_volume_set:
    instance: web01
    absent: [disk-2001]
"""

RETURN = r"""
deleted_snapshots:
  description: Names of the snapshots that were deleted so that the volumes could be changed.
  returned: success
  type: list
  elements: str
  sample: [ferry-snapshot-web01.2]
instance:
  description: The instance as M(ferry.hvm.morpheus_instance) returns it, after the run; in check mode as it is now.
  returned: success
  type: dict
"""

from ansible_collections.ferry.hvm.plugins.module_utils.entry.appliance import CONNECTION
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_volume_set import (
    work_volume_set,
)
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, run_module

VOLUME_OPTIONS = {
    "name": {"type": "str", "required": True},
    "size": {"type": "int", "required": True},
    "datastore": {"type": "str"},
}

SPEC = ArgumentSpec(
    options={
        "instance": {"type": "str", "required": True},
        "cluster": {"type": "str"},
        "volumes": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": VOLUME_OPTIONS,
        },
        "absent": {"type": "list", "elements": "str", "default": []},
        "yielding_snapshots": {"type": "list", "elements": "str", "default": []},
    }
)


def main() -> None:
    run_module(SPEC.with_options(CONNECTION), work_volume_set)


if __name__ == "__main__":
    main()
