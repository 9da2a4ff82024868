# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what a target's network cards are at cutover, as one line."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.ferry.hvm.plugins.module_utils.workload.profile import cutover_cards

DOCUMENTATION = r"""
name: cutover_cards
short_description: Tell MACs and networks that a target has at cutover
version_added: 0.1.0
author: The Ferry authors (@ferry-hvm)
description:
  - Returns, for each hardware interface of the source in its order, the MAC and, where its network is mapped, the network of the
    target, with a space between them and a comma between the interfaces. A tag of the instance keeps it until the cutover.
positional: network_map
options:
  _input:
    description: Interfaces of the source, as M(ferry.hvm.source_info) returns them.
    type: list
    elements: dict
    required: true
  network_map:
    description: Network of the source to network of the target. A server's networks are called as its interfaces are.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be recorded
  ansible.builtin.debug:
    msg: "{{ source.interfaces | ferry.hvm.cutover_cards({'VM Network': 'production'}) }}"
"""

RETURN = r"""
_value:
  description: The line; empty for a source without hardware interfaces.
  type: str
  sample: 00:50:56:01:02:03 production, 00:50:56:01:02:04
"""


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"cutover_cards": cutover_cards}
