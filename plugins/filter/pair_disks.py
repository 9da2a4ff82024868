# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the volumes of a target that take the disks of a source."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.workload import pairing

DOCUMENTATION = r"""
name: pair_disks
short_description: Pair the disks of a source with the volumes of a target
version_added: 0.1.0
author: The Ferry authors (@ferry-hvm)
description:
  - Returns, for each disk of the source, which volume of the target takes it.
  - A pair is never guessed. The operator's map comes first, then equal names, then, if there are as
    many volumes as disks, the order of unit numbers with the guest's root volume first.
  - Fails where a pair is not certain, or where a volume is smaller than its disk.
extends_documentation_fragment:
  - ferry.hvm.pairing
positional: instance
options:
  _input:
    description: Disks of the source, as M(ferry.hvm.source_export) returns them.
    type: list
    elements: dict
    required: true
  disk_map:
    description: Source disk name to target volume name.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show which volume takes which disk
  ansible.builtin.debug:
    msg: "{{ source.disks | ferry.hvm.pair_disks(instance, worker='ferry-worker-web01') }}"
"""

RETURN = r"""
_value:
  description: One entry for each disk, as the option O(ferry.hvm.worker_replicate#module:target_disks) takes it.
  type: list
  elements: dict
  sample:
    - source: sda
      serial: 6b2f3c1e-0a55-4f3e-a
      unit: 0
      size: 10737418240
"""


def pair_disks(
    disks: Sequence[Mapping[str, Any]],
    instance: Mapping[str, Any],
    *,
    worker: str,
    disk_map: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Return the pairs as `target_disks` of `worker_replicate`."""
    volumes = pairing.guest_volumes(instance, worker=worker)
    try:
        carried = pairing.fixed_disks(disks, only)
        contents = pairing.remembered_contents(instance)
        pairs = pairing.pair_disks(carried, volumes, disk_map or {}, contents)
    except InputError as error:
        raise AnsibleFilterError(str(error)) from error
    return [pair.as_target_disk() for pair in pairs]


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"pair_disks": pair_disks}
