# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks take the documented steps in the documented order: the table is the sequence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"

BEFORE = ("preflight", "follow_run")
# Volumes follow the disks when the target is as after its last sync, and before the worker is attached.
TO_THE_WORKER = (
    "reconcile_target",
    "upload_worker_image",
    "create_volume_creator",
    "detach_volume_from_creator",
    "attach_worker_volume",
    "remove_volume_creator",
    "start_worker",
)
DATA = ("replicate_source_data", "prepare_target", "stop_instance", "detach_worker_volume")
HELPERS_GO = ("delete_worker_volume", "delete_worker_image", "start_instance")
OFF, MADE = "power_off_instance", "create_target_instance"
SOURCE_SNAPSHOT = "create_source_snapshot"
KEPT = ("create_instance_snapshot", "note_target_index")
GONE = "remove_source_snapshot"

SEQUENCES = {
    "initial_os": (MADE, OFF, *TO_THE_WORKER, *DATA, *HELPERS_GO),
    "delta_os": (OFF, *TO_THE_WORKER, *DATA, *HELPERS_GO),
    "initial_vm": (MADE, SOURCE_SNAPSHOT, OFF, *TO_THE_WORKER, *DATA, *KEPT, *HELPERS_GO, GONE),
    "delta_vm": (
        SOURCE_SNAPSHOT,
        OFF,
        "revert_to_snapshot",
        *TO_THE_WORKER,
        *DATA,
        "delete_previous_snapshot",
        *KEPT,
        *HELPERS_GO,
        GONE,
    ),
}


def roles_of(tasks: list[dict[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """Each role in its order, with its tags; what rescues is not part of the sequence."""
    for task in tasks:
        yield from roles_of(task.get("block", []))
        role = task.get("ansible.builtin.import_role")
        if role:
            yield role["name"].removeprefix("ferry.hvm."), task["tags"]


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_playbook_takes_the_steps_in_their_order_each_under_its_own_tag(name: str) -> None:
    (play,) = yaml.safe_load((PLAYBOOKS / f"{name}.yml").read_text())
    taken = list(roles_of(play["tasks"]))
    assert tuple(role for role, _tags in taken) == (*BEFORE, *SEQUENCES[name])
    assert [tags[0] for _role, tags in taken] == [role for role, _tags in taken]


@pytest.mark.parametrize("path", sorted(PLAYBOOKS.glob("*.yml")), ids=lambda path: path.stem)
def test_no_play_has_modules_with_passwords_in_files(path: Path) -> None:
    """Where the collection is installed, no configuration of ours is read: each play says it itself."""
    for play in yaml.safe_load(path.read_text()):
        assert play["vars"]["ansible_pipelining"] is True


def test_a_sync_is_marked_before_its_first_byte_and_named_after_its_last() -> None:
    # Cut off in between and prepared by its tag, the mix had got the name of the last generation.
    role = PLAYBOOKS.parent / "roles/replicate_source_data/tasks/replicate.yml"
    (block,) = [task["block"] for task in yaml.safe_load(role.read_text()) if "block" in task]
    tags = [task.get("ferry.hvm.morpheus_instance", {}).get("tags", {}) for task in block]
    (begun,) = [n for n, each in enumerate(tags) if "ferry_sync_begun" in each]
    (data,) = [n for n, task in enumerate(block) if "ferry.hvm.worker_replicate" in task]
    (ended,) = [n for n, each in enumerate(tags) if "ferry_generation" in each]
    assert begun < data < ended
    assert tags[begun]["ferry_sync_begun"] == tags[ended]["ferry_generation"]
