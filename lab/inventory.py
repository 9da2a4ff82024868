# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as an Ansible inventory: its source servers, and all that Ferry wants to know of the appliance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import yaml

from .appliance import catalog
from .settings import ISOLATED, MIGRATION, USERNAME, LabSettings
from .vcenter.server import Vcenter

SOURCE_WORKER = "source-worker"

# The plan of target instances: a worker and an emulated guest both do with it.
PLAN = "lab-2c-2g"


def write_inventory(lab: LabSettings, sources: Iterable[str]) -> None:
    """inventory.yml describes these source servers, ready for `ansible-playbook -i`."""
    hosts = {name: _host(lab, name) for name in sources}
    content = {"servers": {"hosts": hosts, "vars": {**_connection(lab), **_ferry(lab)}}}
    text = yaml.safe_dump(content, sort_keys=False, width=120)
    lab.inventory.write_text(f"# Written by `python -m lab up`; changes are lost.\n{text}")


def write_vm_inventory(lab: LabSettings, vcenter: Vcenter, names: Iterable[str]) -> None:
    """inventory-vm.yml describes these VMs and the source worker that reads them."""
    hosts = {name: {"ferry_vm": name, "ferry_instance": f"vm-{name}"} for name in names}
    address = urlsplit(vcenter.url)
    reached = {
        "ferry_vcenter_hostname": address.hostname,
        "ferry_vcenter_port": address.port,
        "ferry_vcenter_username": vcenter.username,
        "ferry_vcenter_password": f"{{{{ lookup('ansible.builtin.file', '{vcenter.directory / 'password'}') }}}}",
        "ferry_vcenter_ca_path": str(vcenter.ca_path),
        "ferry_source_worker": SOURCE_WORKER,
        # Two workloads of one name would be one migration.
        "ferry_migration_id": "vm-{{ inventory_hostname }}",
    }
    worker = {
        "ansible_connection": "local",
        # The namespace as the target worker reaches it.
        "ansible_host": str(lab.migration[1]),
        "ansible_python_interpreter": str(lab.source_worker_python),
    }
    content = {
        "vms": {"hosts": hosts, "vars": {**reached, **_ferry(lab)}},
        "source_workers": {"hosts": {SOURCE_WORKER: worker}},
    }
    text = yaml.safe_dump(content, sort_keys=False, width=120)
    lab.vm_inventory.write_text(f"# Written by `python -m lab up`; changes are lost.\n{text}")


def _host(lab: LabSettings, name: str) -> dict[str, Any]:
    return {"ansible_host": str(lab.source_address(name)), "ferry_instance": name}


def _connection(lab: LabSettings) -> dict[str, Any]:
    # The host keys of the lab's servers are known: `lab up` has made them.
    known = f"-o UserKnownHostsFile={lab.known_hosts} -o GlobalKnownHostsFile=/dev/null"
    return {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(lab.operator_key),
        "ansible_ssh_common_args": known,
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def _ferry(lab: LabSettings) -> dict[str, Any]:
    return {
        "ferry_morpheus_url": lab.appliance_url,
        "ferry_morpheus_username": USERNAME,
        "ferry_morpheus_password": f"{{{{ lookup('ansible.builtin.file', '{lab.password_file}') }}}}",
        "ferry_morpheus_ca_path": str(lab.certificate),
        "ferry_cloud": catalog.ZONE["name"],
        "ferry_group": catalog.GROUP["name"],
        "ferry_cluster": catalog.CLUSTER["name"],
        "ferry_resource_pool": catalog.POOL["name"],
        "ferry_datastore": catalog.DATASTORE["name"],
        "ferry_instance_type": catalog.INSTANCE_TYPE["code"],
        "ferry_layout": catalog.LAYOUT["code"],
        "ferry_plan": PLAN,
        "ferry_migration_network": MIGRATION,
        "ferry_guest_network": ISOLATED,
        "ferry_guest_network_is_isolated": True,
        # Both ends are emulated as a rule: the processor is the limit, and a second connection only costs some of it.
        "ferry_connections": 1,
        "ferry_worker_ssh_private_key_file": str(lab.operator_key),
    }
