# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file is read for a disk only where that one file is the disk as it was at the snapshot."""

from __future__ import annotations

import re

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.flat_files import (
    FlatFile,
    SnapshotDisk,
    flat_file,
    flat_obstacle,
)

SIZE = 1 << 20
DISK = SnapshotDisk(2000, "[store 1] web/web.vmdk", "FlatVer2", False, False, SIZE, "x0:0")


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("store-1_a.b", ["store-1_a.b"]),
        ("a b", ["a%2520b", "a%20b"]),
        ("50%", ["50%2525", "50%25"]),
    ],
)
def test_names_are_quoted_twice_then_once(name: str, quoted: list[str]) -> None:
    targets = FlatFile("DC/1", name, "web 1/web 1-flat.vmdk").targets
    assert targets[0] == f"/folder/web%201/web%201-flat.vmdk?dcPath=DC%252F1&dsName={quoted[0]}"
    assert targets[-1] == f"/folder/web%201/web%201-flat.vmdk?dcPath=DC%2F1&dsName={quoted[-1]}"
    assert len(FlatFile("DC1", name, "x").targets) == len(quoted)


def test_a_flat_disk_without_parent_names_its_file() -> None:
    assert flat_obstacle(DISK) == ""
    assert str(flat_file(DISK, "DC")) == "[store 1] web/web-flat.vmdk"


OBSTACLES = {
    "a parent": (DISK._replace(has_parent=True), "older snapshot"),
    "a sparse backing": (DISK._replace(backing="SeSparse"), "SeSparse"),
    "a raw device": (DISK._replace(backing="RawDiskMappingVer1"), "RawDiskMappingVer1"),
    "encryption": (DISK._replace(is_encrypted=True), "encrypted"),
    "no path": (DISK._replace(file=""), "datastore path"),
}


@pytest.mark.parametrize(("disk", "words"), OBSTACLES.values(), ids=list(OBSTACLES))
def test_no_file_is_read_of_a_disk_with(disk: SnapshotDisk, words: str) -> None:
    assert words in flat_obstacle(disk)
    with pytest.raises(InputError, match=re.escape(words)):
        flat_file(disk, "DC")
