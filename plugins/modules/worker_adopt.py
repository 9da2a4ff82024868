# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: worker_adopt
short_description: Wait for a worker and bring it under an SSH host key of its own
version_added: 0.1.0
author:
  - The Ferry authors (@ferry-hvm)
description:
  - Waits until the worker answers by SSH with a host key that is known, and never talks to any other.
  - A worker boots with a bootstrap host key that travelled in its seed. It is good for one login, in which
    the worker makes a key of its own in memory. This takes two calls, so that the caller can record the
    new public key in between; a controller that is killed at any moment then leaves a worker which
    answers with a key that is written down.
  - The first call returns RV(host_key). If RV(committed) is false, record it (Ferry does so in the tag
    C(ferry_worker_key) of the target instance) and call again with O(commit=true).
  - The task is delegated to the worker. Its C(ansible_ssh_common_args) must carry the options
    C(UserKnownHostsFile) with O(known_hosts), C(HostKeyAlias) with O(host_key_alias) and
    C(StrictHostKeyChecking=yes); anything else is refused.
extends_documentation_fragment:
  - ferry.hvm.attributes
attributes:
  check_mode:
    support: full
    details: The worker is looked for and nothing is changed there; O(known_hosts) is written all the same.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  bootstrap_key:
    description:
      - The public host key of the seed, as M(ferry.hvm.worker_seed) returned it.
      - May be empty for a worker that was adopted before.
    type: str
    default: ''
  pinned_key:
    description: The public host key that an earlier adoption recorded; empty if there was none.
    type: str
    default: ''
  known_hosts:
    description: The file on the controller that the connection judges the worker by. It is written here.
    type: path
    required: true
  host_key_alias:
    description: The name of the worker in O(known_hosts), whatever its address.
    type: str
    required: true
  commit:
    description: Make O(host_key) the worker's only host key. Afterwards the bootstrap key is void.
    type: bool
    default: false
  host_key:
    description: The public host key that the first call returned. Required with O(commit=true).
    type: str
    default: ''
  timeout:
    description:
      - Seconds to wait for an answer.
      - The default is for a worker that boots under emulation on a busy machine.
    type: int
    default: 300
seealso:
  - module: ferry.hvm.worker_seed
"""

EXAMPLES = r"""
- name: Wait for the worker
  ferry.hvm.worker_adopt:
    bootstrap_key: "{{ seed.host_key }}"
    pinned_key: "{{ instance.tags.ferry_worker_key | default('') }}"
    known_hosts: "{{ worker_known_hosts }}"
    host_key_alias: ferry-worker-web01
  delegate_to: ferry-worker-web01
  register: adopted

- name: Void the key of the seed
  ferry.hvm.worker_adopt:
    commit: true
    bootstrap_key: "{{ seed.host_key }}"
    host_key: "{{ adopted.host_key }}"
    known_hosts: "{{ worker_known_hosts }}"
    host_key_alias: ferry-worker-web01
  delegate_to: ferry-worker-web01
  when: not adopted.committed
"""

RETURN = r"""
host_key:
  description: >-
    The worker's public host key: the pinned one, or the one to record before the second call. Empty in
    check mode if the worker would have to make it.
  type: str
  returned: success
  sample: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILL7VH0B3nBYFwZ6W3YPYzNCVSG1CCUTKXBgOFvmhzCn
committed:
  description: Whether the worker answers with RV(host_key) and no other.
  type: bool
  returned: success
  sample: true
seconds:
  description: How long it took until the worker answered.
  type: float
  returned: success
  sample: 31.4
"""
