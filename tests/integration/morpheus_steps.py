# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The morpheus modules' steps of one migration, and how tests take them.

`steps` is a table in the order of the sequence. `run_in_ansible` takes them with
`ansible-playbook`, each three times: in check mode, for real, and for real again, with the
appliance's whole records read in between. `Modules.call` takes one without Ansible's processes, for
tests that need many.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.ferry.hvm.plugins.module_utils.entry.appliance import CONNECTION
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_image import work_image
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_image_info import (
    work_image_info,
)
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_instance import work_instance
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_instance_info import (
    work_instance_info,
)
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_snapshot import work_snapshot
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_snapshot_info import (
    work_snapshot_info,
)
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_volume import work_volume
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_volume_info import (
    work_volume_info,
)
from ansible_collections.ferry.hvm.plugins.module_utils.entry.morpheus_volume_set import (
    work_volume_set,
)
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import Outcome
from ansible_collections.ferry.hvm.plugins.modules import (
    morpheus_image,
    morpheus_image_info,
    morpheus_instance,
    morpheus_instance_info,
    morpheus_snapshot,
    morpheus_snapshot_info,
    morpheus_volume,
    morpheus_volume_info,
    morpheus_volume_set,
)

from lab.appliance.local import LocalAppliance
from tests.integration.ansible_host import Playground

GIB = 1 << 30
WORKER = "ferry-worker-web01"
CREATOR = "ferry-creator-web01"
SNAPSHOT = "ferry-snapshot-web01.1"
SOURCE_MAC = "00:50:56:01:02:03"

PLACE: Mapping[str, Any] = {
    "cloud": "Lab Cloud",
    "group": "Lab Group",
    "cluster": "lab-cluster",
    "instance_type": "mvm",
    "layout": "mvm-1.0-single",
    "plan": "lab-1c-1g",
}
TARGET: Mapping[str, Any] = {
    "name": "web01",
    **PLACE,
    "plan": "lab-custom",
    "cpus": 2,
    "memory": 2 * GIB,
    "volumes": [
        {"name": "data", "size": GIB + 1, "unit": 1},
        {"name": "root", "size": 2 * GIB, "root": True, "datastore": "lab-datastore", "unit": 0},
    ],
    "networks": [{"network": "migration"}],
    "tags": {"ferry": "web01"},
    "labels": ["ferry"],
}
VOLUME_SET: Mapping[str, Any] = {
    "instance": "web01",
    "volumes": [
        {"name": "root", "size": 2 * GIB + 1},
        {"name": "more", "size": GIB, "datastore": "lab-datastore"},
    ],
    "absent": ["data"],
}


def image_arguments(path: Path) -> dict[str, Any]:
    """The upload of this file as the worker's image."""
    tags = {"ferry": "web01"}
    return {"name": WORKER, "path": str(path), "min_disk": 2 * GIB, "tags": tags}


def creator_arguments() -> dict[str, Any]:
    """The instance that exists so that the worker volume does."""
    volume = {"name": WORKER, "size": 2 * GIB, "root": True}
    return {
        "name": CREATOR,
        **PLACE,
        "image": WORKER,
        "volumes": [volume],
        "networks": [{"network": "isolated"}],
        "tags": {"ferry": "web01"},
    }


def snapshot_arguments(state: str) -> dict[str, Any]:
    """The target's snapshot of the first sync in this state."""
    return {"instance": "web01", "name": SNAPSHOT, "state": state}


@dataclass(frozen=True)
class Step:
    """One task of the sequence."""

    name: str
    module: str
    arguments: Mapping[str, Any]


def steps(image: Path) -> list[Step]:
    """The sequence from the upload to the last removal, in its order."""
    return [
        Step("upload the image", "image", image_arguments(image)),
        Step("create the target", "instance", TARGET),
        Step("create the creator", "instance", creator_arguments()),
        Step("take the worker volume", "volume", _move("detached", WORKER, CREATOR)),
        Step("take the guest's root", "volume", _move("detached", "root", "web01")),
        Step("give the worker volume", "volume", {**_move("attached", WORKER), "root": True}),
        Step("remove the creator", "instance", _gone(CREATOR, preserve_volumes=True)),
        Step("start", "instance", {"name": "web01", "state": "started"}),
        Step("stop", "instance", {"name": "web01", "state": "stopped"}),
        Step("take the worker volume back", "volume", _move("detached", WORKER)),
        Step(
            "give the guest's root back",
            "volume",
            {**_move("attached", "root"), "root": True, "unit": 0},
        ),
        Step("take a snapshot", "snapshot", {**snapshot_arguments("present"), "description": "1"}),
        Step("delete the snapshot", "snapshot", snapshot_arguments("absent")),
        Step("add, grow and delete volumes", "volume_set", VOLUME_SET),
        Step(
            "mark and rewire",
            "instance",
            {
                "name": "web01",
                "tags": {"ferry_generation": 2},
                "labels": ["wave-1"],
                "networks": [{"network": "production", "mac": SOURCE_MAC.upper()}],
            },
        ),
        Step("delete the worker volume", "volume", {"state": "absent", "name": WORKER}),
        Step("delete the image", "image", {"state": "absent", "name": WORKER}),
        Step("remove the target", "instance", _gone("web01")),
    ]


