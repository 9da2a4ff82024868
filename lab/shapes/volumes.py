# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""File systems of a shape, made as image files from parts of its tree.

ext4 and FAT are filled by their own tools. XFS and Btrfs are mounted by the host's kernel, in a namespace
of the copying process: killed, it leaves neither mount nor loop device.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ..command import run
from ..guests.disks import MIB, fill_with_ext4
from .table import Volume

# Arguments: the image, the tree, a place to mount, the subvolume to make or nothing. A loop device that was
# read-only for its last user still is; detached at once, it goes with the mount.
COPY = """
set -eu
loop=$(losetup --find --show "$1")
blockdev --setrw "$loop"
mount "$loop" "$3"
losetup --detach "$loop"
if [ -n "$4" ]; then btrfs subvolume create "$3/$4" >/dev/null; fi
cp -a "$2/." "$3/$4"
umount "$3"
"""


def make_volume(volume: Volume, tree: Path, image: Path, uuid: str, *, subvolume: str = "") -> None:
    """The new file `image` is the volume; what it holds is no longer in the tree.

    The root's content goes into `subvolume`, if one is named. Raises LabError where the host's kernel
    cannot mount the kind.
    """
    with image.open("xb") as file:
        file.truncate(volume.size * MIB)
    if volume.kind == "swap":
        run("mkswap", "--quiet", "--uuid", uuid, str(image))
        return
    content = tree / volume.path.lstrip("/")
    if volume.kind == "ext4":
        fill_with_ext4(image, content, uuid, start=0)
    elif volume.kind == "vfat":
        run("mkfs.vfat", "-i", uuid[:8], str(image))
        run("mcopy", "-s", "-i", str(image), *(str(each) for each in content.iterdir()), "::/")
    else:
        _make_mounted(volume.kind, content, image, uuid, subvolume)
    if volume.path != "/":
        for each in content.iterdir():
            shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()


def _make_mounted(kind: str, content: Path, image: Path, uuid: str, subvolume: str) -> None:
    options = {
        # GRUB 2.06 reads neither big time stamps nor large counters of extents.
        "xfs": ("-q", "-m", f"uuid={uuid},bigtime=0,inobtcount=0"),
        "btrfs": ("-q", "--uuid", uuid),
    }[kind]
    run(f"mkfs.{kind}", *options, str(image))
    place = image.with_name("mounted")
    place.mkdir()
    copy = ("sh", "-c", COPY, "copy", str(image), str(content), str(place), subvolume)
    run("unshare", "--mount", *copy)
