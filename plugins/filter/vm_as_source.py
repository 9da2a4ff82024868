# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a VM of a vCenter in the words for a source server."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.ferry.hvm.plugins.module_utils.workload.vm_source import vm_as_source

DOCUMENTATION = r"""
name: vm_as_source
short_description: Show a VM as the source of a migration
version_added: 0.1.0
author: The Ferry authors (@ferry-hvm)
description:
  - Returns a VM in the shape in which M(ferry.hvm.source_info) returns a server, so that the same steps judge both.
  - What a vCenter does not know (file systems, mount points, names of interfaces) is empty.
  - A disk is named after its key, C(disk-2000), which stays with it.
positional: worker
options:
  _input:
    description: A VM, as M(ferry.hvm.vsphere_vm_info) returns it.
    type: dict
    required: true
  worker:
    description: The source worker that reads its disks, as M(ferry.hvm.source_info) returns it.
    type: dict
    required: true
  left_out:
    description: Keys of disks that are not carried.
    type: list
    elements: int
    default: []
"""

EXAMPLES = r"""
- name: Show what would be carried
  ansible.builtin.debug:
    msg: "{{ (found.vms[0] | ferry.hvm.vm_as_source(worker.source)).disks }}"
"""

RETURN = r"""
_value:
  description: The VM as a source.
  type: dict
"""


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"vm_as_source": vm_as_source}
