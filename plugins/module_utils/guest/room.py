# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Room for what the preparation makes anew: looked at before anything is written.

Without it the maker of an initramfs would end half-way, minutes later, with words of its own. What is free
is what users may take: the reserve of ext4 is left alone.
"""

from __future__ import annotations

import posixpath
from typing import Dict, Iterable, List, Sequence

from ..units import show_exact_size
from .changes import RebuildInitramfs
from .facts import GuestFacts
from .families import RPM, family_of
from .rules import Finding, Result, Results
from .tree import GuestTree

BOOT = "/boot"
_MIB = 1 << 20
# The drivers of virtio and all that they need: 1.1 MiB unpacked in Debian 12's kernel, and what else may grow.
_GROWTH = 4 * _MIB
# An image for any machine beside one for this machine. dracut's were not measured for Red Hat's or SUSE's kernels,
# whose images for rescue, made for any machine, are known to be two to four times as large.
_FOR_ANY_MACHINE = 4
_RESCUE = "-0-rescue-"


def free_room(tree: GuestTree) -> Dict[str, int]:
    """Return the bytes that are free where images are kept, by folder."""
    return {folder: tree.free_bytes(folder) for folder in (BOOT,) if tree.has(folder)}


def image_sizes(tree: GuestTree) -> Dict[str, int]:
    """Return the size in bytes of each initramfs in /boot, by path."""
    paths = (f"{BOOT}/{name}" for name in tree.names(BOOT) if name.startswith("initr"))
    return {path: tree.size(path) for path in paths if tree.has(path)}


def check(facts: GuestFacts, results: Iterable[Result]) -> Results:
    """Yield a finding if images that are made anew do not fit where they belong."""
    made = [each for each in results if isinstance(each, RebuildInitramfs)]
    if not made or BOOT not in facts.room:
        return
    is_dracut = family_of(facts.distribution) is RPM
    needed = _needed_by_dracut(made, facts) if is_dracut else _needed_beside(made, facts)
    if needed > facts.room[BOOT]:
        yield _too_little(needed, facts, is_dracut=is_dracut)


def _needed_beside(made: Sequence[RebuildInitramfs], facts: GuestFacts) -> int:
    """Return what `update-initramfs` needs: it writes one after the other, each beside the old one."""
    sizes = _present(made, facts)
    return max(sizes) + _GROWTH * len(sizes)


def _needed_by_dracut(made: Sequence[RebuildInitramfs], facts: GuestFacts) -> int:
    """Return what dracut needs: it makes the image elsewhere and writes it over the old one."""
    rescue = [size for path, size in facts.images.items() if _RESCUE in posixpath.basename(path)]
    return sum(
        max(max(rescue, default=size * _FOR_ANY_MACHINE) - size, 0) + _GROWTH
        for size in _present(made, facts)
    )


def _present(made: Sequence[RebuildInitramfs], facts: GuestFacts) -> List[int]:
    paths = {kernel.version: kernel.initramfs or "" for kernel in facts.kernels}
    return [facts.images.get(paths[each.kernel], 0) for each in made]


def _too_little(needed: int, facts: GuestFacts, *, is_dracut: bool) -> Finding:
    """Return the finding. An image that the source makes for itself is small, and has no need of ours."""
    by_hand = (
        " or run `dracut --force --add-drivers 'virtio_pci virtio_blk virtio_scsi virtio_net'` there,"
        if is_dracut
        else ""
    )
    return Finding(
        f"{BOOT} has {show_exact_size(facts.room[BOOT])} free, and its new initramfs may take"
        f" {show_exact_size(needed)} more. Remove old kernels on the source{by_hand} and sync again."
    )
