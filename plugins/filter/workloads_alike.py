# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the workloads of a run that would work on the same objects."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.workload import naming

DOCUMENTATION = r"""
name: workloads_alike
short_description: Find workloads of one run that share a migration id or a target instance
version_added: 0.1.0
author: The Ferry authors (@ferry-hvm)
description:
  - Returns the other hosts that have the same migration id or the same target instance as a workload. Two
    such hosts in one run would overwrite each other.
positional: workload, hosts
options:
  _input:
    description: The variables of all hosts, Ansible's C(hostvars).
    type: dict
    required: true
  workload:
    description: Inventory name of the workload.
    type: str
    required: true
  hosts:
    description: Inventory names of the hosts of the run, Ansible's C(ansible_play_hosts_all).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show who else would work on this target
  ansible.builtin.debug:
    msg: "{{ hostvars | ferry.hvm.workloads_alike(inventory_hostname, ansible_play_hosts_all) }}"
"""

RETURN = r"""
_value:
  description: Inventory names of the other hosts.
  type: list
  elements: str
  sample: []
"""


def workloads_alike(
    variables: Mapping[str, Mapping[str, Any]], workload: str, hosts: Sequence[str]
) -> list[str]:
    """Return the hosts that share the workload's id or target."""
    try:
        return naming.workloads_alike(variables, workload, hosts)
    except InputError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"workloads_alike": workloads_alike}
