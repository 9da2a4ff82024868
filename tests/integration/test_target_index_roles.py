# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a sync may trust its target: the roles around it, on the lab's appliance with null machines.

What carries and prepares is left out: facts stand for its results. The index on this machine, which is the source
worker too, is a real one of an empty disk.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.entry.vm_snapshot import INDEXES
from ansible_collections.ferry.hvm.plugins.module_utils.replication.digests import (
    Algorithm,
    Hasher,
)
from ansible_collections.ferry.hvm.plugins.module_utils.replication.geometry import Span, split
from ansible_collections.ferry.hvm.plugins.module_utils.replication.index import Head, IndexWriter
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK

from tests.integration.ansible_host import PlaybookRun, play
from tests.integration.morpheus_steps import GIB, environment
from tests.integration.test_snapshot_roles import Scene, next_generation, role, scene

# Some thirty module runs of a second or two each; several times that on a loaded machine.
pytestmark = pytest.mark.timeout(900)

__all__ = ["scene"]

DISKS = ("sda", "sdb")
SIZE = 16 * CHUNK
CHANGED = [{"start": 8192, "length": 8192}]
FACTS = {
    "observe_source_facts": {
        "disks": [{"name": name, "size": GIB, "device": f"guest-{name}"} for name in DISKS]
    }
}


def make_index(migration: str, disk: str) -> str:
    """Have an index as a sync leaves it; return its root."""
    path = Path(INDEXES) / migration / f"{disk}.index"
    path.parent.mkdir(parents=True, exist_ok=True)
    hasher = Hasher(Algorithm.SHA256)
    writer = IndexWriter(str(path), SIZE)
    for chunk, span in enumerate(split(Span(0, SIZE), CHUNK)):
        writer.note(chunk, hasher.zeros(span.length))
    root = writer.root(hasher).hex()
    writer.finish(Head({"disk": disk}, SIZE, "sha256", "52/1", 1, root), hasher)
    writer.close()
    return root


def run(
    scene: Scene, hosts: Mapping[str, Mapping[str, Any]], tasks: list[dict[str, Any]]
) -> PlaybookRun:
    common = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ferry_instance": "{{ inventory_hostname }}",
        "ferry_vm": "{{ inventory_hostname }}",
        "ferry_target_index": True,
        **FACTS,
    }
    inventory = {"all": {"hosts": hosts, "vars": common}}
    done = play(scene.folder, inventory, tasks, variables=environment(scene.api.appliance))
    assert done.status == 0, done.output
    return done


@pytest.fixture
def no_index_stays() -> Iterator[None]:
    yield
    for folder in Path(INDEXES).glob("tindex-*"):
        shutil.rmtree(folder)


def carried(roots: Mapping[str, str]) -> dict[str, Any]:
    """The facts that a sync and a preparation leave."""
    disks = [{"name": name, "claim": {"root": root}} for name, root in roots.items()]
    return {
        "ansible.builtin.set_fact": {
            "replicate_source_data_result": {"replication": {"disks": disks}},
            "prepare_target_result": {
                "changed_extents": {"guest-sda": CHANGED, "guest-sdb": []},
            },
        }
    }


@pytest.mark.usefixtures("no_index_stays")
def test_a_run_that_carried_and_kept_notes_it_and_others_do_not(scene: Scene) -> None:
    hosts = {"tindex-whole": {}, "tindex-off": {"ferry_target_index": False}, "tindex-part": {}}
    for host in hosts:
        scene.make(host)
    roots = {name: make_index("tindex-whole", name) for name in DISKS}
    make_index("tindex-off", "sda")
    make_index("tindex-part", "sda")

    tasks = [
        *next_generation(),
        {**carried(roots), "when": "inventory_hostname != 'tindex-part'"},
        role("create_instance_snapshot"),
        role("note_target_index"),
    ]
    done = run(scene, hosts, tasks)

    notes = sorted(
        str(path.relative_to(INDEXES)) for path in Path(INDEXES).glob("tindex-*/*.target")
    )
    assert notes == ["tindex-whole/sda.index.target", "tindex-whole/sdb.index.target"], done.output
    assert b"[[8192, 8192]]" in (Path(INDEXES) / notes[0]).read_bytes()
    # Once more without a snapshot of its own: who knows what was done to the target since it was taken.
    for note in notes:
        (Path(INDEXES) / note).unlink()
    run(
        scene,
        {"tindex-whole": {}},
        [carried(roots), *map(role, ("create_instance_snapshot", "note_target_index"))],
    )
    assert not list(Path(INDEXES).glob("tindex-*/*.target"))


def test_a_target_is_trusted_only_by_the_run_that_reverted_it(scene: Scene) -> None:
    hosts: dict[str, dict[str, Any]] = {
        "plain": {},
        "final": {"ferry_final_sync": True},
        "full": {"ferry_verify": "full"},
        "followed": {"follow_run_name": "followed-1"},
        "again": {},
        "lost": {},
        "moved": {"was_moved": True},
    }
    for host in hosts:
        scene.make(host)
    scene.tag("again", ferry_reverted=1)
    scene.modules.call("snapshot", instance="lost", name="ferry-snapshot-lost.1", state="absent")

    name = "{{ ferry_instance }}"
    tasks = [
        role("revert_to_snapshot"),
        # What reconcile_target registers: it found the root in its place, and the volumes as they should be.
        {
            "ansible.builtin.command": "true",
            "changed_when": "was_moved | default(false)",
            "register": "reconcile_target_result",
        },
        {"ansible.builtin.command": "false", "register": "reconcile_target_again", "when": False},
        {"ferry.hvm.morpheus_instance_info": {"name": name}, "register": "reach_worker_observed"},
        {
            "ansible.builtin.import_role": {
                "name": "ferry.hvm.replicate_source_data",
                "tasks_from": "target_index.yml",
            }
        },
        {
            "ansible.builtin.copy": {
                "content": "{{ replicate_source_data_target_index | default({}) | to_json }}",
                "dest": f"{scene.folder}/{{{{ inventory_hostname }}}}.json",
            },
        },
    ]
    done = run(scene, hosts, tasks)

    told = {host: json.loads((scene.folder / f"{host}.json").read_text()) for host in hosts}
    assert [host for host in hosts if told[host]] == ["plain"], done.output
    (kept,) = scene.modules.call("snapshot_info", instance="plain").result["snapshots"]
    assert int(told["plain"]["snapshot"]) == kept["id"]
    volumes = {each["name"]: str(each["id"]) for each in scene.volumes("plain")}
    assert told["plain"]["volumes"] == volumes
    for reason in (
        "final: all of the target is compared, for this is the final sync",
        "full: all of the target is compared, for all is to be verified",
        "followed: all of the target is compared, for an earlier run is followed",
        "again: all of the target is compared, for this run did not revert it",
        "lost: all of the target is compared, for this run did not revert it",
        "moved: all of the target is compared, for its volumes were changed since",
    ):
        assert reason in done.output