@dataclass(frozen=True)
class Taken:
    """What came of a step: three results, and the appliance's records around the first."""

    step: Step
    checked: Mapping[str, Any]
    done: Mapping[str, Any]
    again: Mapping[str, Any]
    records_before: str
    records_after_check: str


def run_in_ansible(appliance: LocalAppliance, wanted: Sequence[Step], folder: Path) -> list[Taken]:
    """Take the steps in one run of ansible-playbook. Fails the test if the run fails."""
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    tasks = [task for number, step in enumerate(wanted) for task in _tasks(number, step, appliance)]
    run = Playground(folder, variables).run(tasks, "--diff")
    assert run.status == 0, run.output
    return [_taken(number, step, run.results) for number, step in enumerate(wanted)]


def environment(appliance: LocalAppliance) -> dict[str, str]:
    """The variables from which the modules take their connection."""
    return {
        "MORPHEUS_URL": appliance.url,
        "MORPHEUS_USERNAME": appliance.username,
        "MORPHEUS_PASSWORD": appliance.password,
        "MORPHEUS_CA_PATH": str(appliance.ca_path),
    }


@dataclass(frozen=True)
class Modules:
    """Calls the modules' work in this process; Ansible's own validator checks the arguments."""

    appliance: LocalAppliance
    defaults: Mapping[str, Any] = field(default_factory=lambda: {"wait_timeout": 20})

    def call(self, module: str, *, check_mode: bool = False, **arguments: Any) -> Outcome:
        """Return the module's outcome; raises what the module would fail with."""
        spec, work = WORK[module]
        options = spec.with_options(CONNECTION).options
        given = {**self._connection(), **self.defaults, **arguments}
        checked = ArgumentSpecValidator(dict(options)).validate(given)
        assert not checked.error_messages, checked.error_messages
        return work(checked.validated_parameters, check_mode)

    def _connection(self) -> dict[str, Any]:
        return {
            "url": self.appliance.url,
            "username": self.appliance.username,
            "password": self.appliance.password,
            "ca_path": str(self.appliance.ca_path),
        }


WORK = {
    "image": (morpheus_image.SPEC, work_image),
    "image_info": (morpheus_image_info.SPEC, work_image_info),
    "instance": (morpheus_instance.SPEC, work_instance),
    "instance_info": (morpheus_instance_info.SPEC, work_instance_info),
    "snapshot": (morpheus_snapshot.SPEC, work_snapshot),
    "snapshot_info": (morpheus_snapshot_info.SPEC, work_snapshot_info),
    "volume": (morpheus_volume.SPEC, work_volume),
    "volume_info": (morpheus_volume_info.SPEC, work_volume_info),
    "volume_set": (morpheus_volume_set.SPEC, work_volume_set),
}


def _move(state: str, name: str, instance: str = "web01") -> dict[str, Any]:
    return {"state": state, "name": name, "instance": instance}


def _gone(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "state": "absent", **more}


def _tasks(number: int, step: Step, appliance: LocalAppliance) -> list[dict[str, Any]]:
    """Records, check mode, records, for real, again."""
    module = {
        f"ferry.hvm.morpheus_{step.module}": dict(step.arguments),
        "name": step.name,
        "environment": environment(appliance),
    }
    # A lookup reads the file in Ansible's own process; a module would take a second each time.
    path = appliance.directory / "records.json"
    records = {
        "ansible.builtin.debug": {"msg": f"{{{{ lookup('ansible.builtin.file', '{path}') }}}}"}
    }
    return [
        {**records, "register": f"before_{number}"},
        {**module, "check_mode": True, "register": f"checked_{number}"},
        {**records, "register": f"after_{number}"},
        {**module, "register": f"done_{number}"},
        {**module, "register": f"again_{number}"},
    ]


def _taken(number: int, step: Step, results: Mapping[str, Any]) -> Taken:
    return Taken(
        step,
        checked=results[f"checked_{number}"],
        done=results[f"done_{number}"],
        again=results[f"again_{number}"],
        records_before=results[f"before_{number}"]["msg"],
        records_after_check=results[f"after_{number}"]["msg"],
    )
