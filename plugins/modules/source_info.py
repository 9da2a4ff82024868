# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: source_info
short_description: Tell what a source server is
version_added: 0.1.0
author:
  - The Ferry authors (@ferry-hvm)
description:
  - Returns a source server's disks and what a migration must know of the server.
  - Changes nothing on the server and leaves nothing there. It needs SSH and any Python from 3.6 on,
    also those that Ansible itself no longer runs modules on.
  - Without root some facts are missing, such as the serials of disks; RV(source.is_root) says so.
extends_documentation_fragment:
  - ferry.hvm.attributes
  - ferry.hvm.attributes.info
options:
  port:
    description: The TCP port whose being free is told in RV(source.port_free).
    type: int
    default: 5994
  disks:
    description: The disks that RV(source.view) is told of, as in M(ferry.hvm.source_export). Every fixed disk if empty.
    type: list
    elements: str
    default: []
  source_view:
    description: The view that RV(source.view) is told of, as in M(ferry.hvm.source_export).
    type: str
    choices: [auto, moving, lvm_snapshot, stopped]
    default: auto
  used_blocks:
    description: Whether the view has to stand still, as O(ferry.hvm.source_export#module:used_blocks) needs it.
    type: bool
    default: false
notes:
  - The Python is the one of C(ansible_python_interpreter) if the inventory sets it. Otherwise the first
    that runs of C(python3), C(/usr/libexec/platform-python) and C(python3.15) down to C(python3.6).
seealso:
  - module: ferry.hvm.source_export
"""

EXAMPLES = r"""
- name: Observe the source server
  ferry.hvm.source_info:
  register: observed
  become: true
"""

RETURN = r"""
source:
  description: The source server.
  type: dict
  returned: success
  contains:
    hostname:
      description: The host's own name.
      type: str
      sample: web01
    os:
      description: The operating system by os-release, C(id), C(like) (a list), C(version) and C(name).
      type: dict
      sample: {id: debian, like: [], name: Debian GNU/Linux 12 (bookworm), version: '12'}
    kernel:
      description: The running kernel's release.
      type: str
      sample: 6.1.0-44-amd64
    architecture:
      description: The machine's architecture.
      type: str
      sample: x86_64
    firmware:
      description: V(efi) or V(bios), as the running system was booted.
      type: str
      sample: bios
    secure_boot:
      description: Whether the firmware started only what is signed.
      type: bool
      sample: false
    cpus:
      description: The number of processors.
      type: int
      sample: 2
    memory:
      description: The memory in bytes, less what the kernel keeps for itself.
      type: int
      sample: 506396672
    interfaces:
      description: >-
        The network interfaces without the loopback: C(name), C(mac), C(is_physical), C(addresses) with
        their prefix length.
      type: list
      elements: dict
      sample:
        - {addresses: [198.18.1.11/24], is_physical: true, mac: '00:50:56:00:00:11', name: ens192}
    disks:
      description: >-
        The disks: C(name), C(path), C(size) and C(sector_size) in bytes, C(serial) or null, C(unit) (the SCSI
        address or null), C(removable), C(mounted) (mount points of its file systems).
      type: list
      elements: dict
      sample:
        - mounted: [/]
          name: sda
          path: /dev/sda
          removable: false
          sector_size: 512
          serial: null
          size: 3221225472
          unit: 0:0:0:0
    file_systems:
      description: >-
        What is mounted from block devices: C(device), C(mount_point), C(type), C(read_only), C(size) and C(used)
        in bytes.
      type: list
      elements: dict
      sample:
        - {device: /dev/sda1, mount_point: /, read_only: false, size: 3090849792, type: ext4, used: 1181116006}
    exports:
      description: >-
        The exports that run on this server now, of any migration: C(migration_id), C(run), C(pid),
        C(port).
      type: list
      elements: dict
      sample: []
    snapshots:
      description: >-
        The snapshots of LVM that Ferry took on this server, of any migration: C(name) (group/volume),
        C(migration_id), and C(full), how much of its room each has used, in percent.
      type: list
      elements: dict
      sample: []
    view:
      description: >-
        What an export of O(disks) with O(source_view) would be: C(view), null where it would be refused, and
        C(reason), why it would be or why V(auto) is no better.
      type: dict
      sample: {reason: The source has no LVM., view: moving}
    port_free:
      description: Whether nothing listens on O(port).
      type: bool
      sample: true
    is_root:
      description: Whether the facts were read as root.
      type: bool
      sample: true
    python:
      description: The version of the Python that read the facts.
      type: str
      sample: 3.11.2
"""
