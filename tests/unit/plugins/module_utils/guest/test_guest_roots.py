# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root among subvolumes of a real Btrfs, mounted in a namespace of the looking process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[5]
HAS_BTRFS = "btrfs" in Path("/proc/filesystems").read_text().split()
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not HAS_BTRFS, reason="needs root, and a kernel that mounts Btrfs"
)

# Arguments: the image, a place to mount; then subvolumes and what their fstab calls the root's.
FILL = """
set -eu
loop=$(losetup --find --show "$1")
blockdev --setrw "$loop"
mount "$loop" "$2"
losetup --detach "$loop"
place=$2; shift 2
while [ $# -gt 0 ]; do
    mkdir -p "$place/$(dirname "$1")"
    btrfs subvolume create "$place/$1" > /dev/null
    mkdir "$place/$1/etc"
    echo "UUID=x / btrfs subvol=$2 0 0" > "$place/$1/etc/fstab"
    ln -s ../usr/lib/os-release "$place/$1/etc/os-release"
    shift 2
done
umount "$place"
"""
FIND = """
import sys
from ansible_collections.ferry.hvm.plugins.module_utils.guest import roots, syscalls
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import PlanError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import FileSystem
from ansible_collections.ferry.hvm.plugins.module_utils.guest.tree import GuestTree
syscalls.enter_private_mounts()
try:
    found = roots.find_root([FileSystem("sda", 1, sys.argv[1], "btrfs", "x")], GuestTree(sys.argv[2]))
    print("root", found.subvolume)
except PlanError as error:
    print("error", error)
"""


def find_root(folder: Path, subvolumes: dict[str, str]) -> str:
    """Return what is found on a Btrfs with these subvolumes, each with what its fstab names."""
    image, place = folder / "image", folder / "place"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(128 << 20)
    subprocess.run(["mkfs.btrfs", "-q", image], check=True)
    words = [word for pair in subvolumes.items() for word in pair]
    subprocess.run(
        ["unshare", "--mount", "sh", "-c", FILL, "fill", image, place, *words], check=True
    )
    loop = subprocess.run(
        ["losetup", "--find", "--show", image], stdout=subprocess.PIPE, check=True
    )
    device = loop.stdout.decode().strip()
    try:
        found = subprocess.run(
            [sys.executable, "-c", FIND, device, place],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT / ".collections")},
            stdout=subprocess.PIPE,
            check=True,
        )
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
    return found.stdout.decode().strip()


@pytest.mark.parametrize(
    ("subvolumes", "expected"),
    [
        pytest.param({"@rootfs": "@rootfs"}, "root @rootfs", id="Debian's installer"),
        pytest.param({"root": "other"}, "root root", id="the only one, whatever its fstab says"),
        pytest.param(
            {"@": "/@", "snapshots/1": "/@", "snapshots/2": "/@"}, "root @", id="with snapshots"
        ),
    ],
)
def test_the_root_is_found_among_subvolumes(
    tmp_path: Path, subvolumes: dict[str, str], expected: str
) -> None:
    assert find_root(tmp_path, subvolumes) == expected


def test_two_systems_on_one_file_system_are_not_guessed_at(tmp_path: Path) -> None:
    assert "more than one root" in find_root(tmp_path, {"one": "one", "two": "two"})


def test_a_file_system_without_a_system_is_no_root(tmp_path: Path) -> None:
    assert find_root(tmp_path, {}).startswith("error This guest cannot be prepared: No root")
