#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: migration_preflight
short_description: Judge whether a workload is ready to migrate
version_added: 0.1.0
author: The Ferry authors (@ferry-hvm)
description:
  - Judges what was observed of source, target and controller, check by check, and fails where a
    migration must not begin. Nothing is read or changed but the given data and the controller's files.
  - An error always stops the migration. A warning stops it until its code is accepted.
extends_documentation_fragment:
  - ferry.hvm.attributes
  - ferry.hvm.attributes.info
options:
  workload:
    description: Name of the workload, for the findings.
    type: str
    required: true
  migration_id:
    description: Name of the migration; a sender that an earlier run of it left is no obstacle.
    type: str
    required: true
  data_port:
    description: TCP port that the sender will listen on.
    type: int
    default: 5994
  source:
    description: The source, as M(ferry.hvm.source_info) returned it.
    type: dict
    required: true
  instance:
    description: The target instance, as M(ferry.hvm.morpheus_instance_info) returned it. Left out where it does not exist.
    type: dict
  may_create:
    description: Whether the migration creates the target instance where it does not exist.
    type: bool
    default: false
  worker:
    description: Name of the worker volume.
    type: str
    required: true
  worker_image:
    description: The worker image on the controller.
    type: path
    required: true
  ssh_key_file:
    description: The operator's SSH private key for the worker.
    type: path
    required: true
  guest_network:
    description: Network that the clone is booted on.
    type: str
    required: true
  guest_network_is_isolated:
    description: Whether the guest network has no way to the source's network.
    type: bool
    default: false
  migration_network:
    description: Network that the worker is started on; it reaches the source, so the clone must not be booted there.
    type: str
    required: true
  placement:
    description: The cluster or resource pool that instances are created on. Empty, none is given.
    type: str
    required: true
  detached:
    description: >-
      Volumes of the guest that no instance holds, as M(ferry.hvm.morpheus_volume_info) returns them; a run that
      was killed while it moved them leaves one.
    type: list
    elements: dict
    default: []
  alike:
    description: Other workloads of the same run that share the migration id or the target instance.
    type: list
    elements: str
    default: []
  own_snapshots:
    description: Names of the target's snapshots that this migration took.
    type: list
    elements: str
    default: []
  other_snapshots:
    description: Names of the target's other snapshots.
    type: list
    elements: str
    default: []
  only_disks:
    description: Names of the source's disks to carry. Empty, all fixed disks.
    type: list
    elements: str
    default: []
  disk_map:
    description: Source disk name to target volume name.
    type: dict
    default: {}
  used_blocks:
    description: Whether the sync carries what no file system uses as zeros.
    type: bool
    default: false
  datastore:
    description: Datastore for new volumes of the target.
    type: str
    required: true
  datastores:
    description: Source disk name to datastore, for disks whose volumes go elsewhere.
    type: dict
    default: {}
  delete_volumes:
    description: Names of the target's volumes that may be deleted, with their data, once they take no disk.
    type: list
    elements: str
    default: []
  offer:
    description: What the appliance offers, as M(ferry.hvm.morpheus_offer_info) returned it. Left out, names are not judged.
    type: dict
  plan:
    description: Service plan of a target that is made. Left out, the one that fits the source best.
    type: str
  cpus:
    description: Virtual CPUs of a target that is made.
    type: int
  memory:
    description: Memory of a target that is made, in bytes.
    type: int
  network_map:
    description: Network of the source to network of the target at cutover.
    type: dict
    default: {}
  extension_faults:
    description: Why the operator's extensions cannot be used, as P(ferry.hvm.extension_faults#filter) tells it.
    type: list
    elements: str
    default: []
  accepted_warnings:
    description: Codes of warnings that the operator has accepted.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Source and target are ready
  ferry.hvm.migration_preflight:
    workload: web01
    migration_id: web01
    source: "{{ source_info.source }}"
    instance: "{{ instance_info.instances | first }}"
    worker: ferry-worker-web01
    worker_image: /srv/ferry/ferry-worker.iso
    ssh_key_file: /srv/ferry/id_ed25519
    guest_network: isolated
    guest_network_is_isolated: true
    migration_network: migration
    placement: cluster1
    datastore: datastore1
  delegate_to: localhost
"""

RETURN = r"""
findings:
  description: What preflight has to say, errors and warnings and notes.
  returned: success and failure
  type: list
  elements: dict
  sample:
    - code: source_moves
      severity: note
      subject: web01
      text: The source keeps running while it is read.
      hint: ""
