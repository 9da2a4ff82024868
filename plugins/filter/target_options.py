# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what to ask an appliance for, so that a target is like its source."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.workload import profile as profiles
from ansible_collections.ferry.hvm.plugins.module_utils.workload.volume_changes import Wishes

DOCUMENTATION = r"""
name: target_options
short_description: Make the options of a target instance from its source and a profile
version_added: 0.1.0
author: The Ferry authors (@ferry-hvm)
description:
  - Returns the plan, CPUs, memory and volumes of a new target, as M(ferry.hvm.morpheus_instance) takes them.
  - A plan that the profile names is taken with its own CPUs and memory, unless the profile has other ones. Else the plan is
    chosen that fits the profile's, or the source's, CPUs and memory best; it is never smaller.
  - Each carried disk gets an empty volume that is named after it, of whole GiB, on the profile's datastore for it.
  - Fails where the appliance offers no such plan or datastore.
positional: profile
options:
  _input:
    description: The source, as M(ferry.hvm.source_info) returns it.
    type: dict
    required: true
  profile:
    description: >-
      What the operator said, all but the datastore optional: C(plan), C(cpus), C(memory) in bytes, C(only_disks), and C(wishes) as the
      filter P(ferry.hvm.volume_changes#filter) takes them.
    type: dict
    required: true
  offer:
    description: What the appliance offers, as M(ferry.hvm.morpheus_offer_info) returns it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be asked for
  ansible.builtin.debug:
    msg: "{{ source | ferry.hvm.target_options({'wishes': {'datastore': 'datastore1'}}, offer=found.offer) }}"
"""

RETURN = r"""
_value:
  description: The options. C(cpus) and C(memory) are only there where the instance has its own.
  type: dict
  sample:
    plan: "73"
    volumes:
      - name: disk-2000
        size: 10737418240
        root: true
        datastore: datastore1
"""


def target_options(
    source: Mapping[str, Any], profile: Mapping[str, Any], *, offer: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the options of `morpheus_instance`."""
    said = profiles.Profile(
        plan=str(profile.get("plan") or ""),
        cpus=profile.get("cpus"),
        memory=profile.get("memory"),
        only_disks=profile.get("only_disks") or (),
        wishes=Wishes(**profile["wishes"]),
    )
    try:
        return profiles.target_options(source, said, offer)
    except InputError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"target_options": target_options}
