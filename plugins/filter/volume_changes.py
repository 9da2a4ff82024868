# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what the volumes of a target need, since the disks of its source are others now."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.workload import pairing, volume_changes

DOCUMENTATION = r"""
name: volume_changes
short_description: Find what the volumes of a target need before a sync
version_added: 0.1.0
author: The Ferry authors (@ferry-hvm)
description:
  - Returns which volumes are missing or too small for the disks of the source, and which are to be deleted.
  - A volume is known by O(wishes) C(disk_map), else by the name of its disk. Where no name is equal, disks and volumes pair in
    their order; then nothing is added or deleted.
  - No volume is shrunk, and only one that takes no disk and that C(deletable) names is deleted.
extends_documentation_fragment:
  - ferry.hvm.pairing
positional: instance
options:
  _input:
    description: Disks of the source, as M(ferry.hvm.source_info) returns them.
    type: list
    elements: dict
    required: true
  wishes:
    description: >-
      What the operator said: C(datastore) for new volumes, and, all optional, C(datastores) by disk, C(disk_map) from disk to volume,
      C(deletable) names of volumes.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what the volumes need
  ansible.builtin.debug:
    msg: "{{ source.disks | ferry.hvm.volume_changes(instance, worker='ferry-worker-web01', wishes={'datastore': 'ds1'}) }}"
"""

RETURN = r"""
_value:
  description: >-
    The options O(ferry.hvm.morpheus_volume_set#module:volumes) and O(ferry.hvm.morpheus_volume_set#module:absent), and C(told), a
    sentence for each volume.
  type: dict
  sample:
    volumes:
      - name: disk-2001
        size: 5368709120
        datastore: datastore1
    absent: []
    told:
      - volume disk-2001 of 5.0 GiB (5368709120) is made on datastore1 for disk disk-2001
"""


def find_changes(
    disks: Sequence[Mapping[str, Any]],
    instance: Mapping[str, Any],
    *,
    worker: str,
    wishes: Mapping[str, Any],
    only: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the changes as options of `morpheus_volume_set`."""
    try:
        carried = pairing.fixed_disks(disks, only)
        volumes = volume_changes.held_volumes(instance, worker=worker)
        said = volume_changes.Wishes(**wishes)
        return volume_changes.plan_changes(carried, volumes, said).as_options()
    except InputError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"volume_changes": find_changes}
