# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the operator's extensions with the text of their scripts."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.guest import extension_files

DOCUMENTATION = r"""
name: load_extensions
short_description: Read the scripts of migration extensions
version_added: 0.1.0
author: The Ferry authors (@ferry-hvm)
description:
  - Returns the extensions as M(ferry.hvm.worker_prepare) takes them, each with the text of its script, which is read on the
    controller. Fails with all that is wrong if any cannot be used.
options:
  _input:
    description: Extensions, as the variable C(ferry_extensions) of the role P(ferry.hvm.workload#role) has them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would run, without the scripts
  ansible.builtin.debug:
    msg: "{{ ferry_extensions | ferry.hvm.load_extensions | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description: The extensions, as the option O(ferry.hvm.worker_prepare#module:extensions) takes them.
  type: list
  elements: dict
"""


def load_extensions(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the extensions with their scripts. Raises AnsibleFilterError if any cannot be used."""
    try:
        return extension_files.load_extensions(given)
    except InputError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"load_extensions": load_extensions}
