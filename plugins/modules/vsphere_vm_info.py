#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: vsphere_vm_info
short_description: Look at VMware VMs, their hardware, disks and snapshots
version_added: 0.1.0
description:
  - Returns what a migration wants to know of a VM, of all VMs with a name, or of all that the user may see.
author:
  - The Ferry authors (@ferry-hvm)
extends_documentation_fragment:
  - ferry.hvm.attributes
  - ferry.hvm.attributes.info
  - ferry.hvm.attributes.vsphere
  - ferry.hvm.vsphere
  - ferry.hvm.vsphere.machine
seealso:
  - module: ferry.hvm.vsphere_snapshot
"""

EXAMPLES = r"""
- name: See what web01 is
  ferry.hvm.vsphere_vm_info:
    name: web01
  register: found
"""

RETURN = r"""
vms:
  description: The VMs; an empty list if none has the name. A O(moid), O(uuid) or path that nothing has fails.
  returned: success
  type: list
  elements: dict
  contains:
    moid:
      description: Its reference.
      type: str
      sample: vm-42
    name:
      description: Its name.
      type: str
      sample: web01
    instance_uuid:
      description: Its UUID in the vCenter.
      type: str
      sample: 5032a1f0-8f3c-7a1e-2d44-90b1c2d3e4f5
    bios_uuid:
      description: The UUID that the guest sees.
      type: str
      sample: 42321c5e-90c0-4f7d-9a4b-1c2d3e4f5a6b
    template:
      description: Whether it is a template.
      type: bool
      sample: false
    power_state:
      description: V(poweredOn), V(poweredOff) or V(suspended).
      type: str
      sample: poweredOn
    connection_state:
      description: V(connected), unless its host or its files are out of reach.
      type: str
      sample: connected
    path:
      description: Its inventory path; none for a VM in a vApp.
      type: str
      sample: /DC0/vm/web01
    datacenter:
      description: Inventory path of its datacenter, without the first slash.
      type: str
      sample: DC0
    cpus:
      description: Number of virtual CPUs.
      type: int
      sample: 2
    cores_per_socket:
      description: How many of them are in one socket.
      type: int
      sample: 1
    memory:
      description: Its memory in bytes.
      type: int
      sample: 4294967296
    hardware_version:
      description: Version of its virtual hardware.
      type: int
      sample: 19
    firmware:
      description: V(bios) or V(efi).
      type: str
      sample: efi
    secure_boot:
      description: Whether its firmware boots only what is signed.
      type: bool
      sample: false
    tpm:
      description: Whether it has a virtual TPM.
      type: bool
      sample: false
    encrypted:
      description: Whether its files are encrypted.
      type: bool
      sample: false
    host:
      description: The ESXi host that has it.
      type: dict
      contains:
        name:
          description: Its name.
          type: str
          sample: esx1.example.com
        version:
          description: Its version.
          type: str
          sample: 8.0.2
        build:
          description: Its build.
          type: str
          sample: "22380479"
    guest:
      description: What the vCenter believes, and VMware Tools tell, of the guest.
      type: dict
      contains:
        id:
          description: The system that the VM was made for.
          type: str
          sample: debian12_64Guest
        full_name:
          description: What VMware Tools tell of the running system, else what the VM was made for, for people.
          type: str
          sample: Debian GNU/Linux 12 (64-bit)
        hostname:
          description: Its host name; none without VMware Tools.
          type: str
          sample: web01.example.com
        tools_running:
          description: Whether VMware Tools run.
          type: bool
          sample: true
        tools_version_status:
          description: How their version is judged.
          type: str
          sample: guestToolsUnmanaged
    change_tracking:
      description: Changed block tracking.
      type: dict
      contains:
        supported:
          description: Whether the VM can track changes.
          type: bool
          sample: true
        enabled:
          description: Whether it does.
          type: bool
          sample: false
    needs_consolidation:
      description: Whether files of its disks wait to be merged.
      type: bool
      sample: false
    interfaces:
      description: Its network interfaces, by key.
      type: list
      elements: dict
      contains:
        key:
          description: The number by which the VM knows it.
          type: int
          sample: 4000
        label:
          description: What the vCenter shows.
          type: str
          sample: Network adapter 1
        type:
          description: The kind of card, as the API calls it.
          type: str
          sample: Vmxnet3
        mac:
          description: Its address in lower case.
          type: str
          sample: 00:50:56:8a:00:01
        network:
          description: Name of its network or port group.
          type: str
          sample: VM Network
        connected:
          description: Whether its link is up.
          type: bool
          sample: true
        starts_connected:
          description: Whether its link is up when the VM is powered on.
          type: bool
          sample: true
        addresses:
          description: Its IP addresses; none without VMware Tools.
          type: list
          elements: str
          sample: [192.0.2.10]
    disks:
      description: Its disks, by key.
      type: list
      elements: dict
      contains:
        key:
          description: The number by which the VM knows the disk.
          type: int
          sample: 2000
        label:
          description: What the vCenter shows.
          type: str
          sample: Hard disk 1
        uuid:
          description: UUID of its backing; none if it has none.
          type: str
          sample: 6000C293-7a88-110e-6d1f-2b3c4d5e6f70
        capacity:
          description: Its size in bytes.
          type: int
          sample: 42949672960
        unit:
          description: Its unit on its controller.
          type: int
          sample: 0
        controller:
          description: What it is attached to.
          type: dict
          contains:
            key:
              description: The number by which the VM knows the controller.
              type: int
              sample: 1000
            type:
              description: The kind of controller, as the API calls it.
              type: str
              sample: ParaVirtualSCSI
            bus:
              description: The number of its bus among those of its kind.
              type: int
              sample: 0
        file:
          description: Its descriptor on the datastore.
          type: str
          sample: "[datastore1] web01/web01.vmdk"
        backing:
          description: The kind of backing, as the API calls it.
          type: str
          sample: FlatVer2
        mode:
          description: How it takes writes; V(independent_persistent) and V(independent_nonpersistent) stay out of snapshots.
          type: str
          sample: persistent
        thin:
          description: Whether storage is only used for what was written.
          type: bool
          sample: true
        has_parent:
          description: Whether its file only holds what was written since a snapshot.
          type: bool
          sample: false
        change_id:
          description: The moment of its change tracking; none in a VM (snapshots have them), and where nothing is tracked.
          type: str
          sample: 52 3c 9f 01 7a 88 11 0e-6d 1f 2b 3c 4d 5e 6f 70/4
        snapshot_obstacle:
          description: Why a snapshot does not hold it; none if it does.
          type: str
          sample: it is independent
    snapshots:
      description: Its snapshots, parents before their children.
      type: list
      elements: dict
      contains:
        moid:
          description: Its reference, by which later calls name it.
          type: str
          sample: snapshot-142
        name:
          description: Its name. It need not be the only one called so.
          type: str
          sample: ferry-web01
        description:
          description: Its description.
          type: str
          sample: Made by Ferry for migration web01. It goes when the sync has ended.
        created:
          description: When it was taken, by the clock of the vCenter, in UTC.
          type: str
          sample: "2026-11-28T13:28:44+00:00"
        quiesced:
          description: Whether VMware Tools brought the guest to a consistent state first.
          type: bool
          sample: true
        consistency:
          description:
            - V(filesystem_consistent) when it was quiesced; whether applications took part is not known to the vCenter.
            - V(powered_off) when Ferry took it of a VM that was off.
            - V(crash_consistent) else.
          type: str
          sample: filesystem_consistent
        current:
          description: Whether the VM writes on top of it.
          type: bool
          sample: true
        parent:
          description: Reference of the snapshot on which it was taken; none for the first.
          type: str
          sample: null
        migration_id:
          description: The migration that Ferry took it for; none for a snapshot that is not Ferry's.
          type: str
          sample: web01
"""

from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import run_module
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vcenter import CONNECTION, MACHINE
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vsphere_vm_info import work_vm_info

SPEC = MACHINE


def main() -> None:
    run_module(SPEC.with_options(CONNECTION), work_vm_info)


if __name__ == "__main__":
    main()
