# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: why the operator's extensions cannot be used."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.ferry.hvm.plugins.module_utils.guest.extension_files import (
    extension_faults,
)

DOCUMENTATION = r"""
name: extension_faults
short_description: Tell why migration extensions cannot be used
version_added: 0.1.0
author: The Ferry authors (@ferry-hvm)
description:
  - Reads the scripts of the extensions on the controller and returns, in sentences, all that is wrong with them. Empty if
    nothing is.
options:
  _input:
    description: Extensions, as the variable C(ferry_extensions) of the role P(ferry.hvm.workload#role) has them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: The extensions can be used
  ansible.builtin.assert:
    that: ferry_extensions | ferry.hvm.extension_faults | length == 0
"""

RETURN = r"""
_value:
  description: What is wrong.
  type: list
  elements: str
  sample: ["The extension 'monitoring' cannot be read from files/monitoring.sh: No such file or directory."]
"""


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"extension_faults": extension_faults}
