# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the id of a migration, made from a name."""

from __future__ import annotations

from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.workload import naming

DOCUMENTATION = r"""
name: migration_id
short_description: Make the id of a migration from a name
version_added: 0.1.0
author: The Ferry authors (@ferry-hvm)
description:
  - Returns the name in lower case, with one hyphen for whatever is between letters and digits. Under it
    Ferry finds again what it made on the appliance and on the source.
  - Fails where nothing or more than 48 characters would be left.
options:
  _input:
    description: A name, such as that of an inventory host.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the id of this host's migration
  ansible.builtin.debug:
    msg: "{{ inventory_hostname | ferry.hvm.migration_id }}"
"""

RETURN = r"""
_value:
  description: The id.
  type: str
  sample: web01-example-com
"""


def migration_id(name: str) -> str:
    """Return the name as a migration's id."""
    try:
        return naming.migration_id(name)
    except InputError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"migration_id": migration_id}
