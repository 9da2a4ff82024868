# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the volumes of a target's snapshot that hold the disks of a source."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.workload import pairing

DOCUMENTATION = r"""
name: snapshot_volumes
short_description: Name the volumes of a target's snapshot that hold the disks of a source
version_added: 0.1.0
author: The Ferry authors (@ferry-hvm)
description:
  - Returns, for each disk of the source, the number of the volume that takes it, if the snapshot holds that volume.
  - Disks and volumes are paired as P(ferry.hvm.pair_disks#filter) does it.
extends_documentation_fragment:
  - ferry.hvm.pairing
positional: instance, snapshot
options:
  _input:
    description: Disks of the source, as M(ferry.hvm.source_export) returns them.
    type: list
    elements: dict
    required: true
  snapshot:
    description: The snapshot, as M(ferry.hvm.morpheus_snapshot) returns it.
    type: dict
    required: true
  disk_map:
    description: Source disk name to target volume name.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what of the source the snapshot holds
  ansible.builtin.debug:
    msg: "{{ source.disks | ferry.hvm.snapshot_volumes(instance, snapshot, worker='ferry-worker-web01') }}"
"""

RETURN = r"""
_value:
  description: The volume's number by the disk's name.
  type: dict
  sample: {disk-2000: "1007"}
"""


def snapshot_volumes(
    disks: Sequence[Mapping[str, Any]],
    instance: Mapping[str, Any],
    snapshot: Mapping[str, Any],
    *,
    worker: str,
    disk_map: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
) -> dict[str, str]:
    """Return the volumes' numbers by the names of the disks that they take."""
    volumes = pairing.guest_volumes(instance, worker=worker)
    try:
        pairs = pairing.pair_disks(pairing.fixed_disks(disks, only), volumes, disk_map or {})
    except InputError as error:
        raise AnsibleFilterError(str(error)) from error
    held = snapshot["volume_ids"]
    return {pair.source: str(pair.volume_id) for pair in pairs if pair.volume_id in held}


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"snapshot_volumes": snapshot_volumes}