prediction:
  description: >-
    What is known of the sync before it begins. C(name) is V(compared) or V(sent), in bytes, or V(seconds); C(label)
    is V(exact), V(measured) by the last sync or V(estimated); C(basis) says from what. V(sent) is there before
    the first sync, V(seconds) after it: how much of a source has changed is unknown until it was read.
  returned: success
  type: list
  elements: dict
  sample:
    - amount: 3221225472
      basis: the sizes of the disks
      label: exact
      name: compared
run:
  description: The run of this migration that may be alive at both ends; empty if there is none.
  returned: success
  type: str
  sample: web01-20261127201500
"""

from typing import Any, Mapping

from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import (
    ArgumentSpec,
    Outcome,
    run_module,
)
from ansible_collections.ferry.hvm.plugins.module_utils.workload import findings, preflight
from ansible_collections.ferry.hvm.plugins.module_utils.workload.profile import Profile
from ansible_collections.ferry.hvm.plugins.module_utils.workload.volume_changes import Wishes

SPEC = ArgumentSpec(
    options={
        "workload": {"type": "str", "required": True},
        "migration_id": {"type": "str", "required": True},
        "data_port": {"type": "int", "default": 5994},
        "source": {"type": "dict", "required": True},
        "instance": {"type": "dict"},
        "may_create": {"type": "bool", "default": False},
        "worker": {"type": "str", "required": True},
        "worker_image": {"type": "path", "required": True},
        "ssh_key_file": {"type": "path", "required": True, "no_log": False},
        "guest_network": {"type": "str", "required": True},
        "guest_network_is_isolated": {"type": "bool", "default": False},
        "migration_network": {"type": "str", "required": True},
        "placement": {"type": "str", "required": True},
        "detached": {"type": "list", "elements": "dict", "default": []},
        "alike": {"type": "list", "elements": "str", "default": []},
        "own_snapshots": {"type": "list", "elements": "str", "default": []},
        "other_snapshots": {"type": "list", "elements": "str", "default": []},
        "only_disks": {"type": "list", "elements": "str", "default": []},
        "used_blocks": {"type": "bool", "default": False},
        "disk_map": {"type": "dict", "default": {}},
        "datastore": {"type": "str", "required": True},
        "datastores": {"type": "dict", "default": {}},
        "delete_volumes": {"type": "list", "elements": "str", "default": []},
        "offer": {"type": "dict"},
        "plan": {"type": "str"},
        "cpus": {"type": "int"},
        "memory": {"type": "int"},
        "network_map": {"type": "dict", "default": {}},
        "extension_faults": {"type": "list", "elements": "str", "default": []},
        "accepted_warnings": {"type": "list", "elements": "str", "default": []},
    },
)


def work(params: Mapping[str, Any], _check_mode: bool) -> Outcome:
    """Return the findings, or raise the errors among them as one."""
    observed = _observed(params)
    found = preflight.judge(observed)
    preflight.refuse(found, params["accepted_warnings"])
    prediction = preflight.predict_sync(observed)
    return Outcome(
        changed=False,
        result={
            "findings": [finding.as_dict() for finding in found],
            "prediction": [figure.as_dict() for figure in prediction],
            "run": preflight.find_run(observed),
        },
        warnings=[
            f"{finding.subject}: {finding.text}"
            for finding in found
            if finding.severity == findings.WARNING
        ],
    )


def _observed(params: Mapping[str, Any]) -> findings.Observed:
    return findings.Observed(
        workload=params["workload"],
        migration=params["migration_id"],
        data_port=params["data_port"],
        source=params["source"],
        instance=params["instance"],
        worker=params["worker"],
        worker_image=params["worker_image"],
        ssh_key=params["ssh_key_file"],
        guest_network=params["guest_network"],
        guest_network_is_isolated=params["guest_network_is_isolated"],
        migration_network=params["migration_network"],
        placement=params["placement"],
        detached=params["detached"],
        alike=params["alike"],
        own_snapshots=params["own_snapshots"],
        other_snapshots=params["other_snapshots"],
        used_blocks=params["used_blocks"],
        profile=_profile(params),
        offer=params["offer"],
        may_create=params["may_create"],
        extension_faults=params["extension_faults"],
    )


def _profile(params: Mapping[str, Any]) -> Profile:
    return Profile(
        plan=params["plan"] or "",
        cpus=params["cpus"],
        memory=params["memory"],
        network_map=params["network_map"],
        only_disks=params["only_disks"],
        wishes=Wishes(
            disk_map=params["disk_map"],
            datastore=params["datastore"],
            datastores=params["datastores"],
            deletable=params["delete_volumes"],
        ),
    )


def main() -> None:
    """Run the module."""
    run_module(SPEC, work)


if __name__ == "__main__":
    main()
