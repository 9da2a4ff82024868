# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: source_target_index
short_description: Note on a source worker what a target's disks hold at a snapshot
version_added: 0.1.0
author:
  - The Ferry authors (@ferry-hvm)
description:
  - Afterwards the source worker has a note beside the index of each disk, that the target held the index's generation
    at O(snapshot), but for O(changed_extents). A sync that begins by reverting the target to it
    (O(ferry.hvm.source_export#module:target_index)) need not read what neither side changed since.
  - It is for a snapshot that was taken while the instance was off, of disks that nothing wrote to since the
    preparation. A sync takes the note when it begins, whether it uses it or not.
  - It needs SSH, root (by O(ignore:become) or as the login user) and any Python from 3.6 on.
extends_documentation_fragment:
  - ferry.hvm.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: A note is written anew each time.
options:
  migration_id:
    description: The migration, as given to M(ferry.hvm.source_export).
    type: str
    required: true
  instance:
    description: The appliance's number of the target instance.
    type: str
    required: true
  snapshot:
    description: The appliance's number of the snapshot.
    type: str
    required: true
  roots:
    description: The root of each disk, by its name, that both ends agreed on, from the claims of M(ferry.hvm.worker_replicate).
    type: dict
    required: true
  changed_extents:
    description: What the preparation changed of each disk since, by its name, each as M(ferry.hvm.worker_prepare) returned it.
    type: dict
    required: true
  volumes:
    description:
      - The appliance's number of the volume that takes each disk, by its name. Only of those that the snapshot holds;
        P(ferry.hvm.snapshot_volumes#filter) tells.
    type: dict
    required: true
  index_directory:
    description: Where the source worker keeps its indexes.
    type: str
    default: /var/lib/ferry/indexes
seealso:
  - module: ferry.hvm.source_export
  - module: ferry.hvm.worker_prepare
"""

EXAMPLES = r"""
- name: The source worker remembers what the snapshot holds
  ferry.hvm.source_target_index:
    migration_id: web01
    instance: "1002"
    snapshot: "1044"
    roots: {disk-2000: 6d5e3a5cb7d4cbe3c8a3d0eb5a0cc1f7}
    changed_extents: {disk-2000: [{start: 1048576, length: 8192}]}
    volumes: {disk-2000: "1007"}
  delegate_to: worker1
"""

RETURN = r"""
doubts:
  description: Why nothing was noted of a disk, by its name. A warning tells the same.
  type: dict
  returned: success
  sample: {disk-2001: the source worker has no index of that sync}
"""
