#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: worker_replicate_info
short_description: Look at the syncs that run on a worker
version_added: 0.1.0
description:
  - Returns the receivers of a migration that are at work on this worker, whichever controller started them.
author:
  - The Ferry authors (@ferry-hvm)
extends_documentation_fragment:
  - ferry.hvm.attributes
  - ferry.hvm.attributes.info
options:
  migration_id:
    description: The migration.
    type: str
    required: true
seealso:
  - module: ferry.hvm.worker_replicate
"""

EXAMPLES = r"""
- name: See whether a sync of web01 runs
  ferry.hvm.worker_replicate_info:
    migration_id: web01
  register: found
"""

RETURN = r"""
receivers:
  description: The receivers; an empty list if none is at work.
  returned: success
  type: list
  elements: dict
  contains:
    run:
      description: The run, as O(ferry.hvm.worker_replicate#module:run) takes it.
      type: str
      sample: web01-20261127201500
    certificate:
      description: The certificate that the worker shows in this run, PEM.
      type: str
      sample: "-----BEGIN CERTIFICATE-----..."
    target_disks:
      description: For each source disk the volume that takes it, as the run was told.
      type: list
      elements: dict
      sample:
        - {serial: 6b2f3c1e-0a55-4f3e-a, size: 10737418240, source: sda, unit: 0}
"""

from ansible_collections.ferry.hvm.plugins.module_utils.entry.replicate_info import (
    SPEC,
    work_replicate_info,
)
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import run_module


def main() -> None:
    run_module(SPEC, work_replicate_info)


if __name__ == "__main__":
    main()
