# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the network interfaces of a target that stand for those of a source."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.ferry.hvm.plugins.module_utils.workload.pairing import pair_interfaces

DOCUMENTATION = r"""
name: pair_interfaces
short_description: Pair the network interfaces of a source with those of a target
version_added: 0.1.0
author: The Ferry authors (@ferry-hvm)
description:
  - Returns, for each hardware interface of the source, its name, its MAC and, where the target has a
    counterpart, that one's MAC. Both sides are taken in their order; bridges, bonds and tunnels are passed over.
  - Until the cutover a target has fewer interfaces than its source. The cutover keeps the source's MACs.
positional: interfaces, names
options:
  _input:
    description: Interfaces of the source, as M(ferry.hvm.source_info) returns them.
    type: list
    elements: dict
    required: true
  interfaces:
    description: Interfaces of the target instance, as M(ferry.hvm.morpheus_instance_info) returns them.
    type: list
    elements: dict
    required: true
  names:
    description: MAC of the source to the name that its interface has in the guest, where that is not known.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show which interface stands for which
  ansible.builtin.debug:
    msg: "{{ source.interfaces | ferry.hvm.pair_interfaces(instance.interfaces) }}"
"""

RETURN = r"""
_value:
  description: The pairs, as the option O(ferry.hvm.worker_prepare#module:interfaces) takes them.
  type: list
  elements: dict
  sample:
    - name: ens192
      source_mac: "00:50:56:aa:bb:01"
      target_mac: "52:54:00:12:34:56"
    - name: ens224
      source_mac: "00:50:56:aa:bb:02"
"""


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"pair_interfaces": pair_interfaces}
