# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Room for what the preparation makes anew: looked at before anything is written.

Without it the maker of an initramfs would end half-way, minutes later, with words of its own. The reserve
of ext4 counts as free: the maker runs as root, and without it a root that is full for users would be refused.
"""

from __future__ import annotations

import posixpath
from typing import Dict, Iterable, List, Sequence

from ..units import MIB, show_exact_size
from .changes import RebuildInitramfs
from .facts import BOOT, GuestFacts
from .families import RPM, family_of
from .rules import Finding, Result, Results
from .systemd_boot_rules import entries_of

# The drivers of virtio and all that they need: 1.1 MiB unpacked in Debian 12's kernel, and what else may grow.
_GROWTH = 4 * MIB
# An image for any machine beside one for this machine. dracut's were not measured for Red Hat's or SUSE's kernels,
# whose images for rescue, made for any machine, are known to be two to four times as large.
_FOR_ANY_MACHINE = 4
_RESCUE = "-0-rescue-"


def check(facts: GuestFacts, results: Iterable[Result]) -> Results:
    """Yield a finding for each place where images that are made anew do not fit."""
    made = [each for each in results if isinstance(each, RebuildInitramfs)]
    for place, needed in _needed(made, facts).items() if made else ():
        free = facts.room.get(place)
        if free is not None and needed > free:
            yield _too_little(place, needed, free, facts)


def _needed(made: Sequence[RebuildInitramfs], facts: GuestFacts) -> Dict[str, int]:
    """Return the bytes that are needed, by place. kernel-install removes a copy before it makes it anew."""
    needed = {each.place: _GROWTH * len(made) for each in entries_of(facts)}
    is_dracut = family_of(facts.distribution) is RPM
    own = _needed_by_dracut(made, facts) if is_dracut else _needed_beside(made, facts)
    # The partition with the copies may be /boot itself.
    return {**needed, BOOT: needed.get(BOOT, 0) + own}


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


def _too_little(place: str, needed: int, free: int, facts: GuestFacts) -> Finding:
    """Return the finding. An image that the source's dracut makes for itself is small."""
    by_hand = (
        " or run `dracut --force --add-drivers 'virtio_pci virtio_blk virtio_scsi virtio_net'` there,"
        if family_of(facts.distribution) is RPM
        else ""
    )
    return Finding(
        f"{place} has {show_exact_size(free)} free, and a new initramfs there may take"
        f" {show_exact_size(needed)} more. Remove old kernels on the source{by_hand} and sync again."
    )
