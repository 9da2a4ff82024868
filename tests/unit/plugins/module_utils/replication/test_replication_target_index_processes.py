# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The target index between processes: the zipapp notes it, takes it and tells of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.replication import receiver
from ansible_collections.ferry.hvm.plugins.module_utils.replication.limits import CHUNK

from tests.unit.plugins.module_utils.replication.processes import (
    Answer,
    Sender,
    plan_of,
    wait_for_end,
)
from tests.unit.plugins.module_utils.replication.rig import Rig, noise, patched

pytestmark = pytest.mark.usefixtures("no_receiver_stays")


def test_a_target_index_crosses_between_processes_and_serves_once(
    rig: Rig, sender: Sender, tmp_path: Path
) -> None:
    content = noise(5 * CHUNK)
    sender.disk.write_bytes(content)
    target = tmp_path / "target.raw"
    target.write_bytes(bytes(len(content)))
    kept = {"instance": "1002", "snapshot": "1044"}
    (tmp_path / "web01").mkdir()

    def sync(number: int, **plan: Any) -> tuple[Answer, Answer]:
        """By a sender of its own, as each sync has; return what it told of the disk, and the claim."""
        index = {
            "path": str(tmp_path / "web01" / "sda.index"),
            "identity": {"disk": "sda"},
            "generation": number,
            "change_id": str(number),
            "since": str(number - 1) if number > 1 else "",
        }
        disk = {"name": "sda", "path": str(sender.disk), "index": index}
        told = {**kept, "volumes": {"sda": "1007"}} if number > 1 else None
        started = sender.start(disks=[disk], target_index=told)
        (served,) = started["disks"]
        rig.put_key()
        pair = {"target_index": served.get("target_index", False)}
        receiver.start_detached(
            plan_of(rig, started["port"], target, len(content), pair=pair, **plan)
        )
        result = wait_for_end(rig.directory)
        sender.stop()
        return served, dict(result["disks"][0]["claim"])

    _served, first = sync(1, initial=True)
    target.write_bytes(patched(content, (CHUNK, b"prepared")))
    noted = {"name": "sda", "volume": "1007", "root": first["root"], "extents": [[CHUNK, 8]]}
    place = {"migration": "web01", "index_directory": str(tmp_path), **kept}
    assert sender.call("note_target", {**place, "disks": [noted]}) == {"doubts": {}}
    served, second = sync(2)
    assert served["target_index"] is True
    assert target.read_bytes() == content
    assert second["target_index"]["adopted"] == 4 * CHUNK
    served, third = sync(3)
    assert (served["target_index"], third["target_index"]) == (False, None)
    assert "nothing was noted" in served["target_index_reason"]
    doubts = sender.call("note_target", {**place, "disks": [{**noted, "root": "00"}]})["doubts"]
    assert doubts == {"sda": "the source worker has no index of that sync"}


def test_a_disk_whose_changes_nobody_tracks_has_no_target_index(sender: Sender) -> None:
    told = {"instance": "1002", "snapshot": "1044", "volumes": {"sda": "1007"}}
    (disk,) = sender.start(target_index=told)["disks"]
    assert disk["target_index"] is False
    assert disk["target_index_reason"] == "its changes are not tracked"
