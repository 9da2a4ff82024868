# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part that all source servers have in common, built once and kept: their root disk without identity.

`<cache>/sources/<key>/` holds it; the key is the digest of all that makes it, which is this directory's
files. Whoever changes one of them gets a new base, and an old one never pretends to be new.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
import uuid
from pathlib import Path

from ..recipe import only_one_builder, recipe_key
from .debian import build_tree, inside
from .disks import MIB, fill_with_ext4, make_partitioned
from .grub import add_boot_files, write_boot_code

log = logging.getLogger(__name__)

RECIPE = Path(__file__).parent
# Half of it is used; the rest is for what a migration installs, and it reads as zero.
# No whole number of GiB: a target's volume is one, and so larger, and one of 1 GiB is too small.
ROOT_DISK_SIZE = 1088 * MIB
ROOT_DISK = "root.raw"
SCRATCH = "building-"


def base_key(recipe: Path = RECIPE) -> str:
    """Return the key of the base that the files of `recipe` build: 16 hexadecimal digits."""
    return recipe_key(recipe)


def ensure_base(cache: Path) -> Path:
    """Return the directory of the base, built in about a minute if it is not in the cache yet.

    Calls in several processes at once build it once. Raises LabError when it cannot be built; what was
    begun is then removed.
    """
    sources = cache / "sources"
    base = sources / base_key()
    with only_one_builder(sources):
        if not base.exists():
            _build(base)
    return base


def _build(base: Path) -> None:
    started = time.monotonic()
    log.info("Building the source servers' base in %s (about a minute)", base)
    for killed in base.parent.glob(f"{SCRATCH}*"):
        shutil.rmtree(killed)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=base.parent) as scratch:
        tree, made = Path(scratch, "tree"), Path(scratch, "base")
        build_tree(tree)
        made.mkdir()
        (made / "packages.txt").write_text(inside(tree, "dpkg-query", "--show"))
        _make_disk(made / ROOT_DISK, tree)
        made.rename(base)
    log.info("Built the base in %.0f s", time.monotonic() - started)


def _make_disk(disk: Path, tree: Path) -> None:
    root_uuid = str(uuid.uuid4())
    add_boot_files(tree, root_uuid)
    make_partitioned(disk, ROOT_DISK_SIZE)
    fill_with_ext4(disk, tree, root_uuid)
    write_boot_code(disk, tree)
