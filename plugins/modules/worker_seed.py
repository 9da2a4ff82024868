#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: a target worker's disk for one migration, made from the worker image."""

from __future__ import annotations

DOCUMENTATION = r"""
module: worker_seed
short_description: Make the target worker's disk for one migration
version_added: 0.1.0
description:
  - Copies the worker image and adds a seed in a partition of its own, and a partition entry for the free space of the worker volume.
  - The seed tells the worker who may log in, which address it has, and which SSH host key to show at the first login.
  - The host key pair is made here. It is good for one login, in which the worker makes a new one in memory, because this one is
    in a file and in an uploaded image.
  - Needs no privileges and takes seconds, so it runs on the controller or in an execution environment.
extends_documentation_fragment:
  - ferry.hvm.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows the settings in the seed and the disk's size; never a private key.
  idempotent:
    support: full
    details: A disk that was made with the same arguments is kept, with its host key.
options:
  image:
    description: The worker image, as built by the role P(ferry.hvm.worker_image#role).
    type: path
    required: true
  dest:
    description:
      - The file to make. It is written aside and renamed, and readable by its owner only, because the bootstrap host key is in it.
      - Its folder must exist.
    type: path
    required: true
  migration_id:
    description:
      - The migration's id, which also becomes part of the worker's host name.
      - At most 50 lower case letters, digits and hyphens.
    type: str
    required: true
  authorized_key:
    description:
      - The public SSH key that may log in to the worker as root; one line such as C(ssh-ed25519 AAAA... comment), without options.
    type: str
    required: true
  address:
    description:
      - The worker's address on the migration network. V(dhcp), or an IPv4 or IPv6 address with its prefix length.
      - A worker with several NICs asks all of them for a lease. A static address goes to the first NIC on which the gateway answers.
    type: str
    default: dhcp
  gateway:
    description: The default gateway of a static O(address), in the same network. Without one the worker reaches its own network only.
    type: str
    default: ""
  mtu:
    description: The MTU of the worker's NICs in bytes, V(1280) to V(9216). V(0) leaves it as it is, or as DHCP's server says.
    type: int
    default: 0
  volume_size:
    description:
      - The size in bytes of the volume that the file is to be copied to. What the image and the seed leave free of it
        becomes the worker's file system, for a preparation's overlays.
      - At least 64 MiB more than the image and the seed.
    type: int
    required: true
  uefi:
    description:
      - Whether UEFI shall boot the disk. An image that only a BIOS boots, as Ferry built them at first, is refused then.
      - The disk is the same either way.
    type: bool
    default: false
requirements:
  - cryptography (a dependency of ansible-core)
author:
  - The Ferry authors (@ferry-hvm)
seealso:
  - module: ferry.hvm.morpheus_image
    description: Uploads the file.
"""

EXAMPLES = r"""
- name: Make the worker's disk
  ferry.hvm.worker_seed:
    image: "{{ worker_image_path }}"
    dest: "{{ workplace }}/ferry-worker-web01.raw"
    migration_id: web01
    authorized_key: "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
    volume_size: 4294967296
  register: worker_disk

- name: Make the disk of a worker without DHCP
  ferry.hvm.worker_seed:
    image: /srv/ferry/ferry-worker-3654e05395e65395.iso
    dest: /srv/ferry/ferry-worker-db01.raw
    migration_id: db01
    authorized_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID21grSPtAdlQQ/ZK+8iw2LTBXxQtEzO6ZSlGX8VE2va operator
    address: 198.51.100.7/24
    gateway: 198.51.100.1
    volume_size: 4294967296
"""

RETURN = r"""
host_key:
  description:
    - The public SSH host key that the worker shows at the first login; pin it.
    - Null in check mode where the disk would be made, because the key would be made with it.
  returned: success
  type: str
  sample: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID21grSPtAdlQQ/ZK+8iw2LTBXxQtEzO6ZSlGX8VE2va
size:
  description: The file's size in bytes; the least that the worker volume must have, free space not counted.
  returned: success
  type: int
  sample: 93323264
"""

from typing import Any, Mapping

from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import (
    ArgumentSpec,
    Outcome,
    run_module,
)
from ansible_collections.ferry.hvm.plugins.module_utils.worker import disk
from ansible_collections.ferry.hvm.plugins.module_utils.worker.seed import (
    Wishes,
    normalize_key,
)

SPEC = ArgumentSpec(
    options={
        "image": {"type": "path", "required": True},
        "dest": {"type": "path", "required": True},
        "migration_id": {"type": "str", "required": True},
        # A public key, whatever its name looks like.
        "authorized_key": {"type": "str", "required": True, "no_log": False},
        "address": {"type": "str", "default": "dhcp"},
        "gateway": {"type": "str", "default": ""},
        "mtu": {"type": "int", "default": 0},
        "volume_size": {"type": "int", "required": True},
        "uefi": {"type": "bool", "default": False},
    },
)


def work(params: Mapping[str, Any], check_mode: bool) -> Outcome:
    """Make the disk unless it is there; in check mode only say which of the two it would be."""
    wishes = Wishes(
        migration_id=params["migration_id"],
        authorized_key=normalize_key(params["authorized_key"]),
        address=params["address"],
        gateway=params["gateway"],
        mtu=params["mtu"],
    )
    request = disk.Request(
        params["image"], params["dest"], wishes, params["volume_size"], is_uefi=params["uefi"]
    )
    made = disk.make_disk(request, dry_run=check_mode)
    return Outcome(
        changed=made.changed,
        result={"host_key": made.host_key, "size": made.size},
        diff={"before": made.before, "after": made.after},
    )


def main() -> None:
    """Run the module."""
    run_module(SPEC, work)


if __name__ == "__main__":
    main()
