# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a sync before it begins, and how sure it is."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.workload.prediction import (
    LastSync,
    predict,
    read_last_sync,
    tell,
)

GIB = 1 << 30

DISKS = [
    {"name": "sda", "size": 8 * GIB, "mounted": ["/", "/mnt/view"]},
    {"name": "sdb", "size": 4 * GIB, "mounted": ["/srv"]},
    {"name": "sdc", "size": 2 * GIB, "mounted": []},
]
FILE_SYSTEMS = [
    {"device": "/dev/sda1", "mount_point": "/", "used": 3 * GIB},
    {"device": "/dev/sda1", "mount_point": "/mnt/view", "used": 3 * GIB},
    {"device": "/dev/mapper/srv", "mount_point": "/srv", "used": GIB},
    {"device": "/dev/sdd1", "mount_point": "/other", "used": 99 * GIB},
]


def figures(tags: dict[str, str]) -> dict[str, tuple[float, str]]:
    return {each.name: (each.amount, each.label) for each in predict(FILE_SYSTEMS, DISKS, tags)}


def test_before_a_first_sync_what_is_used_is_the_estimate() -> None:
    assert figures({}) == {"compared": (14 * GIB, "exact"), "sent": (6 * GIB, "estimated")}
    assert tell(predict(FILE_SYSTEMS, DISKS, {})) == (
        "The sync compares 14.0 GiB (exact: the sizes of the disks), sends about 6.0 GiB (estimated: "
        "what is used in the mounted file systems, and whole disks without any; before packing)."
    )


def test_before_a_delta_the_last_sync_is_the_measure() -> None:
    tags = {"ferry_last_sync": f"{7 * GIB} 1234 60.0"}
    assert figures(tags) == {"compared": (14 * GIB, "exact"), "seconds": (120.0, "measured")}
    assert tell(predict(FILE_SYSTEMS, DISKS, tags)) == (
        "The sync compares 14.0 GiB (exact: the sizes of the disks), takes about 2 min 00 s (measured: "
        "the last sync compared 7.0 GiB in 1 min 00 s)."
    )


READ: dict[str, tuple[str, Any]] = {
    "what the role writes": ("100 7 1.5", LastSync(100, 7, 1.5)),
    "with a line's end": ("100 7 1.5\n", LastSync(100, 7, 1.5)),
    "nothing": ("", None),
    "another's words": ("last week", None),
    "too much": ("1 2 3 4", None),
}


@pytest.mark.parametrize(("tag", "last"), READ.values(), ids=READ.keys())
def test_a_tag_that_somebody_changed_is_not_believed(tag: str, last: LastSync | None) -> None:
    assert read_last_sync(tag) == last
