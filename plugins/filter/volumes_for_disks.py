# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the volumes of a new target for the disks of a source."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.workload import pairing

DOCUMENTATION = r"""
name: volumes_for_disks
short_description: Name the volumes of a new target for the disks of a source
version_added: 0.1.0
author: The Ferry authors (@ferry-hvm)
description:
  - Returns one volume for each disk of the source, named after the disk and rounded up to whole GiB.
    The first disk's volume is the root volume.
positional: datastore
options:
  _input:
    description: Disks of the source, as M(ferry.hvm.source_info) returns them.
    type: list
    elements: dict
    required: true
  datastore:
    description: Name of the datastore for the volumes.
    type: str
    required: true
  only:
    description: Names of the disks to carry. Left out or empty, all fixed disks.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show the volumes that a new target would get
  ansible.builtin.debug:
    msg: "{{ source.disks | ferry.hvm.volumes_for_disks('datastore1') }}"
"""

RETURN = r"""
_value:
  description: The volumes, as the option O(ferry.hvm.morpheus_instance#module:volumes) takes them.
  type: list
  elements: dict
  sample:
    - name: sda
      size: 10737418240
      root: true
      datastore: datastore1
"""


def volumes_for_disks(
    disks: Sequence[Mapping[str, Any]], datastore: str, *, only: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return the volumes for the fixed disks, or for those named by `only`."""
    try:
        wanted = pairing.fixed_disks(disks, only)
    except InputError as error:
        raise AnsibleFilterError(str(error)) from error
    return pairing.volumes_for_disks(wanted, datastore=datastore)


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"volumes_for_disks": volumes_for_disks}
