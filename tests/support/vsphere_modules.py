# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the vsphere modules, called in this process against a vCenter of the lab.

Ansible's own validator checks the arguments and fills in the modules' real defaults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import Outcome
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vcenter import CONNECTION
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vsphere_changed_extents_info import (
    work_changed_extents_info,
)
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vsphere_snapshot import work_snapshot
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vsphere_snapshot_info import (
    work_snapshot_info,
)
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vsphere_vm_info import work_vm_info
from ansible_collections.ferry.hvm.plugins.modules import (
    vsphere_changed_extents_info,
    vsphere_snapshot,
    vsphere_snapshot_info,
    vsphere_vm_info,
)

from lab.vcenter.control import Control
from lab.vcenter.server import Vcenter, local_vcenter

WORK = {
    "changed_extents_info": (vsphere_changed_extents_info.SPEC, work_changed_extents_info),
    "snapshot": (vsphere_snapshot.SPEC, work_snapshot),
    "snapshot_info": (vsphere_snapshot_info.SPEC, work_snapshot_info),
    "vm_info": (vsphere_vm_info.SPEC, work_vm_info),
}
# A task of the lab takes no time, but the machine may be busy.
DEADLINE = 60


def connection_of(vcenter: Vcenter) -> dict[str, Any]:
    """The connection options with which the modules reach it."""
    address = urlsplit(vcenter.url)
    return {
        "hostname": address.hostname,
        "port": address.port,
        "username": vcenter.username,
        "password": vcenter.password,
        "ca_path": str(vcenter.ca_path),
    }


def environment_of(vcenter: Vcenter) -> dict[str, str]:
    """The environment by which the modules reach it when nothing else is said."""
    address = urlsplit(vcenter.url)
    return {
        "VMWARE_HOST": str(address.hostname),
        "VMWARE_PORT": str(address.port),
        "VMWARE_USER": vcenter.username,
        "VMWARE_PASSWORD": vcenter.password,
        "VMWARE_CA_PATH": str(vcenter.ca_path),
    }


@dataclass
class VsphereModules:
    """Calls against one vCenter; a VM is "web01" and a migration "web01" unless it is said."""

    vcenter: Vcenter
    vm: str = "web01"

    @property
    def control(self) -> Control:
        return self.vcenter.control

    def call(self, module: str, *, check_mode: bool = False, **arguments: Any) -> Outcome:
        """The module's outcome; raises what the module would fail with."""
        spec, work = WORK[module]
        options = spec.with_options(CONNECTION).options
        given = {**connection_of(self.vcenter), **arguments}
        checked = ArgumentSpecValidator(dict(options)).validate(given)
        assert not checked.error_messages, checked.error_messages
        return work(checked.validated_parameters, check_mode)

    def snapshot(self, state: str = "present", **arguments: Any) -> Outcome:
        """Take or remove the migration's snapshot; a VM is named by `name` unless otherwise."""
        named = {} if {"moid", "uuid"} & set(arguments) else {"name": self.vm}
        usual = {"state": state, "migration_id": "web01", "wait_timeout": DEADLINE, **named}
        return self.call("snapshot", **{**usual, **arguments})

    def take(self, **arguments: Any) -> dict[str, Any]:
        """Take the snapshot and return what the module says of it."""
        taken = self.snapshot(**arguments).result["snapshot"]
        assert isinstance(taken, dict)
        return taken

    def remove(self, **arguments: Any) -> Outcome:
        return self.snapshot("absent", **arguments)

    def snapshots(self, **arguments: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("snapshot_info", **arguments).result["snapshots"]
        return found

    def changes(self, baselines: Any, **arguments: Any) -> dict[int, dict[str, Any]]:
        """What changed on each disk of the migration's snapshot, by key."""
        usual = {"name": self.vm, "migration_id": "web01", "baselines": baselines}
        found = self.call("changed_extents_info", **{**usual, **arguments})
        return {each["key"]: each for each in found.result["disks"]}


def diff_of(outcome: Outcome) -> Mapping[str, Any]:
    """The diff of a module that has one; it is of one thing."""
    assert isinstance(outcome.diff, Mapping)
    return outcome.diff


@contextmanager
def fresh_modules(directory: Path, *disks: Any, **vm: Any) -> Iterator[VsphereModules]:
    """A vCenter with one VM, web01, with these disks; afterwards it is gone."""
    inventory = {"vms": [{"name": "web01", "disks": list(disks), **vm}]}
    with local_vcenter(directory, inventory) as vcenter:
        yield VsphereModules(vcenter)


@contextmanager
def plain_modules(directory: Path) -> Iterator[VsphereModules]:
    """The packaged simulator alone, with machines of its own: a judge that is not ours."""
    with local_vcenter(directory, {"vms": []}, plain=True) as vcenter:
        modules = VsphereModules(vcenter)
        found = modules.call("vm_info").result["vms"]
        yield VsphereModules(vcenter, vm=found[0]["name"])
