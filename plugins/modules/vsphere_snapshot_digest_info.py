#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: vsphere_snapshot_digest_info
short_description: Read the disks of a VMware VM's snapshot by one reader, and return their digests
version_added: 0.1.0
description:
  - Reads every byte of the disks of the migration's snapshot, as a source worker's sender would, and returns a digest of each. Readers
    that return the same digest read the same bytes; so a reader is proven on a vCenter before a migration relies on it.
  - It takes as long as reading the disks takes. Nothing is kept.
  - It runs where the disks are to be read, as a rule on the source worker.
author:
  - The Ferry authors (@ferry-hvm)
extends_documentation_fragment:
  - ferry.hvm.attributes
  - ferry.hvm.attributes.info
  - ferry.hvm.attributes.vsphere
  - ferry.hvm.vsphere
  - ferry.hvm.vsphere.machine
options:
  migration_id:
    description:
      - Id of the migration whose snapshot is read. The VM has exactly one.
    type: str
    required: true
  reader:
    description:
      - How the disks are read, as in M(ferry.hvm.source_export). A reader that cannot be right for a disk fails, with the reason.
    type: str
    choices: [auto, vddk, datastore, export]
    default: auto
  left_out_disks:
    description:
      - Keys of disks that are not read.
    type: list
    elements: int
    default: []
  vddk_libdir:
    description:
      - Folder of the unpacked VDDK; the plugin's own if left out.
    type: str
seealso:
  - module: ferry.hvm.vsphere_snapshot
  - module: ferry.hvm.source_export
"""

EXAMPLES = r"""
- name: Read the snapshot's disks by the datastore
  ferry.hvm.vsphere_snapshot_digest_info:
    moid: vm-42
    migration_id: web01
    reader: datastore
  delegate_to: worker1
  register: read
"""

RETURN = r"""
disks:
  description: The disks of the snapshot, by key, without those that were left out.
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: The disk's key.
      type: int
      sample: 2000
    reader:
      description: By which reader it was read.
      type: str
      sample: datastore
    reader_reason:
      description: Why by this one.
      type: str
      sample: it was asked for
    size:
      description: Its size in bytes; all of them were read.
      type: int
      sample: 42949672960
    digest:
      description: BLAKE2b of 256 bits, in hexadecimal digits, as C(b2sum -l 256) prints it of an image of the disk.
      type: str
      sample: 6fa5c1b1b4ea2c0bba6e8ea8a0d1fbf0ab1b6b6d3b4e5f60718293a4b5c6d7e8
    open_seconds:
      description: How long it took to open the disk.
      type: float
      sample: 0.41
    read_seconds:
      description: How long it took to read it.
      type: float
      sample: 93.7
"""

from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import ArgumentSpec, run_module
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vcenter import CONNECTION, ONE_MACHINE
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vsphere_snapshot_digest_info import (
    work_snapshot_digest_info,
)

SPEC = ArgumentSpec(
    options={
        "migration_id": {"type": "str", "required": True},
        "reader": {
            "type": "str",
            "choices": ["auto", "vddk", "datastore", "export"],
            "default": "auto",
        },
        "left_out_disks": {"type": "list", "elements": "int", "default": []},
        "vddk_libdir": {"type": "str"},
    },
).with_options(ONE_MACHINE)


def main() -> None:
    run_module(SPEC.with_options(CONNECTION), work_snapshot_digest_info)


if __name__ == "__main__":
    main()
